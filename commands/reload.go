package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"broadsheet/schedule"
	"broadsheet/subscribers"
)

// again reads configuration, secrets and keys anew and wires the rooms with them, on the database
// that is open. With an error nothing has changed.
func (p *program) again(ctx context.Context) (*engine, error) {
	cfg, err := schedule.Load(p.configFile, p.getenv)
	if err != nil {
		return nil, err
	}
	if err := p.roles.secrets(cfg, p.getenv); err != nil {
		return nil, err
	}
	ring, err := subscribers.LoadKeys(p.getenv)
	if err != nil {
		return nil, err
	}
	if err := p.db.CheckKey(ctx, ring.Fingerprint()); err != nil {
		return nil, err
	}
	e, err := p.wire(ctx, cfg, p.db, ring)
	if err != nil {
		return nil, err
	}
	if _, err := e.away(); err != nil {
		return nil, err
	}
	p.cfg, p.ring = cfg, ring
	return e, nil
}

// notTaken logs why a configuration was not taken over, each problem for itself.
func (e *engine) notTaken(err error) {
	const message = "configuration is not taken over, the one before stays"
	problems, ok := errors.AsType[schedule.Error](err)
	if !ok {
		e.log.Error(message, slog.Any("error", err))
		return
	}
	for _, p := range problems {
		e.log.Error(message, slog.String("at", fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)), slog.String("error", p.Message))
	}
}

// takeUp gives mail of relays that have left the configuration to others. No sender may be at work.
func (e *engine) takeUp(ctx context.Context) error {
	moved, err := e.db.Reassign(ctx, e.routes, e.now())
	for relay, n := range moved {
		e.log.Warn("mail of a relay that is gone goes through another", slog.String("relay", relay), slog.Int("deliveries", n))
	}
	return err
}
