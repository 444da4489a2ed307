package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/web/room"
)

// How ping addresses are called.
const (
	pingPoll    = 5 * time.Second
	pingHeld    = 15 * time.Minute // after its slot, from which on an issue that waits for a person has failed for now
	pingLimit   = 10 * time.Second // for one call
	pingLife    = 24 * time.Hour   // after that nobody waits for it any more
	pingFailing = 3                // tries from which on it is worth a word
	pingBad     = 0.05             // share of an issue's mails that may be refused
	pingWithin  = 5 * time.Second  // what send waits for answers at its end
)

// pingEnded notes which issues have come to their end and calls the addresses of their editions. It returns
// the wait to the next look.
func (e *engine) pingEnded(ctx context.Context) time.Duration {
	some := false
	for i := range e.cfg.Editions {
		if ed := &e.cfg.Editions[i]; ed.Ping != "" {
			some = true
			e.complain(ctx, "note pings of "+ed.Name, e.notePings(ctx, ed))
		}
	}
	if !some {
		return wake
	}
	if why, err := e.differs(ctx); err != nil || len(why) > 0 { // a copy that may not mail tells nobody either
		e.complain(ctx, "ping", err)
		return pingPoll
	}
	due, err := e.db.Pings(ctx, e.now(), false)
	e.complain(ctx, "list pings", err)
	for _, p := range due {
		if ctx.Err() != nil {
			break
		}
		e.complain(ctx, "put ping on record", e.ping(ctx, p))
	}
	return pingPoll
}

// notePings puts on record what is to be called: an issue that ended, and a slot that was missed.
func (e *engine) notePings(ctx context.Context, ed *schedule.Edition) error {
	now := e.now()
	if err := e.noteHeldPings(ctx, ed, now.Add(-pingHeld)); err != nil {
		return err
	}
	ended, err := e.db.Ended(ctx, ed.Name, now.Add(-pingLife), now)
	if err != nil {
		return err
	}
	for _, i := range ended {
		counts, err := e.db.IssueCounts(ctx, i.ID)
		if err != nil {
			return err
		}
		if err := e.db.AddPing(ctx, store.Ping{Edition: ed.Name, Slot: i.Slot, Zone: i.Zone, Hour: i.Hour, OK: endedWell(counts), At: now}); err != nil {
			return err
		}
	}
	missed, err := e.db.MissedSlots(ctx, time.Now().Add(-pingLife))
	if err != nil {
		return err
	}
	for _, m := range missed {
		if m.Edition == ed.Name && now.Sub(m.Due) < pingLife {
			if err := e.db.AddPing(ctx, store.Ping{Edition: ed.Name, Slot: m.Slot, Zone: m.Zone, Hour: m.Hour, At: now}); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteHeldPings puts on record which issues that were due before a time wait for a person.
func (e *engine) noteHeldPings(ctx context.Context, ed *schedule.Edition, before time.Time) error {
	states, err := e.db.RelayStates(ctx)
	if err != nil {
		return err
	}
	refused := slices.ContainsFunc(states, func(s store.RelayState) bool { return s.State == store.RelayHeld && time.Since(s.Seen) < relayStale })
	holds, err := e.db.Holds(ctx, e.now())
	if err != nil || !refused && len(holds) == 0 {
		return err
	}
	waiting, err := e.db.UnfinishedIssues(ctx, ed.Name)
	if err != nil {
		return err
	}
	for _, id := range waiting {
		if !refused && !slices.ContainsFunc(holds, func(h digest.Hold) bool { return h.Issue == 0 || h.Issue == id }) {
			continue
		}
		i, err := e.db.Issue(ctx, id)
		if err == nil && i.Due.Before(before) {
			err = e.db.AddPing(ctx, store.Ping{Edition: ed.Name, Slot: i.Slot, Zone: i.Zone, Hour: i.Hour, At: e.now()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endedWell reports whether an issue came to a good end: no mail was left to expire, cut short by an operator
// or lost in doubt, and no more were refused than addresses die.
func endedWell(counts map[string]int) bool {
	n := func(states ...mailer.State) (sum int) {
		for _, s := range states {
			sum += counts[string(s)]
		}
		return sum
	}
	refused, taken := n(mailer.Failed), n(mailer.Accepted, mailer.Delayed, mailer.Delivered, mailer.Bounced)
	return n(mailer.Expired, mailer.Uncertain, mailer.Cancelled) == 0 && float64(refused) <= max(1, pingBad*float64(refused+taken))
}

// ping calls an edition's address once. What came of it is on record before the next try.
func (e *engine) ping(ctx context.Context, p store.Ping) error {
	ed := e.cfg.Edition(p.Edition)
	now := e.now()
	if ed == nil || ed.Ping == "" || now.Sub(p.At) > pingLife {
		if p.Due, p.Said = (time.Time{}), "given up"; p.Tries == 0 {
			p.Said = "nobody wants it any more"
		}
		return e.db.Pinged(ctx, p)
	}
	mine, err := e.db.BeginPing(ctx, &p, now)
	if err != nil || !mine { // another process makes the call
		return err
	}
	written := context.WithoutCancel(ctx)
	call, done := finishing(ctx)
	defer done()
	err = callPing(call, pingAddress(ed.Ping, p.OK))
	if call.Err() != nil { // the end of the program: nothing is known, and the next one tries at once
		p.Due = now
		return e.db.Pinged(written, p)
	}
	if p.Due, p.Said = (time.Time{}), "answered"; err != nil {
		p.Said = err.Error()
		p.Due = now.Add(min(10*time.Second<<min(p.Tries-1, 10), 30*time.Minute))
		e.log.Warn("ping", slog.String("edition", p.Edition), slog.String("slot", p.Slot), slog.Int("tries", p.Tries), slog.Any("error", err))
	}
	return e.db.Pinged(written, p)
}

// pingAddress is the address for an end: /fail behind the path for a bad one, as healthchecks.io has it.
func pingAddress(address string, ok bool) string {
	if ok {
		return address
	}
	path, query, found := strings.Cut(address, "?")
	path = strings.TrimRight(path, "/") + "/fail"
	if found {
		path += "?" + query
	}
	return path
}

// callPing calls an address. The error does not hold it: who knows it can call it.
func callPing(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return errors.New("call ping address: it is no address")
	}
	req.Header.Set("User-Agent", "Broadsheet")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // it names the address
		}
		return fmt.Errorf("call ping address: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // what it says is for nobody
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("call ping address: it is answered %s", resp.Status)
	}
	return nil
}

// pingAlarms tells of addresses that do not answer.
func (w roomToday) pingAlarms(ctx context.Context) (list []room.Alarm, err error) {
	waiting, err := w.db.Pings(ctx, w.now(), true)
	if err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for _, p := range waiting {
		if p.Tries < pingFailing || told[p.Edition] {
			continue
		}
		told[p.Edition] = true
		list = append(list, room.Alarm{Key: "ping " + p.Edition, Level: amber, Since: p.At, Do: "broadsheet check",
			What: fmt.Sprintf("The ping address of %s does not answer (%s): whoever watches from elsewhere knows nothing of slot %s.", p.Edition, p.Said, p.Slot),
			Next: "Look whether its service is up and the address under editions: ping is still right."})
	}
	return list, nil
}

// pingAtEnd is for those who run no serve: what is not answered in time is called with the next send.
func (e *engine) pingAtEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pingWithin)
	defer cancel()
	e.pingEnded(ctx)
}
