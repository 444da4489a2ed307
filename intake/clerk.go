package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"broadsheet/mailer"
	"broadsheet/mailer/inbox"
	"broadsheet/subscribers"
)

// batch is how many messages are put on record in one step.
const batch = 100

// Readers is what intake needs to know and change of readers. store.DB meets it. Errors that say
// there is no such thing are [subscribers.ErrNotFound].
type Readers interface {
	Subscriber(ctx context.Context, address string) (*subscribers.Subscriber, error)
	EditionName(ctx context.Context, id int64) (string, error)
	EditReader(ctx context.Context, id int64, e subscribers.Edit, now time.Time) (subscribers.Edited, error)
	LeaveAll(ctx context.Context, id int64, by, notice string, now time.Time) (subscribers.Edited, error)
}

// Record is what intake looks up of what went out and came in. store.DB meets it.
type Record interface {
	// OnRecord reports whether a message with that hash has been taken in.
	OnRecord(ctx context.Context, hash [32]byte) (bool, error)
	// SentTo lists the latest mails of a reader, at most n.
	SentTo(ctx context.Context, subscriber int64, n int) ([]Sent, error)
}

// Sent is a mail that went out.
type Sent struct {
	Of
	EditionName string
	Slot        string // key of the slot
}

// Clerk takes in mail: it reads each message, finds out whose mail it is about, has those leave who
// ask to, puts all of it on record and settles it with its source. A message counts once, however
// often it comes: a crash at any instant, or two clerks at one source, lose nothing and double
// nothing. What cannot be dealt with is set aside with the reason and does not stop the others. Any
// number of goroutines may use it, each with a source of its own.
type Clerk struct {
	Keys     *subscribers.Keys
	Domain   string // of our addresses and message ids
	LeaveAll bool   // a mail that asks to leave leaves everything, not the edition of the mail it answers alone
	Readers  Readers
	Record   Record
	Ledger   Ledger
	// Later says that an error is the database's, which is busy or full, and no message's: what was
	// to be put on record then comes again.
	Later func(error) bool
	Now   func() time.Time
	Log   *slog.Logger

	told sync.Map // messages that are not on record and that was logged, by source and key
}

// Outcome is what became of a message.
type Outcome struct {
	Entry // as it went on record
	Taken
	// Err says why it is not on record: it cannot be read, or put there. It then stays with its source.
	Err error
}

// Tally counts messages of a source.
type Tally struct {
	Mails      int // that came in, all told
	Classes    map[mailer.Class]int
	Again      int // on record before
	Aside      int // set aside, for a person to look at
	Early      int // a sender has their mail in hand; they stay where they are and come again
	Unreadable int // they stay where they are
}

func (t *Tally) add(o *Outcome) {
	t.Mails++
	switch {
	case o.Err != nil:
		t.Unreadable++
		return
	case o.Early:
		t.Early++
		return
	case o.Again:
		t.Again++
	}
	if o.Aside != "" {
		t.Aside++
	}
	if t.Classes == nil {
		t.Classes = map[mailer.Class]int{}
	}
	t.Classes[o.Class]++
}

// Look takes in all that a source has, and returns when it has nothing more. With an error the
// rest stays where it is, and comes again with the next look.
func (c *Clerk) Look(ctx context.Context, s inbox.Source) (t Tally, err error) {
	var unsettled error
	for {
		mails, err := s.Fetch(ctx, batch)
		if err != nil || len(mails) == 0 {
			return t, errors.Join(unsettled, err)
		}
		outcomes, err := c.Take(ctx, s.Name(), mails)
		var done, aside []inbox.Mail
		for n := range outcomes {
			o := &outcomes[n]
			if o.Err == nil && o.ID == 0 && !o.Early { // not reached
				continue
			}
			switch {
			case o.Err != nil:
				c.tell(s.Name(), mails[n].Key, o.Err)
			case o.Early:
			case o.Aside != "":
				aside = append(aside, mails[n])
			default:
				done = append(done, mails[n])
			}
			t.add(o)
		}
		// What cannot be settled comes again, is known then, and does not stop the others.
		if failed := errors.Join(settle(ctx, s, done, false), settle(ctx, s, aside, true)); unsettled == nil {
			unsettled = failed
		}
		if err != nil {
			return t, errors.Join(unsettled, err)
		}
	}
}

