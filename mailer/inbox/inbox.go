// Package inbox fetches mail that came in: from a Maildir, a mailbox by IMAP, or a pipe. A message
// stays where it is until it is on record, and nothing is deleted that was not read.
package inbox

import (
	"context"
	"time"
)

// MaxSize is how many octets of a message are taken. The rest of a longer one stays where it is.
const MaxSize = 1 << 20

// fetchSize is after how many octets of messages a Fetch ends, so that memory does not grow with
// the size of what somebody sends.
const fetchSize = 4 << 20

// Mail is a message that came in.
type Mail struct {
	Key       string    // names it in its source, for Settle and for messages
	Recipient string    // envelope recipient; "" if the source does not know
	At        time.Time // when it came
	Raw       []byte    // as it lies there, whatever its line ends; at most MaxSize
	Size      int64     // octets of the whole

	// Err says why what lies there cannot be read: it is no file, or the rights are missing. Raw is
	// nil then. It stays where it is, and comes again; it is nothing to be settled.
	Err error
}

// Source is where mail comes in. One goroutine uses it.
type Source interface {
	// Name says which it is, for records and messages: "maildir /var/mail/bounces".
	Name() string
	// Fetch returns up to n messages that are not settled, the oldest first as far as it can tell.
	// Those that it has returned come again only after it once found nothing more.
	Fetch(ctx context.Context, n int) ([]Mail, error)
	// Settle marks messages as dealt with, once they are on record: they are not fetched again.
	// aside says that they were not understood, and are kept apart.
	Settle(ctx context.Context, mails []Mail, aside bool) error
	Close() error
}
