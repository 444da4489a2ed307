package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"broadsheet/intake"
)

// TakeReports puts what providers reported on record, each report once, in one transaction. Of one that
// is Early the rest is on record, and it is not known again: what it says a second time is nothing new. Of
// one that cannot be put on record Err says so, and nothing of it is there; an error is the database's.
func (db *DB) TakeReports(ctx context.Context, reports []intake.Reported, now time.Time) (taken []intake.Taken, err error) {
	failed := make(map[int]error)
	for {
		at := -1
		err = db.write(ctx, func(ctx context.Context, t *tx) error {
			taken, at = make([]intake.Taken, len(reports)), -1
			for i := range reports {
				if taken[i].Err = failed[i]; taken[i].Err != nil {
					continue
				}
				if taken[i], err = db.takeReport(ctx, t, &reports[i], now); err != nil {
					at = i
					return err
				}
			}
			return nil
		})
		if err == nil {
			return taken, nil
		}
		if at < 0 || !ofRow(err) {
			return nil, fmt.Errorf("take providers' reports: %w", err)
		}
		failed[at] = fmt.Errorf("take report %s of %s: %w", reports[at].ID, reports[at].Relay, err)
	}
}

func (db *DB) takeReport(ctx context.Context, t *tx, r *intake.Reported, now time.Time) (taken intake.Taken, err error) {
	n, err := t.exec(ctx, `INSERT INTO provider_events (relay, id, at) VALUES (?1, ?2, ?3) ON CONFLICT (relay, id) DO NOTHING`, r.Relay, r.ID, us(now))
	if n == 0 || err != nil {
		return intake.Taken{Again: true}, err
	}
	var effects []string
	for i := range r.Events {
		f, effect, err := db.takeEvent(ctx, t, &r.Events[i], 0, now)
		if err != nil {
			return taken, err
		}
		if f == fateUnknown {
			early, err := db.mayBeKnown(ctx, t, &r.Events[i])
			if err != nil {
				return taken, err
			}
			if early {
				f = fateEarly
			}
		}
		taken.Early = taken.Early || f == fateEarly
		if effect != "" {
			effects = append(effects, effect)
		}
	}
	if taken.Early {
		_, err = t.exec(ctx, `DELETE FROM provider_events WHERE relay = ?1 AND id = ?2`, r.Relay, r.ID)
	}
	taken.Effect = strings.Join(effects, "; ")
	return taken, err
}

// reportEarly is how old news may be of a mail whose name is on its way to the record still.
const reportEarly = time.Minute

// mayBeKnown reports whether news that names a mail by the relay's own name alone, which is not on record,
// may be about one that a sender has in hand: the name comes on record with the relay's 250.
func (db *DB) mayBeKnown(ctx context.Context, t *tx, e *intake.Event) (may bool, err error) {
	if e.Of != (intake.Of{}) || e.Queue == "" || e.At.IsZero() || db.real().Sub(e.At) > reportEarly {
		return false, nil
	}
	err = t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM batches WHERE done = 0 AND relay = ?1 AND lease_until >= ?2)`, args{e.Relay, us(db.leaseClock())}, &may)
	return may, err
}

// ForgetReports deletes the names of providers' reports that are on record since before a time, and
// returns how many. Reports of that age have to be refused by their time.
func (db *DB) ForgetReports(ctx context.Context, before time.Time) (n int64, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err = t.exec(ctx, `DELETE FROM provider_events WHERE at < ?1`, us(before))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forget providers' reports: %w", err)
	}
	return n, nil
}
