package schedule

import "time"

// Slot is one local occurrence of an edition in one zone at one hour.
type Slot struct {
	Edition string
	Key     string    // local date 2006-01-02 where the cron fires at most once a day, else "2006-01-02 15:04"; with Edition it identifies the slot
	Zone    string    // IANA name of the place or of the readers
	Hour    int       // local hour 0-23
	Local   string    // local date and wall time "2006-01-02 15:04" as the cron has it (before a gap moved it)
	Due     time.Time // UTC
}