func settle(ctx context.Context, s inbox.Source, mails []inbox.Mail, aside bool) error {
	if len(mails) == 0 {
		return nil
	}
	return s.Settle(ctx, mails, aside)
}

// tell logs once that a message is not on record.
func (c *Clerk) tell(source, key string, err error) {
	if _, told := c.told.LoadOrStore([2]string{source, key}, true); !told {
		c.Log.Warn("mail is not on record and stays where it is", slog.String("source", source), slog.String("key", key), slog.Any("error", err))
	}
}

// Take puts messages on record with all that follows, and says of each what became of it. source is
// as [inbox.Source.Name] has it. An error says that the database cannot take them now; those whose
// Outcome has no ID then are not on record.
func (c *Clerk) Take(ctx context.Context, source string, mails []inbox.Mail) ([]Outcome, error) {
	outcomes := make([]Outcome, len(mails))
	letters := c.open(source, mails)
	var entries []Entry
	var places []int // of the entries, in outcomes
	for n := range letters {
		l := &letters[n]
		if outcomes[n].Err = l.mail.Err; l.mail.Err != nil {
			continue
		}
		if err := c.decide(ctx, l); err != nil {
			if c.Later(err) || ctx.Err() != nil {
				return outcomes, err
			}
			outcomes[n].Err = err // a wish or a complaint must not get lost: it comes again
			continue
		}
		entries, places = append(entries, l.Entry), append(places, n)
	}
	if len(entries) == 0 {
		return outcomes, nil
	}
	taken, err := c.Ledger.TakeIn(ctx, entries, c.Now())
	if err == nil {
		for i, n := range places {
			outcomes[n] = outcomeOf(entries[i], taken[i])
		}
		return outcomes, nil
	}
	if c.Later(err) || ctx.Err() != nil {
		return outcomes, err
	}
	for i, n := range places {
		if outcomes[n], err = c.alone(ctx, entries[i]); err != nil {
			return outcomes, err
		}
	}
	return outcomes, nil
}

func outcomeOf(e Entry, taken Taken) Outcome {
	if e.Aside == "" {
		e.Aside = taken.Held
	}
	return Outcome{Entry: e, Taken: taken}
}

// alone puts one message on record, of several that could not be put there together; if that fails
// too, then with nothing that follows from it, and set aside. One that says what a reader wishes
// stays where it is, and comes again.
func (c *Clerk) alone(ctx context.Context, e Entry) (Outcome, error) {
	taken, err := c.Ledger.TakeIn(ctx, []Entry{e}, c.Now())
	wish := e.Task != "" || e.Class == mailer.Complained || e.Class == mailer.OptedOut
	if err != nil && !c.Later(err) && ctx.Err() == nil && !wish {
		e.Events, e.Forward, e.Task = nil, false, ""
		e.Aside = fmt.Sprintf("it cannot be dealt with: %v", err)
		taken, err = c.Ledger.TakeIn(ctx, []Entry{e}, c.Now())
	}
	switch {
	case err == nil:
		return outcomeOf(e, taken[0]), nil
	case c.Later(err) || ctx.Err() != nil:
		return Outcome{Entry: e}, err
	}
	return Outcome{Entry: e, Err: err}, nil
}

// kindOf and placeOf take the name of a source apart: "maildir" and where it is.
func kindOf(source string) string {
	kind, _, _ := strings.Cut(source, " ")
	return kind
}

func placeOf(source, key string) string {
	_, place, _ := strings.Cut(source, " ")
	return strings.TrimSpace(place + " " + key)
}
