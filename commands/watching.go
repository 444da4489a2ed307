package commands

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"broadsheet/doctor"
	"broadsheet/schedule"
	"broadsheet/web"
)

const (
	probeFirst = 20 * time.Second // after serve started: what stands in front of it may start later
	probeEvery = 5 * time.Minute
	probeAgain = 20 * time.Second // after a failure, before it counts
)

// probed reports whether readers come by way of a web server that can be tried from here.
func (e *engine) probed() bool { return strings.HasPrefix(e.cfg.Publication.PublicURL, "https://") }

// probePublic tries public_url as mailbox providers do, again and again until ctx ends, and keeps what it
// found. One failure is none: the web server may have been restarted just then.
func (e *engine) probePublic(ctx context.Context) {
	if !e.probed() {
		return
	}
	wait, failed := probeFirst, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		why, until := e.probeOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if !until.IsZero() {
			e.complain(ctx, "keep what was found", e.db.Find(ctx, findingCertificate+findingPublic, true, until.UTC().Format(time.RFC3339)))
		}
		if wait = probeEvery; why != "" && !failed {
			failed, wait = true, probeAgain
			continue
		}
		failed = why != ""
		if failed {
			e.log.Warn("public_url does not work", slog.String("reason", why))
		}
		e.complain(ctx, "keep what was found", e.db.Find(ctx, findingPublic, why == "", why))
	}
}

// probeOnce says what is wrong with public_url first of all, "" if nothing, and when its certificate ends.
func (e *engine) probeOnce(ctx context.Context) (why string, until time.Time) {
	probe := &web.Probe{PublicURL: e.cfg.Publication.PublicURL, Keys: e.keys, Now: time.Now, Roots: e.roots}
	probe.Run(ctx, func(what string, err error) {
		if err != nil && why == "" {
			why = fmt.Sprintf("%s: %v", what, err)
		}
	})
	return why, probe.Until
}

// clockWatch knows when the clock was last read. The zero value is ready.
type clockWatch struct{ last time.Time }

// step is by how much the wall clock went apart from the time that passed since it was last asked.
func (c *clockWatch) step(now time.Time) (step time.Duration) {
	if !c.last.IsZero() {
		step = now.Round(0).Sub(c.last.Round(0)) - now.Sub(c.last) // the latter by the monotonic reading
	}
	c.last = now
	return step
}

// watchClock notes when somebody sets the clock, or the machine slept.
func (e *engine) watchClock(c *clockWatch) func(ctx context.Context) time.Duration {
	return func(ctx context.Context) time.Duration {
		step := c.step(time.Now())
		if step.Abs() < clockStep {
			return wake / 3
		}
		word := "forward"
		if step < 0 {
			word = "back"
		}
		said := fmt.Sprintf("%s %s", duration(step.Abs()), word)
		e.log.Warn("clock jumped", slog.String("by", said))
		e.complain(ctx, "keep what was found", e.db.Find(ctx, findingClock, false, said))
		return wake / 3
	}
}

// noteOpening puts on record whether an edition's issues can be opened, when that changes.
func (e *engine) noteOpening(ctx context.Context, ed *schedule.Edition, err error) {
	said := ""
	if err != nil {
		said = err.Error()
	}
	if ctx.Err() != nil || e.openings[ed.Name] == said {
		return
	}
	if e.db.Find(ctx, findingOpening+ed.Name, err == nil, said) == nil {
		e.openings[ed.Name] = said
	}
}

// lastWake is when serve's scheduler last woke, by the machine's clock; zero if it never did.
func (e *engine) lastWake(ctx context.Context) (time.Time, error) {
	found, err := e.db.Findings(ctx)
	return found[findingWake].At, err
}

// awake reports whether a scheduler runs.
func (e *engine) awake(ctx context.Context) (bool, error) {
	last, err := e.lastWake(ctx)
	return err == nil && time.Since(last) <= doctor.WakeLate, err
}
