package commands

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"broadsheet/web/room"
)

// answerWithin is how long a page waits for an act before it says that it is under way.
const answerWithin = 200 * time.Millisecond

// underway keeps the acts of pages that take long. The zero value has none. Acts are made so that what
// an end of the program interrupts is taken up again, or can be done once more.
type underway struct {
	mu   sync.Mutex
	acts []*longAct
}

type longAct struct {
	room.UnderWay
	issue int64
}

// do runs an act as a job, and waits a moment for it. done is false if it goes on.
func (u *underway) do(jobs *jobs, issue int64, name string, now time.Time, log *slog.Logger,
	f func(ctx context.Context, show func(n, of int)) (said string, err error)) (said string, done bool, err error) {
	a := &longAct{room.UnderWay{Name: name, Since: now}, issue}
	u.mu.Lock()
	u.acts = append(u.acts, a)
	u.mu.Unlock()
	type result struct {
		said string
		err  error
	}
	ended := make(chan result, 1)
	jobs.begin(func(ctx context.Context) {
		said, err := f(ctx, func(n, of int) {
			u.mu.Lock()
			defer u.mu.Unlock()
			a.Done, a.Of = n, of
		})
		u.mu.Lock()
		u.acts = slices.DeleteFunc(u.acts, func(o *longAct) bool { return o == a })
		u.mu.Unlock()
		if err != nil {
			log.Warn("act not done", slog.String("act", name), slog.Int64("issue", issue), slog.Any("error", err))
		}
		ended <- result{said, err}
	})
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	select {
	case r := <-ended:
		return r.said, true, r.err
	case <-timer.C:
		return "", false, nil
	}
}

// of lists an issue's acts.
func (u *underway) of(issue int64) (list []room.UnderWay) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, a := range u.acts {
		if a.issue == issue {
			list = append(list, a.UnderWay)
		}
	}
	return list
}
