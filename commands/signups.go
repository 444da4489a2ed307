package commands

import (
	"context"
	"log/slog"
	"time"
)

// doorkeeper looks through the forms that visitors have sent, and forgets who never confirmed. The
// zero value is ready. It is for one goroutine.
type doorkeeper struct {
	alarmed, forgot time.Time
}

// again is how often it says that forms wait, and looks for what is to be forgotten.
const again = time.Hour

func (d *doorkeeper) look(ctx context.Context, e *engine) {
	now := e.now()
	taken, err := e.db.TakeSignUps(ctx, e.cfg.Pages.SignUpsPerHour, now)
	e.complain(ctx, "take sign-ups", err)
	if taken.Held && now.Sub(d.alarmed) >= again {
		d.alarmed = now
		e.log.Error("sign-ups wait: more came within an hour than pages.sign_ups_per_hour allows to mail",
			slog.Int("sign_ups_per_hour", e.cfg.Pages.SignUpsPerHour))
	}
	if taken.Dropped > 0 {
		e.log.Error("sign-ups dropped: they waited for a day, or too many came", slog.Int("sign_ups", taken.Dropped))
	}
	if now.Sub(d.forgot) < again {
		return
	}
	f, err := e.db.ForgetUnconfirmed(ctx, now)
	e.complain(ctx, "forget requests", err)
	if err == nil {
		d.forgot = now
	}
	if f.Readers > 0 {
		e.log.Info("readers forgotten who never confirmed", slog.Int("readers", f.Readers))
	}
}
