package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"broadsheet/doctor"
)

const (
	readyKept  = 2 * time.Second // however many ask, the database is tried so often
	readyWaits = 2 * time.Second // what a try may take before that is an answer itself
	diskNone   = 1 << 20         // octets free on a disk that is full
)

// readiness is whether the program can do its work, as it was last tried. The zero value was not tried.
type readiness struct {
	mu    sync.Mutex
	woke  time.Time // when the scheduler last woke; zero: there is none here
	at    time.Time // of err
	err   error
	trial chan struct{} // closed when the try under way has ended; nil = none is
}

// wakes notes that the scheduler is awake.
func (r *readiness) wakes() {
	r.mu.Lock()
	r.woke = time.Now()
	r.mu.Unlock()
}

// roomWatch meets [room.Watch].
type roomWatch struct{ *engine }

// Ready meets [room.Watch].
func (w roomWatch) Ready(ctx context.Context) error { return w.ready(ctx) }

// Metrics meets [room.Watch].
func (w roomWatch) Metrics() http.Handler { return w.metricsHandler() }

// ready says in a few words what keeps the program from its work; nil if nothing does.
func (e *engine) ready(ctx context.Context) error {
	r := &e.readiness
	r.mu.Lock()
	woke, trial := r.woke, r.trial
	if trial == nil && time.Since(r.at) > readyKept {
		trial = make(chan struct{})
		r.trial = trial
		e.jobs.begin(func(ctx context.Context) { e.tryDatabase(ctx, trial) })
	}
	r.mu.Unlock()
	if trial != nil {
		timeout := time.NewTimer(readyWaits)
		defer timeout.Stop()
		select {
		case <-trial:
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			if t := e.db.Trouble(); t != nil {
				return unreadyOf(t.Err)
			}
			return fmt.Errorf("database: it has not answered for %s: another program may be holding it", readyWaits)
		}
	}
	r.mu.Lock()
	err := r.err
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if !woke.IsZero() && time.Since(woke) > doctor.WakeLate {
		return fmt.Errorf("scheduler: it has not woken for %s", duration(time.Since(woke)))
	}
	return nil
}

// unreadyOf says in one line what is wrong with the database.
func unreadyOf(err error) error {
	return fmt.Errorf("database: %s", strings.Join(strings.Fields(err.Error()), " "))
}

// tryDatabase writes and reads, and lets those go on who wait for it.
func (e *engine) tryDatabase(ctx context.Context, trial chan struct{}) {
	err := e.db.Ready(ctx)
	if t := e.db.Trouble(); err == nil && t != nil {
		err = t.Err
	}
	if s, diskErr := e.disk(); err == nil && diskErr == nil && s.Free < diskNone {
		err = errors.New("its disk is full")
	}
	if err != nil {
		err = unreadyOf(err)
	}
	r := &e.readiness
	r.mu.Lock()
	r.at, r.err, r.trial = time.Now(), err, nil
	r.mu.Unlock()
	close(trial)
}
