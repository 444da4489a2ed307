package commands

import (
	"context"
	"slices"
	"sync"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/web/room"
)

// board keeps what the operator's pages show of runs, so that any number of watchers costs what one does.
// All of it comes from the database: whichever process sends, it is right. Nothing is read while nobody
// looks, but for a look at deliveries that somebody began (board_look.go).
type board struct {
	e *engine

	mu   sync.Mutex
	live *room.Live
	next time.Time // not read again before
	past []pace

	looks  looks
	places places
}

const (
	liveLeast = 900 * time.Millisecond  // between two readings
	liveShare = 20                      // and so many times what the last one took: it may not cost a run more than that part of a processor
	liveMost  = 1500 * time.Millisecond // but figures that are older are of no use
	paceLong  = 15 * time.Second        // over which a rate is taken
	paceShort = 2 * time.Second         // over less it would jump
	liveRuns  = 40                      // shown at most: an edition in readers' zones has one in each
)

func newBoard(e *engine) *board {
	b := &board{e: e}
	b.looks.init()
	return b
}

// end waits for looks that are being taken to stop.
func (b *board) end() { b.looks.end() }

// pace is how far the runs had come at a time.
type pace struct {
	at   time.Time
	runs map[int64]progressOf
}

// progressOf is how far a run has come.
type progressOf struct {
	taken, settled int
	relays         map[string]int // taken, by relay
}

// read is what moves now, as of a second ago at most unless the database is slow.
func (b *board) read(ctx context.Context) (*room.Live, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live != nil && time.Now().Before(b.next) {
		return b.live, nil
	}
	// Who asks first reads for all: that must not end because they go.
	reading, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	began := time.Now()
	live, err := b.look(reading, began)
	if err != nil {
		return nil, err
	}
	b.live, b.next = live, began.Add(min(max(liveLeast, liveShare*time.Since(began)), liveMost))
	return live, nil
}

func (b *board) look(ctx context.Context, at time.Time) (*room.Live, error) {
	e := b.e
	live := &room.Live{At: at, Runs: []room.LiveRun{}, Wrong: []string{}}
	ids, err := e.db.RunningIssues(ctx)
	if err != nil {
		return nil, err
	}
	holds, err := e.db.Holds(ctx, e.now())
	if err != nil {
		return nil, err
	}
	states, err := relayWords(ctx, e.db)
	if err != nil {
		return nil, err
	}
	alarms, err := roomToday{e}.Alarms(ctx)
	if err != nil {
		return nil, err
	}
	stray := false // this copy of the database may not mail
	for _, a := range alarms {
		live.Wrong = append(live.Wrong, a.Level+" "+a.Key)
		stray = stray || a.Key == alarmAdopt
	}
	stray = stray && !slices.ContainsFunc(e.cfg.Relays, func(r schedule.Relay) bool { return loopback(r.Host) })
	now := pace{at: at, runs: make(map[int64]progressOf)}
	for _, id := range ids {
		if len(live.Runs) == liveRuns {
			break
		}
		r, p, err := b.run(ctx, id, at)
		if err != nil {
			return nil, err
		}
		if r != nil {
			for _, h := range holds {
				if h.Issue == id || h.Issue == 0 {
					r.Held = append(r.Held, heldOf(h).Line())
				}
			}
			if stray {
				r.Held = append(r.Held, "this copy of the database may not mail until it is adopted")
			}
			if len(r.Held) > 0 {
				r.Need, r.Waits, r.Rate = 0, "", 0 // what went before the hold says nothing of what is left
			}
			for k := range r.Relays {
				r.Relays[k].State = states[r.Relays[k].Name]
				if len(r.Held) > 0 {
					r.Relays[k].Rate = 0
				}
			}
			live.Runs = append(live.Runs, *r)
			now.runs[id] = p
		}
	}
	for len(b.past) > 0 && at.Sub(b.past[0].at) > paceLong {
		b.past = b.past[1:]
	}
	b.past = append(b.past, now)
	return live, nil
}

// relayWords says how relays were last seen to be.
func relayWords(ctx context.Context, db *store.DB) (map[string]string, error) {
	list, err := db.RelayStates(ctx)
	words := make(map[string]string, len(list))
	for _, s := range list {
		w := s.State
		if s.State != store.RelayUp {
			w += " since " + s.Since.UTC().Format("15:04") + " UTC"
			if s.Why != "" {
				w += ": " + s.Why
			}
		}
		if time.Since(s.Seen) > time.Minute {
			w += ", last seen " + s.Seen.UTC().Format("2 Jan 15:04") + " UTC"
		}
		words[s.Relay] = w
	}
	return words, err
}

