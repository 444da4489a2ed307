package subscribers

import "errors"

// Way is how a reader comes back to the mail. Each needs more than the one before it.
type Way int

const (
	ByReader   Way = iota // a link in any mail
	ByConfirm             // a sign-up that is confirmed from the address
	ByOperator            // an operator, who says why
	Never
)

func (w Way) String() string {
	return [...]string{"reader", "confirm", "operator", "never"}[w]
}

// What keeps a reader from mail without a suppression of the address.
const (
	AwayLeft   = "left"   // the edition was left
	AwayPaused = "paused" // a pause
)

var (
	// ErrNoWayBack says that a suppression cannot be lifted in this way.
	ErrNoWayBack = errors.New("the suppression cannot be lifted in this way")
	// ErrWhy says that a suppression is lifted only for a reason that is given.
	ErrWhy = errors.New("the suppression is lifted only for a reason: say why")
)

// WayBack is the least that brings back a reader who gets no mail for a reason: one of [Reasons],
// [AwayLeft] or [AwayPaused].
func WayBack(reason string) Way {
	switch reason {
	case AwayLeft, AwayPaused:
		return ByReader
	case "unsubscribed", "hard_bounce", "soft_bounce", "erased", "import":
		return ByConfirm
	case "legal":
		return Never
	}
	return ByOperator // complaint, operator, and what an older program may have written
}

// MayReturn reports whether the way by brings back a reader who gets no mail for a reason.
func MayReturn(reason string, by Way) bool {
	least := WayBack(reason)
	return least != Never && by != Never && by >= least
}
