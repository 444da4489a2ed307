// Package intake deals with what comes back: it finds out whose mail a report, complaint, answer
// or request is about, and what follows.
package intake

import (
	"context"
	"time"

	"broadsheet/mailer"
)

// Of names a delivery as tokens do.
type Of struct {
	Edition    int64 // number of the edition
	Wall       int64 // of the slot: minutes after 1970 on the wall clock
	Subscriber int64
}

// Event is one piece of news of one delivery, on its way to the ledger.
type Event struct {
	mailer.News
	Source string // maildir, imap, pipe, log, or a provider's name
	Of     Of     // by a token that only the mail had; zero if there was none
	Relay  string // and Queue: the relay's own name of the mail, where the source is to be trusted
	Queue  string
	// Sure says that Of or Queue names the delivery. If it does not, Recipient is all there is, and
	// anybody may have written it: then a bounce is on record and marks nobody.
	Sure bool
}

// Entry is one message that came in, as it goes on record.
type Entry struct {
	Hash    [32]byte // of its content without what servers on the way put in front: the same message twice is one
	Source  string
	Key     string // in its source
	At      time.Time
	To      string // that it came to, as far as is known
	From    string
	Subject string
	Class   mailer.Class
	Of      Of    // whose mail it is about, by a token or an id that only the mail had; zero if nobody's
	Writer  int64 // the reader whose address the sender gives, if Of is zero: anybody may call themselves so
	Events  []Event
	Done    string // what the clerk has carried out already, for people: "left morning"
	Aside   string // why it is set aside for a person to look at; "" = it was understood
	Forward bool   // an answer: to be passed on
	Task    string // kind of the task that it opens, "" = none: "leave" (asks to leave), "complaint" (of nobody knows whom)
	Raw     []byte
	Cut     bool // Raw is not all of it
}

// Taken is what became of an entry.
type Taken struct {
	ID     int64  // of the message on record
	Again  bool   // it was on record already; nothing was done
	Early  bool   // a sender has the mail in hand still: nothing is on record, bring it again in a minute
	Held   string // why it is set aside all the same, or was: an answer, of whose sender there are too many
	Effect string // what followed, for people: "bounced, address barred"
	Err    error  // of one of many reports: why it cannot be put on record, though others can
}

// Reported is what a relay's provider says in one report.
type Reported struct {
	Relay  string
	ID     string // the provider's name of the report: it is the same if the report comes again
	Events []Event
}

// Ledger is what intake needs of the database. store.DB meets it.
type Ledger interface {
	// TakeIn puts messages on record with all that follows, in one transaction.
	TakeIn(ctx context.Context, entries []Entry, now time.Time) ([]Taken, error)
	// TakeEvents does so for news that came without a message (log, provider).
	TakeEvents(ctx context.Context, events []Event, now time.Time) ([]Taken, error)
}
