package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"broadsheet/mailer"
)

// Senders of several processes share a relay by leases. A relay that takes C connections has the places 0 to C-1; each
// sender has some of them for a while, and of the relay's rate and of providers' limits what goes with them. Who asks
// locks the relay's row, so one divides at a time, and gets its fair part, but never a place that another's row has
// until its time is over. Who is to give places up hears of it, begins nothing there any more, and asks again once
// nothing is under way there: its row shrinks after its use has. Rows go by the database's clock from a moment within
// the transaction. A sender counts by its own from before the transaction, and ends a margin earlier: it does not matter
// how the two clocks are set.

const (
	// shareTime is how long a share is another's who says nothing more.
	shareTime = 20 * time.Second
	// shareMargin is how much earlier its sender begins nothing any more: what is in hand comes to its end, and clocks
	// need not run alike.
	shareMargin = 5 * time.Second
	// shareEvery is how often a share is renewed. Between that and its end there is time for a lock that
	// a frozen process holds (10 s).
	shareEvery = 3 * time.Second
	// shareSoon is when to ask again whose use of places is to end, shareLack who waits for some.
	shareSoon, shareLack = 200 * time.Millisecond, time.Second
)

// Share is what a worker has of a relay.
type Share struct {
	Relay, Worker string
	Places        []int
	Rate          float64   // mails a second; 0 = no limit
	Until         time.Time // by the database's clock
}

// stake is a row of relay_shares.
type stake struct {
	Share
	run, machine string
	pid          int
	since        int64
}

const stakeColumns = `SELECT relay, run, worker, machine, pid, places, rate, since, until FROM relay_shares `

func scanStake(r *sql.Rows) (s stake, err error) {
	var places string
	var until int64
	if err = r.Scan(&s.Relay, &s.run, &s.Worker, &s.machine, &s.pid, &places, &s.Rate, &s.since, &until); err == nil {
		err = json.Unmarshal([]byte(places), &s.Places)
	}
	s.Until = fromUS(until)
	return s, err
}

// Share meets [mailer.Sharer].
func (db *DB) Share(ctx context.Context, relay, worker string, whole mailer.Whole, held []int) (p mailer.Part, err error) {
	me := stake{Share: Share{Relay: relay, Worker: worker}, run: db.run, machine: machineNow(), pid: os.Getpid()}
	err = db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		if err := t.lockShares(ctx, relay); err != nil {
			return err
		}
		now, err := db.clock(ctx, t)
		if err != nil {
			return err
		}
		list, err := selectAll(ctx, t, stakeColumns+`WHERE relay = ?1 AND run <> '' ORDER BY since, run`, args{relay}, scanStake)
		if err != nil {
			return err
		}
		me.since, me.Places = us(now), nil
		var others []stake
		for _, s := range list {
			switch {
			case s.run == me.run:
				me.since, me.Places = s.since, s.Places
			case s.Until.Before(now) || s.dead(me.machine):
				if _, err := t.exec(ctx, `DELETE FROM relay_shares WHERE relay = ?1 AND run = ?2`, relay, s.run); err != nil {
					return err
				}
			default:
				others = append(others, s)
			}
		}
		var places []int
		places, p = divide(whole, &me, others, held)
		text, err := json.Marshal(places)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO relay_shares (relay, run, worker, machine, pid, places, rate, since, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
			ON CONFLICT (relay, run) DO UPDATE SET worker = excluded.worker, places = excluded.places, rate = excluded.rate, until = excluded.until`,
			relay, me.run, worker, me.machine, me.pid, string(text), rateOf(whole, len(places)), me.since, us(now.Add(shareTime)))
		return err
	})
	if err != nil {
		return mailer.Part{}, fmt.Errorf("share relay %s: %w", relay, err)
	}
	return p, nil
}

// Leave meets [mailer.Sharer].
func (db *DB) Leave(ctx context.Context, relay, worker string) error {
	err := db.writeIn(ctx, ownLane, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM relay_shares WHERE relay = ?1 AND run = ?2`, relay, db.run)
		return err
	})
	if err != nil {
		return fmt.Errorf("leave relay %s: %w", relay, err)
	}
	return nil
}

