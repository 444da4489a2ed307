package digest

import "time"

// HoldKind is what keeps an issue's mails here.
type HoldKind string

const (
	HoldPaused   HoldKind = "paused"   // an operator paused it
	HoldApproval HoldKind = "approval" // waits for somebody to approve it
	HoldTripwire HoldKind = "tripwire" // differs too much from the issues before it
	HoldStopping HoldKind = "stopping" // an operator stopped it, and not all of it has come to its end
)

// Hold keeps an issue's mails here. An issue may have one of each kind, and goes once it has none.
type Hold struct {
	Issue  int64 // 0 = every issue, those that open later too
	Kind   HoldKind
	Reason string // for people, "" = none was given
	At     time.Time
	Who    string // an operator's name, or what part of the program
}
