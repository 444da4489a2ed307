package mailer

import (
	"context"
	"errors"
	"time"
)

// State is where a delivery stands.
type State string

const (
	Queued     State = "queued"     // waits for its first try, or for one after a fault that was not its own
	Sending    State = "sending"    // intent written, no byte of the message past the point of no return
	Handed     State = "handed"     // its last byte was about to leave; the reply is not on record
	Accepted   State = "accepted"   // the relay took it
	Delayed    State = "delayed"    // accepted, and the servers behind the relay have put it off so far
	Delivered  State = "delivered"  // accepted, and known to be in the mailbox
	Deferred   State = "deferred"   // due again later
	Uncertain  State = "uncertain"  // a copy was never answered
	Failed     State = "failed"     // refused for good
	Expired    State = "expired"    // its life ended before it could go
	Skipped    State = "skipped"    // nothing new for this reader
	Suppressed State = "suppressed" // the address is barred
	Superseded State = "superseded" // a later issue took over
	Cancelled  State = "cancelled"  // an operator stopped it
	Bounced    State = "bounced"    // accepted, then returned
)

// States lists all states in the order in which tables and JSON show them.
var States = []State{Queued, Sending, Handed, Deferred, Accepted, Delayed, Delivered, Bounced, Failed, Expired,
	Uncertain, Skipped, Suppressed, Superseded, Cancelled}

// Taken reports whether a relay took a delivery in this state, whatever became of it behind the relay.
func (s State) Taken() bool {
	return s == Accepted || s == Delayed || s == Delivered || s == Bounced
}

// Delivery is one mail on its way to one subscriber.
type Delivery struct {
	Issue      int64
	Slot       int64 // with Subscriber the identity: one mail per reader per slot
	Subscriber int64
	Digest     int64
	Address    string // as the settings row in use has it
	State      State
	Reason     string
	Attempts   int       // tries begun that count against the delivery, the one under way among them
	Copies     int       // copies whose last byte left without a definite refusal, one under way among them
	Date       time.Time // frozen at the first intent; renewed after a definite refusal if Copies is 0
	KeyID      string    // signing key of the links, frozen with Date
	Selector   string    // DKIM selector, frozen with Date; "" if the relay signs
	Due        time.Time
	Ends       time.Time // end of life: not begun after this
	At         time.Time // last change
}

// Batch is a leased run of deliveries of one issue and one relay, in subscriber order.
type Batch struct {
	ID         int64
	Issue      int64
	Relay      string
	Fence      int64      // rises with every lease; writes with an older one are refused
	Until      time.Time  // end of the lease, real time
	Urgent     bool       // goes before all that are not
	Deliveries []Delivery // those due
}

// Outcome is what a try came to, as [Decide] says.
type Outcome struct {
	State   State
	Reason  string
	Reply   Reply
	Due     time.Time // for Deferred and Queued: when next
	Charged bool      // the try counts as an attempt; if not, Attempts goes back to what it was
	Copies  int       // what the delivery's Copies is from now on (a definite refusal takes its copy back)
	Hard    bool      // leave a hard mark on the address
	Doubted bool      // it would, were there not too many alike in a row to be the recipients' doing
	Relay   string    // name of the relay that gave the reply
	// Throttled says that the recipient's provider wants less of our mail for now; nobody else's
	// recipients are meant.
	Throttled bool
}

// ErrLost says that a lease ended or the delivery was taken out of the sender's hands
// (superseded, suppressed, cancelled) or is on hold: leave it alone and go on with the next.
var ErrLost = errors.New("delivery is no longer ours")

// ErrWait says that a delivery may not go yet (min_gap, quiet hours): the queue has put it back.
var ErrWait = errors.New("delivery must wait")

// Step is what a [Mark] writes down.
type Step int

const (
	// Intend writes down that a delivery is about to be tried: state sending, Attempts plus one,
	// Date, KeyID and Selector fixed if they are not. It looks once more at suppression, end of
	// life, min_gap and quiet hours.
	Intend Step = iota + 1
	// Hand writes down that the message's last octet is about to leave: state handed, Copies
	// plus one.
	Hand
	// Settle writes down the outcome of a try: State, Reason, Due and Copies as they stand in it.
	Settle
)

