package demo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Back is what comes back of a mail that the relay took.
type Back string

const (
	Nothing     Back = ""
	NoMailbox   Back = "no mailbox"    // a report: 550 5.1.1
	OverQuota   Back = "over quota"    // a report: 552 5.2.2
	Unwanted    Back = "unwanted"      // a report: 554 5.7.1
	TooLarge    Back = "too large"     // a report: 552 5.3.4
	Late        Back = "late"          // two reports that it is delayed, then that it is there
	Spam        Back = "spam"          // a complaint (RFC 5965)
	Leaves      Back = "leaves"        // a mail to the address to leave by, as mail programs send it
	Away        Back = "away"          // a machine's answer
	Answers     Back = "answers"       // a person's answer
	AsksToLeave Back = "asks to leave" // a person's answer that does
)

// Returns writes what comes back into a Maildir, a while after the mail was taken. Each reader's first
// mail is the one that something comes of. It may be used by many goroutines.
type Returns struct {
	Dir   string // of the Maildir
	Now   func() time.Time
	Inbox *Inbox // that mails lie in; nil = none

	mu      sync.Mutex
	backs   map[string]Back // by folded address; those that have come are gone
	waiting []returned      // by time
	written int
}

// returned is a message on its way back.
type returned struct {
	at   time.Time
	from string // envelope sender; "" for what machines write
	to   string // envelope recipient
	text string
	junk int      // number of the mail that the reader moved out of the inbox with this; 0 = none
	away *Refusal // why the mail has not reached the inbox, nil = it has
}

// OpenReturns makes the Maildir.
func OpenReturns(dir string, readers []Reader, now func() time.Time) (*Returns, error) {
	r := &Returns{Dir: dir, Now: now, backs: map[string]Back{}}
	for _, reader := range readers {
		if reader.Back != Nothing {
			r.backs[strings.ToLower(reader.Address)] = reader.Back
		}
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make maildir of returned mail: %w", err)
		}
	}
	return r, nil
}

// Stray adds a message to that address that is nobody's, such as any address gets.
func (r *Returns) Stray(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.Now().Add(time.Hour).UTC()
	r.waiting = append(r.waiting, returned{at: at, from: "prize@lottery.example", to: to, text: "From: Prize Office <prize@lottery.example>\nTo: " + to + "\nSubject: You are among the winners\nDate: " +
		at.Format(time.RFC1123Z) + "\nMessage-ID: <winner@lottery.example>\n\nWrite to us at once.\n"})
}

// arrives reports whether a mail to the address that is taken now reaches an inbox.
func (r *Returns) arrives(to string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, fails := failures[r.backs[strings.ToLower(to)]]
	return !fails
}

// taken notes a mail that the relay took, and what comes of it.
func (r *Returns) taken(m *letter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := strings.ToLower(m.to)
	back := r.backs[key]
	delete(r.backs, key)
	m.at = r.Now()
	r.waiting = append(r.waiting, m.comesBack(back)...)
	slices.SortStableFunc(r.waiting, func(a, b returned) int { return a.at.Compare(b.at) })
}

// Next is when the next message comes back; ok is false if none is on its way.
func (r *Returns) Next() (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return at, false
	}
	return r.waiting[0].at, true
}

// Post writes what has come back by now.
func (r *Returns) Post(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for len(r.waiting) > 0 && !r.waiting[0].at.After(now) {
		errs = append(errs, r.write(r.waiting[0]))
		if m := &r.waiting[0]; r.Inbox != nil && m.junk != 0 {
			r.Inbox.remove(m.junk)
		} else if r.Inbox != nil && m.away != nil {
			r.Inbox.turnAway(m.away.Address, m.away.Code, m.away.Text)
		}
		r.waiting = r.waiting[1:]
	}
	return errors.Join(errs...)
}

// write lays a message into the Maildir as a mail server does: whole, and then under its name.
func (r *Returns) write(m returned) error {
	r.written++
	name := fmt.Sprintf("%d.%d.demo", m.at.Unix(), r.written)
	tmp := filepath.Join(r.Dir, "tmp", name)
	text := "Return-Path: <" + m.from + ">\nDelivered-To: " + m.to + "\n" + m.text
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write returned mail: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(r.Dir, "new", name)); err != nil {
		return fmt.Errorf("write returned mail: %w", err)
	}
	return nil
}
