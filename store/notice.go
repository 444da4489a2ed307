package store

import (
	"context"
	"time"
)

// notice notes that a mail which is no digest is to be written to a reader, in the transaction of
// the change that it tells of. kind, number and detail are as in [digest.Notice]; the mail goes to
// the address of the settings row, in its language. A postman makes a delivery of it.
func (t *tx) notice(ctx context.Context, kind string, subscriber, settings, number int64, detail string, now time.Time) error {
	_, err := t.exec(ctx, `INSERT INTO notices (kind, subscriber, settings, number, detail, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
		kind, subscriber, settings, number, detail, us(now))
	return err
}
