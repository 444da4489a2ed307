package commands

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"broadsheet/mailer"
)

const (
	paceEvery = time.Second      // how often it is looked for news of delays
	paceFirst = 10 * time.Minute // how old they may be at first
	paceAgain = time.Minute      // and later: they may be read with a delay; what is older is over
)

// pacer keeps the pace of senders and the record of it together: throttles that a relay's log or its
// provider tells of slow their domains, and what is slowed stays so after a restart. One goroutine uses
// it.
type pacer struct {
	*engine
	pace   *mailer.Pace
	since  time.Time
	record map[string]mailer.Slowed // as it is there
}

// newPacer reads what is slowed.
func (e *engine) newPacer(ctx context.Context) (*pacer, error) {
	known, err := e.db.SlowDomains(ctx)
	if err != nil {
		return nil, err
	}
	p := &pacer{engine: e, pace: mailer.NewPace(e.domains, e.now, known), since: e.now().Add(-paceFirst), record: map[string]mailer.Slowed{}}
	for _, s := range known {
		p.record[s.Name] = s
	}
	return p, nil
}

// keep does so until ctx ends, and a last time then.
func (p *pacer) keep(ctx context.Context) {
	repeat(ctx, func(ctx context.Context) time.Duration {
		p.complain(ctx, "slow domains", p.look(ctx))
		return paceEvery
	})
	if err := p.write(context.WithoutCancel(ctx)); err != nil {
		p.log.Error("slow domains", slog.Any("error", err))
	}
}

func (p *pacer) look(ctx context.Context) error {
	now := p.now()
	known, err := p.db.SlowDomains(ctx) // by other processes
	if err != nil {
		return err
	}
	p.pace.Learn(known)
	clear(p.record)
	for _, s := range known {
		p.record[s.Name] = s
	}
	delays, err := p.db.Delays(ctx, p.since)
	if err != nil {
		return err
	}
	for _, d := range delays {
		if !d.AsksForLess() {
			continue
		}
		if s, changed := p.pace.Slow(d.Domain, why(&d.News), d.At); changed {
			p.log.Warn("provider asks for less", slog.String("provider", s.Name), slog.Float64("rate", s.Rate), slog.String("reason", s.Why))
		}
	}
	if again := now.Add(-paceAgain); again.After(p.since) {
		p.since = again
	}
	return p.write(ctx)
}

// why is what a server said, on one line.
func why(n *mailer.News) string {
	if n.Code == 0 {
		return n.Text
	}
	return mailer.Reply{Code: n.Code, Enhanced: n.Status, Text: n.Text}.String()
}

// write puts on record what has changed.
func (p *pacer) write(ctx context.Context) error {
	var changed []mailer.Slowed
	free := maps.Clone(p.record)
	for _, s := range p.pace.Slowed() {
		if old, ok := p.record[s.Name]; !ok || old.Rate != s.Rate || old.Heard.UnixMicro() != s.Heard.UnixMicro() {
			changed = append(changed, s)
		}
		delete(free, s.Name)
	}
	if len(changed) == 0 && len(free) == 0 {
		return nil
	}
	if err := p.db.KeepSlowDomains(ctx, changed, slices.Sorted(maps.Keys(free)), p.now()); err != nil {
		return err
	}
	for _, s := range changed {
		p.record[s.Name] = s
	}
	for name := range free {
		delete(p.record, name)
		p.log.Info("provider is sent as before", slog.String("provider", name))
	}
	return nil
}