// Mark is one line for the ledger.
type Mark struct {
	Step     Step
	Batch    *Batch
	Delivery *Delivery // brought up to date once the mark is on record
	KeyID    string    // Intend: signing key of the links of a message begun now
	Selector string    // Intend: DKIM selector, "" if the relay signs
	Outcome  Outcome   // Settle

	// Err is set by [Queue.Commit]: nil if the mark is on record; ErrLost if the delivery is no
	// longer ours or was ended by what Intend looks at; ErrWait (Intend alone).
	Err error
}

// Queue is what a sender needs from the database. store.DB meets it.
// All methods may be called from many goroutines.
type Queue interface {
	// Lease takes the next due batch for relay, or returns nil if there is none due at now.
	// now is the program's clock; the lease itself runs on real time.
	Lease(ctx context.Context, relay, worker string, now time.Time) (*Batch, error)
	// Renew prolongs a lease; ErrLost if it is gone.
	Renew(ctx context.Context, b *Batch) error
	// Release gives a batch back.
	Release(ctx context.Context, b *Batch, now time.Time) error
	// Commit puts marks on record, all of them in one step and in their order, and returns once
	// that is safe from a power cut. Each mark's Err and Delivery say what came of it. With an
	// error nothing is on record, and the call may be made again. Calls of several connections
	// may share one commit. It does not give up when ctx ends: what a relay said must not get lost.
	Commit(ctx context.Context, marks []Mark, now time.Time) error
	// NextDue is when the next open delivery of relay is due; ok is false if none is open.
	NextDue(ctx context.Context, relay string) (at time.Time, ok bool, err error)
}

// Hurrier is a Queue whose urgent batches can be had alone, by a sender that has others enough at
// hand: they go before those.
type Hurrier interface {
	// LeaseUrgent is Lease for urgent batches. It costs little if there is none.
	LeaseUrgent(ctx context.Context, relay, worker string, now time.Time) (*Batch, error)
}

// Recaller is a Queue that knows of deliveries that nobody wants any more though they are on record
// as handed: their last octet may not have left yet.
type Recaller interface {
	// Recalled reports whether a handed delivery should stay here.
	Recalled(ctx context.Context, d *Delivery) (bool, error)
}

// Halter is a Queue whose issues may be on hold. What it has leased to a sender then stays here: it gives
// [ErrLost] to what is begun, and the sender gives back what it has.
type Halter interface {
	// Halted lists the issues on hold, among them 0 if that is all of them. It is asked often and
	// costs little.
	Halted(ctx context.Context) (issues []int64, err error)
}

// Message is a delivery ready for the wire.
type Message struct {
	ReturnPath string // envelope sender
	Recipient  string // envelope recipient
	Body       []byte // RFC 5322 with CRLF line ends, not dot-stuffed, ends with CRLF
	EightBit   bool
	UTF8       bool // needs SMTPUTF8
	// Clean says that Body is known to hold what a body must (CRLF lines of at most 998 octets, no
	// NUL, 7-bit) and no line that begins with a dot, so that nobody looks through it again.
	Clean bool
	// ID names the message where the relay can report with it (ENVID of RFC 3461 section 4.4): up
	// to 100 printable ASCII characters without '+' and '='; "" = none.
	ID string
}

// ErrLater says that something cannot be had just now: a database that is away, say.
var ErrLater = errors.New("not to be had just now")

// Composer puts together the message of a delivery. It must give the same bytes for the
// same (Slot, Subscriber, Digest, Date, KeyID, Address). buf may be used for Body. It is asked again after an
// [ErrLater]; any other error is the end of the delivery.
type Composer interface {
	Compose(ctx context.Context, d *Delivery, buf []byte) (Message, error)
}

// Preparer is a Composer that likes to be told which deliveries come next, to fetch what it needs
// for all of them together. An error costs time only.
type Preparer interface {
	Prepare(ctx context.Context, deliveries []Delivery) error
}
