package commands

import (
	"context"
	"slices"
	"sync"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/web/room"
)

const (
	// forecastFor is how long a forecast is shown before another is worked out.
	forecastFor = 5 * time.Minute
	// forecastWait is how long a page waits for one: a small publication's is there at once.
	forecastWait = 150 * time.Millisecond
	// forecastMost bounds the working out.
	forecastMost = 10 * time.Minute
)

// outlook is the latest forecast. The zero value is ready.
type outlook struct {
	mu     sync.Mutex
	latest room.Forecast
	begun  time.Time
	done   chan struct{} // closed when the one under way is there; nil = none is
}

// Forecast meets [room.Proofs]. It works nothing out while mail is going out: to choose for every reader
// would take the run's processors away.
func (w roomProofs) Forecast(ctx context.Context) (*room.Forecast, error) {
	next, due, err := w.nextDue(ctx)
	if err != nil {
		return nil, err
	}
	busy := due && !next.After(w.now())
	if done := w.ahead.begin(w.engine, busy); done != nil {
		select {
		case <-done:
		case <-ctx.Done():
		case <-time.After(forecastWait):
		}
	}
	w.ahead.mu.Lock()
	out := w.ahead.latest
	out.Working = w.ahead.done != nil
	w.ahead.mu.Unlock()
	out.Busy = busy
	out.Waiting, err = w.waiting(ctx)
	return &out, err
}

// begin works a forecast out in the background if there is none, or an old one.
func (l *outlook) begin(e *engine, busy bool) (done <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done != nil {
		return l.done
	}
	if busy || !l.begun.IsZero() && time.Since(l.begun) < forecastFor {
		return nil
	}
	l.begun, l.done = time.Now(), make(chan struct{})
	e.jobs.begin(func(ctx context.Context) {
		ctx, stop := context.WithTimeout(ctx, forecastMost)
		defer stop()
		coming, err := e.foresee(ctx, "")
		l.mu.Lock()
		defer l.mu.Unlock()
		l.latest = room.Forecast{Coming: coming, At: e.now()}
		if err != nil {
			l.latest.Wrong = err.Error()
		}
		close(l.done)
		l.done = nil
	})
	return l.done
}

// foresee says what the next slot of each place of an edition, "" for all, will bring.
func (e *engine) foresee(ctx context.Context, edition string) (list []room.Coming, err error) {
	var loads []digest.Load
	for i := range e.cfg.Editions {
		ed := &e.cfg.Editions[i]
		if edition != "" && ed.Name != edition {
			continue
		}
		due, err := e.finder.Coming(ctx, ed, e.now())
		if err != nil {
			return nil, err
		}
		for _, d := range due {
			f, err := e.opener(ed, nil).Survey(ctx, e.db, d)
			if err != nil {
				return nil, err
			}
			asked, queued := f.Issue.Audience-f.Counts[mailer.Suppressed], f.Counts[mailer.Queued]
			list = append(list, room.Coming{Edition: ed.Name, Slot: d.Issue.Slot, Zone: d.Issue.Zone, Hour: d.Issue.Hour, Local: d.Issue.Local,
				Opens: d.Issue.Due.Add(-ed.Prepare), Due: d.Issue.Due, Approve: ed.Approve, Readers: f.Issue.Audience, Mails: queued,
				Empty: float64(f.Counts[mailer.Skipped]) / float64(max(asked, 1)), Suppressed: f.Counts[mailer.Suppressed], Digests: f.Issue.Digests,
				Stories: float64(f.Stories) / float64(max(queued, 1)), Bytes: f.Octets, Relays: []room.Prospect{}})
			loads = append(loads, f.Loads...)
		}
	}
	for _, p := range e.prospects(loads) {
		for i := range list {
			if c := &list[i]; c.Edition == p.Issue.Edition && c.Slot == p.Issue.Slot && c.Zone == p.Issue.Zone && c.Hour == p.Issue.Hour {
				c.Relays = append(c.Relays, room.Prospect{Relay: p.Relay, Mails: p.Mails, Rate: p.Rate, Need: duration(p.Need), Done: p.Done, Late: round(p.Late), Text: inWords(&p)})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b room.Coming) int { return a.Due.Compare(b.Due) })
	return list, nil
}
