package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"broadsheet/intake"
)

// TakeReports puts what providers reported on record, each report once, in one transaction. Of one that
// is Early the rest is on record, and it is not known again: what it says a second time is nothing new.
func (db *DB) TakeReports(ctx context.Context, reports []intake.Reported, now time.Time) (taken []intake.Taken, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		taken = make([]intake.Taken, len(reports))
		for i := range reports {
			if taken[i], err = db.takeReport(ctx, t, &reports[i], now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("take providers' reports: %w", err)
	}
	return taken, nil
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
