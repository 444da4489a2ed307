package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// RelayState is how a relay was last seen to be by a process that had to do with it.
type RelayState struct {
	Relay  string
	State  string    // up, slow (it throttles), down, held (it refuses us as such)
	Since  time.Time // since when; the machine's clock
	Why    string    // what it did wrong, without addresses; "" while it is up
	Worker string    // who says so
	Seen   time.Time // when they last said so; the machine's clock
}

// States of a relay.
const (
	RelayUp   = "up"
	RelaySlow = "slow"
	RelayDown = "down"
	RelayHeld = "held"
)

// KeepRelayStates puts on record how relays are for a worker. What workers said who have no share of the relay any more is
// forgotten; where nobody has, because there is one sender, what others said.
func (db *DB) KeepRelayStates(ctx context.Context, list []RelayState) error {
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		for _, s := range list {
			if _, err := t.exec(ctx, `DELETE FROM relay_states WHERE relay = ?1 AND worker <> ?2 AND worker NOT IN
				(SELECT worker FROM relay_shares WHERE relay = ?1 AND until >= ?3)`, s.Relay, s.Worker, us(db.leaseClock())); err != nil {
				return err
			}
			if _, err := t.exec(ctx, `INSERT INTO relay_states (relay, state, since, why, worker, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
				ON CONFLICT (relay, worker) DO UPDATE SET state = excluded.state, since = excluded.since, why = excluded.why,
				seen = excluded.seen`, s.Relay, s.State, us(s.Since), oneLine(s.Why, 300), s.Worker, us(s.Seen)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep states of relays: %w", err)
	}
	return nil
}

// RelayStates lists how relays were last seen to be, by name; of one that does not look the same to all workers,
// what the worst of them says. Those that left the configuration are among them.
func (db *DB) RelayStates(ctx context.Context) ([]RelayState, error) {
	list, err := selectAll(ctx, db.read(), `SELECT relay, state, since, why, worker, seen FROM relay_states ORDER BY relay, seen DESC, worker`, nil,
		func(r *sql.Rows) (s RelayState, err error) {
			var since, seen int64
			err = r.Scan(&s.Relay, &s.State, &since, &s.Why, &s.Worker, &seen)
			s.Since, s.Seen = fromUS(since), fromUS(seen)
			return s, err
		})
	if err != nil {
		return nil, fmt.Errorf("list states of relays: %w", err)
	}
	worst := list[:0]
	for _, s := range list {
		if n := len(worst); n == 0 || worst[n-1].Relay != s.Relay {
			worst = append(worst, s)
		} else if badness[s.State] > badness[worst[n-1].State] {
			worst[n-1] = s
		}
	}
	return worst, nil
}

// badness orders states.
var badness = map[string]int{RelayUp: 0, RelaySlow: 1, RelayDown: 2, RelayHeld: 3}

// Finding is what was last found of a thing that is looked at again and again.
type Finding struct {
	Name   string
	OK     bool
	Since  time.Time // since when it is so; the machine's clock
	At     time.Time // when it was last looked at; the machine's clock
	Detail string
}

// Find puts on record what was found.
func (db *DB) Find(ctx context.Context, name string, ok bool, detail string) error {
	now := us(db.real())
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO findings (name, ok, since, at, detail) VALUES (?1, ?2, ?3, ?3, ?4)
			ON CONFLICT (name) DO UPDATE SET since = CASE WHEN findings.ok = excluded.ok THEN findings.since ELSE excluded.since END,
			ok = excluded.ok, at = excluded.at, detail = excluded.detail`, name, ok, now, oneLine(detail, 500))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep what was found of %s: %w", name, err)
	}
	return nil
}

// Findings lists what was last found, by name.
func (db *DB) Findings(ctx context.Context) (map[string]Finding, error) {
	list, err := selectAll(ctx, db.read(), `SELECT name, ok, since, at, detail FROM findings`, nil, func(r *sql.Rows) (f Finding, err error) {
		var since, at int64
		err = r.Scan(&f.Name, &f.OK, &since, &at, &f.Detail)
		f.Since, f.At = fromUS(since), fromUS(at)
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what was found: %w", err)
	}
	found := make(map[string]Finding, len(list))
	for _, f := range list {
		found[f.Name] = f
	}
	return found, nil
}
