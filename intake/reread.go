package intake

import (
	"context"

	"broadsheet/mailer"
	"broadsheet/mailer/inbox"
)

// Reread reads a message that is on record once more, and says what follows from it by what the
// program knows today. was is what it was taken for: who asked to leave by it and has come back
// since does not leave again. m holds what is kept of it, source is the kind of its source.
func (c *Clerk) Reread(ctx context.Context, source string, m inbox.Mail, was mailer.Class) (Entry, error) {
	letters := c.open(source, []inbox.Mail{m})
	l := &letters[0]
	l.was = was
	return l.Entry, c.decide(ctx, l)
}
