package commands

import (
	"context"
	"log/slog"
	"time"

	"broadsheet/digest"
	"broadsheet/store"
)

// postman posts the notices that wait: when it is kicked, and every second in any case, for another
// program may have noted one.
type postman struct {
	digest.Postman
	kicked chan struct{} // holds one
	held   bool          // forms waited for the next hour when it last looked
}

func newPostman(p digest.Postman) *postman {
	return &postman{Postman: p, kicked: make(chan struct{}, 1)}
}

// kick has the postman look soon. It never waits.
func (m *postman) kick() {
	select {
	case m.kicked <- struct{}{}:
	default: // it is about to look
	}
}

// deliver looks through sign-ups and posts until ctx ends.
func (e *engine) deliver(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		e.takeSignUps(ctx)
		_, err := e.postman.Post(ctx)
		e.complain(ctx, "post notices", err)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-e.postman.kicked:
		}
	}
}

// takeSignUps looks through the forms that came in. That more come than may be mailed is an alarm,
// once: as a rule somebody signs up other people's addresses.
func (e *engine) takeSignUps(ctx context.Context) {
	taken, err := e.db.TakeSignUps(ctx, e.cfg.Pages.SignUpsPerHour, e.now())
	e.complain(ctx, "take sign-ups", err)
	if taken.Dropped > 0 {
		e.log.Error("sign-ups dropped: too many waited, or for too long", slog.Int("forms", taken.Dropped))
	}
	if taken.Held && !e.postman.held {
		e.log.Error("sign-ups wait: as many confirmations went out as may within an hour", slog.Int("sign_ups_per_hour", e.cfg.Pages.SignUpsPerHour))
	}
	if err == nil {
		e.postman.held = taken.Held
	}
}

// prune forgets what is old as one process at a time: several would only wait for each other.
func (e *engine) prune() func(context.Context) time.Duration {
	turn := &alone{engine: e, name: "retention", span: 2 * wake}
	return func(ctx context.Context) time.Duration {
		if !turn.mine(ctx) {
			return wake
		}
		return e.forget(ctx)
	}
}

// forget deletes what was never confirmed, what came in and what was counted once its time is up. It returns the wait to the next time.
func (e *engine) forget(ctx context.Context) time.Duration {
	f, err := e.db.ForgetUnconfirmed(ctx, e.now())
	e.complain(ctx, "forget what was not confirmed", err)
	if f.Readers > 0 {
		e.log.Info("sign-ups that were not confirmed are forgotten", slog.Int("readers", f.Readers))
	}
	e.complain(ctx, "forget providers' reports", e.forgetReports(ctx))
	_, err = e.db.ForgetQueueIDs(ctx, e.now())
	e.complain(ctx, "forget queue ids", err)
	keep := &e.cfg.Retention
	if keep.Inbound > 0 {
		n, err := e.db.ForgetInbound(ctx, e.now().Add(-keep.Inbound))
		e.complain(ctx, "forget mail that came in", err)
		if n > 0 {
			e.log.Info("old mail that came in is forgotten", slog.Int("messages", n))
		}
	}
	_, err = e.db.Drop(ctx, store.Retention{Deliveries: keep.Deliveries, Attempts: keep.Attempts, Events: keep.Events, Audit: keep.Audit}, e.now())
	e.complain(ctx, "drop what is old", err)
	e.complain(ctx, "forget old counts", e.db.ForgetRates(ctx, e.now()))
	return wake
}