// run is a run on its way, nil if nothing of it is to go any more.
func (b *board) run(ctx context.Context, id int64, at time.Time) (*room.LiveRun, progressOf, error) {
	db := b.e.db
	p := progressOf{relays: make(map[string]int)}
	i, err := db.Issue(ctx, id)
	if err != nil {
		return nil, p, err
	}
	view, books, err := issueView(ctx, db, &i)
	if err != nil || view.Left == 0 && view.State == "open" {
		return nil, p, err
	}
	r := &room.LiveRun{Issue: view, Held: []string{}, Relays: []room.LiveRelay{}}
	togo, err := db.ToGo(ctx, id)
	if err != nil {
		return nil, p, err
	}
	relays := make(map[string]*room.LiveRelay)
	of := func(name string) *room.LiveRelay {
		if relays[name] == nil {
			relays[name] = &room.LiveRelay{Name: name}
		}
		return relays[name]
	}
	for name, n := range togo {
		of(name).ToGo = min(n, view.Left)
	}
	for _, k := range books {
		p.add(&k)
		if k.Relay == "" {
			continue
		}
		switch relay := of(k.Relay); {
		case k.State.Taken():
			relay.Taken += k.N
		case k.State == mailer.Deferred:
			relay.Put += k.N
		case k.State == mailer.Failed:
			relay.Bad += k.N
		}
	}
	p.settled = view.Audience - view.Left
	since, before, err := b.before(ctx, id, at, p)
	if err != nil {
		return nil, p, err
	}
	rate := func(now, then int) float64 { return max(0, float64(now-then)) / since.Seconds() }
	r.Rate = rate(p.taken, before.taken)
	if done := rate(p.settled, before.settled); done > 0 && view.Left > 0 {
		r.Need = float64(view.Left) / done
	}
	first, last, err := db.Starts(ctx, id)
	if err != nil {
		return nil, p, err
	}
	now := b.e.now()
	r.Waits = waits(&i, first, last, now)
	if last.After(now) { // how fast it goes until then is as it is meant to, and tells nothing of the end
		r.Need = last.Sub(now).Seconds()
	}
	for _, c := range b.e.cfg.Relays { // in their order
		if relay := relays[c.Name]; relay != nil {
			relay.Rate = rate(relay.Taken, before.relays[c.Name])
			r.Relays = append(r.Relays, *relay)
			delete(relays, c.Name)
		}
	}
	for _, relay := range relays { // no longer in the configuration
		r.Relays = append(r.Relays, *relay)
	}
	return r, p, nil
}

// waits says for what time a run waits whose batches start from first to last; "" = for none.
func waits(i *digest.Issue, first, last, now time.Time) string {
	clock := func(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }
	switch {
	case i.Due.After(now) && first.After(now):
		return "it waits for its slot at " + clock(i.Due)
	case first.After(now):
		return "it is spread over time: the next batch starts at " + clock(first) + ", the last at " + clock(last)
	case last.After(now):
		return "it is spread over time: the last batch starts at " + clock(last)
	}
	return ""
}

func (p *progressOf) add(k *store.Book) {
	if k.State.Taken() {
		p.taken += k.N
		p.relays[k.Relay] += k.N
	}
}

// before is how far a run had come some time ago, and how long ago that was: as was seen, or as the books
// by minute have it where nobody has looked of late.
func (b *board) before(ctx context.Context, id int64, at time.Time, is progressOf) (time.Duration, progressOf, error) {
	for _, p := range b.past {
		if was, ok := p.runs[id]; ok && at.Sub(p.at) >= paceShort && at.Sub(p.at) <= paceLong {
			return at.Sub(p.at), was, nil
		}
	}
	now := b.e.now()
	since := now.Truncate(time.Minute)
	if now.Sub(since) < 20*time.Second { // a young minute says little
		since = since.Add(-time.Minute)
	}
	grown, err := b.e.db.Recent(ctx, id, since)
	if err != nil {
		return 0, is, err
	}
	was := progressOf{taken: is.taken, settled: is.settled, relays: make(map[string]int)}
	for name, n := range is.relays {
		was.relays[name] = n
	}
	for _, k := range grown {
		if k.State.Taken() {
			was.taken -= k.N
			was.relays[k.Relay] -= k.N
		}
		if !unsettled(k.State) {
			was.settled -= k.N
		}
	}
	return max(now.Sub(since), time.Second), was, nil
}
