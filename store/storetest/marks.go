package storetest

import (
	"context"
	"time"

	"broadsheet/mailer"
)

// ledger is what puts marks on record.
type ledger interface {
	Commit(ctx context.Context, marks []mailer.Mark, now time.Time) error
}

// Intend puts one mark on record: d is about to be tried.
func Intend(ctx context.Context, db ledger, b *mailer.Batch, d *mailer.Delivery, keyID string, now time.Time) error {
	return one(ctx, db, mailer.Mark{Step: mailer.Intend, Batch: b, Delivery: d, KeyID: keyID}, now)
}

// Hand puts one mark on record: d's last octet is about to leave.
func Hand(ctx context.Context, db ledger, b *mailer.Batch, d *mailer.Delivery, now time.Time) error {
	return one(ctx, db, mailer.Mark{Step: mailer.Hand, Batch: b, Delivery: d}, now)
}

// Settle puts one mark on record: what the try came to.
func Settle(ctx context.Context, db ledger, b *mailer.Batch, d *mailer.Delivery, o mailer.Outcome, now time.Time) error {
	return one(ctx, db, mailer.Mark{Step: mailer.Settle, Batch: b, Delivery: d, Outcome: o}, now)
}

func one(ctx context.Context, db ledger, m mailer.Mark, now time.Time) error {
	marks := []mailer.Mark{m}
	if err := db.Commit(ctx, marks, now); err != nil {
		return err
	}
	return marks[0].Err
}
