package commands

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"broadsheet/store"
)

// outage keeps the log short while the database is away: else every duty would say so, again and again.
type outage struct {
	mu    sync.Mutex
	since time.Time // zero: it is there
	kept  int       // lines that are not in the log
}

// over says once that the database is back.
func (o *outage) over(log *slog.Logger) {
	o.mu.Lock()
	since, kept := o.since, o.kept
	o.since, o.kept = time.Time{}, 0
	o.mu.Unlock()
	if !since.IsZero() {
		log.Info("database is back", slog.Duration("after", time.Since(since).Round(time.Millisecond)), slog.Int("lines_left_out", kept))
	}
}

// outageLog leaves out of the log what says once more that the database is away.
type outageLog struct {
	slog.Handler
	outage *outage
}

// Handle meets [slog.Handler].
func (l outageLog) Handle(ctx context.Context, r slog.Record) error {
	var away error
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && store.Away(err) {
			away = err
		}
		return away == nil
	})
	if away == nil {
		return l.Handler.Handle(ctx, r)
	}
	o := l.outage
	o.mu.Lock()
	first := o.since.IsZero()
	if first {
		o.since = time.Now()
	} else {
		o.kept++
	}
	o.mu.Unlock()
	if !first {
		return nil
	}
	once := slog.NewRecord(r.Time, slog.LevelError, "database is away: what needs it waits until it is back", r.PC)
	once.AddAttrs(slog.String("act", r.Message), slog.Any("error", away))
	return l.Handler.Handle(ctx, once)
}

// WithAttrs meets [slog.Handler].
func (l outageLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return outageLog{l.Handler.WithAttrs(attrs), l.outage}
}

// WithGroup meets [slog.Handler].
func (l outageLog) WithGroup(name string) slog.Handler {
	return outageLog{l.Handler.WithGroup(name), l.outage}
}