// Shares lists what workers have of relays now, by relay, in the order in which they came.
func (db *DB) Shares(ctx context.Context) ([]Share, error) {
	list, err := selectAll(ctx, db.read(), stakeColumns+`WHERE run <> '' AND until >= ?1 ORDER BY relay, since, run`, args{us(db.leaseClock())},
		func(r *sql.Rows) (Share, error) { s, err := scanStake(r); return s.Share, err })
	if err != nil {
		return nil, fmt.Errorf("list shares of relays: %w", err)
	}
	return list, nil
}

// divide says which places a worker's row has from now on, and what it may go by. Its fair part is as much as the others'
// within one place; those who came first have the places that do not divide. Others with another configuration keep what
// they have: there is never more than this whole, by number or by rate, as long as that is possible.
func divide(whole mailer.Whole, me *stake, others []stake, held []int) (places []int, p mailer.Part) {
	all := max(1, whole.Connections)
	taken := make(map[int]bool)
	n, rank, rate := all, 0, whole.Rate
	for _, o := range others {
		if o.since < me.since || o.since == me.since && o.run < me.run {
			rank++
		}
		n, rate = n-len(o.Places), rate-o.Rate
		for _, place := range o.Places {
			taken[place] = true
		}
	}
	if whole.Rate > 0 {
		n = min(n, int(rate*float64(all)/whole.Rate+1e-9))
	}
	fair := all / (len(others) + 1)
	if rank < all%(len(others)+1) {
		fair++
	}
	n = max(0, min(n, fair))
	var keep []int
	mine := slices.DeleteFunc(slices.Clone(me.Places), func(place int) bool { return taken[place] })
	for _, place := range mine {
		switch {
		case place < all && len(keep) < n:
			keep = append(keep, place)
			places = append(places, place)
		case slices.Contains(held, place):
			places = append(places, place)
		}
	}
	for place := 0; place < all && len(keep) < n; place++ {
		if !taken[place] && !slices.Contains(places, place) {
			keep, places = append(keep, place), append(places, place)
		}
	}
	slices.Sort(keep)
	slices.Sort(places)
	p = mailer.Part{Places: places, Keep: keep, Of: all, Rate: rateOf(whole, len(keep)), For: shareTime - shareMargin, Again: shareEvery}
	switch {
	case len(places) > len(keep):
		p.Again = shareSoon
	case len(keep) < fair:
		p.Again = shareLack
	}
	return places, p
}

// rateOf is the rate that goes with so many places.
func rateOf(whole mailer.Whole, places int) float64 {
	return whole.Rate * float64(places) / float64(max(1, whole.Connections))
}

// lockShares has nobody else divide a relay until the transaction ends.
func (t *tx) lockShares(ctx context.Context, relay string) error {
	for {
		n, err := t.exec(ctx, `UPDATE relay_shares SET until = until WHERE relay = ?1 AND run = ''`, relay)
		if err != nil || n > 0 {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO relay_shares (relay, run, worker, machine, pid, places, rate, since, until)
			VALUES (?1, '', '', '', 0, '[]', 0, 0, 0) ON CONFLICT (relay, run) DO NOTHING`, relay); err != nil {
			return err
		}
	}
}

// clock is the database's, as it is now and not when the transaction began.
func (db *DB) clock(ctx context.Context, t *tx) (time.Time, error) {
	if db.path != "" || db.opts.Now != nil {
		return db.leaseClock(), nil
	}
	var at int64
	err := t.scan(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`, nil, &at)
	return fromUS(at), err
}

// newRun names this run of a program. Worker names may come again.
func newRun() string { return strings.ToLower(rand.Text()[:16]) }

// machineNow is where process numbers mean the same: this machine since its start, and the container. "" if that
// is not known.
func machineNow() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	numbers, more := os.Readlink("/proc/self/ns/pid")
	if err != nil || more != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + numbers
}

// dead reports that a worker of this machine is surely no more, and need not be waited for: the system has closed its
// connections.
func (s *stake) dead(machine string) bool {
	return machine != "" && s.machine == machine && errors.Is(syscall.Kill(s.pid, 0), syscall.ESRCH)
}
