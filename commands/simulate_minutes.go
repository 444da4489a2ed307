package commands

import (
	"encoding/csv"
	"fmt"
	"strconv"

	"broadsheet/capacity"
)

// minuteJSON is a line of simulate --json.
type minuteJSON struct {
	Time          *string `json:"time"`
	Due           int64   `json:"due"`
	Opened        int64   `json:"opened"`
	Sent          int64   `json:"sent"`
	Deferred      int64   `json:"deferred"`
	Failed        int64   `json:"failed"`
	Expired       int64   `json:"expired"`
	Urgent        int64   `json:"urgent"`
	Backlog       int64   `json:"backlog"`
	Unopened      int64   `json:"unopened"`
	Later         int64   `json:"later"`
	UrgentBacklog int64   `json:"urgent_backlog"`
	Oldest        int64   `json:"oldest_min"`
	Busiest       *string `json:"busiest"`
	Load          float64 `json:"load"`
	Limit         *string `json:"limit"`
}

func jsonMinute(m *capacity.Minute) minuteJSON {
	return minuteJSON{stamp(m.At), m.Due, m.Opened, m.Accepted, m.Deferred, m.Failed, m.Expired, m.Urgent, m.Backlog, m.Unopened, m.Later, m.UrgentBacklog,
		int64(m.Oldest.Minutes()), text(m.Busiest), m.Load, text(m.Limit)}
}

// minutes prints lines, in the form that is asked for; nil is their end.
func (p *program) minutes(f *simulateFlags) func(*capacity.Minute) error {
	if f.asJSON {
		return func(m *capacity.Minute) error {
			if m == nil {
				return nil
			}
			return p.printJSON(jsonMinute(m))
		}
	}
	heads := []string{"time", "due", "opened", "sent", "deferred", "failed", "expired", "urgent", "backlog", "unopened", "later", "oldest", "busiest", "load", "limit"}
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	if f.asCSV {
		w := csv.NewWriter(p.stdout)
		headed := f.every == 0
		return func(m *capacity.Minute) error {
			if !headed {
				_ = w.Write(heads) // its error comes back below
				headed = true
			}
			if m != nil {
				return w.Write([]string{*stamp(m.At), whole(m.Due), whole(m.Opened), whole(m.Accepted), whole(m.Deferred), whole(m.Failed), whole(m.Expired), whole(m.Urgent),
					whole(m.Backlog), whole(m.Unopened), whole(m.Later), whole(int64(m.Oldest.Minutes())), m.Busiest, strconv.FormatFloat(m.Load, 'f', 3, 64), m.Limit})
			}
			w.Flush()
			if err := w.Error(); err != nil {
				return fmt.Errorf("write output: %w", err)
			}
			return nil
		}
	}
	var t *table
	return func(m *capacity.Minute) error {
		if t == nil && f.every > 0 {
			t = p.table("TIME (UTC)", "DUE", "OPENED", "SENT", "DEFERRED", "FAILED", "EXPIRED", "BACKLOG", "LATER", "OLDEST", "BUSIEST")
		}
		switch {
		case t == nil:
			return nil
		case m == nil:
			fmt.Fprintln(t.w)
			return t.flush()
		}
		busiest := "-"
		if m.Busiest != "" {
			busiest = fmt.Sprintf("%s %.0f%%", m.Busiest, 100*m.Load)
		}
		t.row(m.At.Format("2006-01-02 15:04"), grouped(m.Due), grouped(m.Opened), grouped(m.Accepted), grouped(m.Deferred), grouped(m.Failed), grouped(m.Expired),
			grouped(m.Backlog), grouped(m.Later), duration(m.Oldest), busiest)
		return nil
	}
}

// grouped writes a large number with commas.
func grouped(n int64) string { return thousands(int(n)) }
