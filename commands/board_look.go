package commands

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/web/room"
)

// Latency, domains and replies are told by deliveries alone. An issue's are looked through in the
// background, stretch by stretch, once somebody has opened its page, and again when the books have
// moved since. What is shown says how old it is.

const (
	lookMoving = 24               // rests so many times as long as it reads while mails go: 4 % of a processor
	lookStill  = 1                // and when nothing goes
	lookAgain  = 20 * time.Second // not sooner after the last one's end
	looksKept  = 16
	plotPoints = 240 // at most
	listed     = 25  // domains, replies and reasons
)

// looks are those that were taken. Make it ready with init.
type looks struct {
	mu   sync.Mutex
	of   map[int64]*looking
	ctx  context.Context
	stop context.CancelFunc
	busy sync.WaitGroup
	turn chan struct{} // one at a time
}

// looking is an issue's look.
type looking struct {
	last  *room.Look
	books string // as they stood when the last one began
	done  float64
	busy  bool
	asked time.Time
	ended chan struct{} // closed when the look under way, or the last one, has ended
}

func (l *looks) init() {
	l.of, l.turn = make(map[int64]*looking), make(chan struct{}, 1)
	l.ctx, l.stop = context.WithCancel(context.Background())
}

func (l *looks) end() {
	l.mu.Lock()
	l.stop()
	l.mu.Unlock()
	l.busy.Wait()
}

// plots is an issue's course and the last look at it; a new look begins if there is need.
func (b *board) plots(ctx context.Context, id int64) (*room.Plots, error) {
	i, err := b.e.db.Issue(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := b.course(ctx, &i)
	if err != nil {
		return nil, err
	}
	view, _, err := issueView(ctx, b.e.db, &i)
	if err != nil {
		return nil, err
	}
	l := &b.looks
	l.mu.Lock()
	defer l.mu.Unlock()
	k := b.begun(&i, view.Sum())
	p.Look, p.Looked = k.last, 1
	if k.busy {
		p.Looked = min(k.done, 0.99)
	}
	return p, nil
}

// begun is the look at an issue whose books stand so; a new one begins if there is need. The caller has the lock.
func (b *board) begun(i *digest.Issue, books string) *looking {
	l := &b.looks
	k := l.of[i.ID]
	if k == nil {
		k = &looking{ended: make(chan struct{})}
		l.of[i.ID] = k
	}
	k.asked = time.Now()
	if !k.busy && l.ctx.Err() == nil && (k.last == nil || k.books != books && time.Since(k.last.To) > lookAgain) {
		k.busy, k.done, k.books, k.ended = true, 0, books, make(chan struct{})
		l.forget()
		l.busy.Go(func() { b.takeLook(i, k) })
	}
	return k
}

// failures are the reasons that an issue's deliveries failed or expired for, as the last look has them, the most
// frequent first. For a first look it waits no longer than a page may; nothing is known then.
func (b *board) failures(ctx context.Context, i *digest.Issue, books string) []room.Reason {
	l := &b.looks
	l.mu.Lock()
	k := b.begun(i, books)
	last, ended := k.last, k.ended
	l.mu.Unlock()
	if last == nil {
		select {
		case <-ended:
		case <-time.After(countWait):
		case <-ctx.Done():
		}
		l.mu.Lock()
		last = k.last
		l.mu.Unlock()
	}
	list := []room.Reason{}
	if last == nil {
		return list
	}
	for _, r := range last.Reasons {
		if s := mailer.State(r.State); s != mailer.Failed && s != mailer.Expired {
			continue
		}
		if n := slices.IndexFunc(list, func(o room.Reason) bool { return o.Reason == r.Reason }); n >= 0 {
			list[n].Readers += r.N
		} else {
			list = append(list, room.Reason{Reason: r.Reason, Readers: r.N})
		}
	}
	return most(list, func(r *room.Reason) int { return r.Readers }, func(r *room.Reason) string { return r.Reason })
}

// forget drops the look that nobody has asked for the longest.
func (l *looks) forget() {
	for len(l.of) > looksKept {
		oldest := int64(0)
		for id, k := range l.of {
			if !k.busy && (oldest == 0 || k.asked.Before(l.of[oldest].asked)) {
				oldest = id
			}
		}
		if oldest == 0 {
			return
		}
		delete(l.of, oldest)
	}
}

// course is the books minute by minute.
func (b *board) course(ctx context.Context, i *digest.Issue) (*room.Plots, error) {
	p := &room.Plots{At: time.Now(), Step: 60, Times: []int64{}, Taken: []int{}, Relays: []room.Line{}, States: []room.Line{}}
	minutes, err := b.e.db.Course(ctx, i.ID)
	if err != nil || len(minutes) == 0 {
		return p, err
	}
	first, last := minutes[0].At.Unix()/60, minutes[len(minutes)-1].At.Unix()/60
	step := (last-first)/plotPoints + 1 // minutes
	p.Step = int(60 * step)
	points := int((last-first)/step) + 1
	p.Taken = make([]int, points)
	for n := range points {
		p.Times = append(p.Times, 60*(first+int64(n)*step))
	}
	states, relays := map[mailer.State][]int{}, map[string][]int{}
	for _, m := range minutes {
		at := int((m.At.Unix()/60 - first) / step)
		if states[m.State] == nil {
			states[m.State] = make([]int, points)
		}
		states[m.State][at] += m.N
		if m.State.Taken() {
			if relays[m.Relay] == nil {
				relays[m.Relay] = make([]int, points)
			}
			p.Taken[at] += m.N
			relays[m.Relay][at] += m.N
		}
	}
	for n := range p.Taken {
		p.Taken[n] /= int(step)
	}
	for _, name := range slices.Sorted(maps.Keys(relays)) {
		for n := range relays[name] {
			relays[name][n] /= int(step)
		}
		p.Relays = append(p.Relays, room.Line{Name: name, N: relays[name]})
	}
	for _, s := range mailer.States {
		line := states[s]
		if line == nil || line[0] == 0 && slices.Max(line) == 0 && slices.Min(line) == 0 {
			continue
		}
		for n := 1; n < points; n++ {
			line[n] += line[n-1]
		}
		p.States = append(p.States, room.Line{Name: string(s), N: line})
	}
	return p, nil
}

// takeLook reads all deliveries of an issue, and rests in between.
func (b *board) takeLook(i *digest.Issue, k *looking) {
	l := &b.looks
	look, err := b.through(l.ctx, i, k)
	l.mu.Lock()
	defer l.mu.Unlock()
	k.busy = false
	close(k.ended)
	if err == nil {
		k.last = look
	} else if l.ctx.Err() == nil {
		b.e.log.Error("look at deliveries", slog.Int64("issue", i.ID), slog.Any("error", err))
	}
}

func (b *board) through(ctx context.Context, i *digest.Issue, k *looking) (*room.Look, error) {
	l := &b.looks
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	look := &room.Look{From: time.Now()}
	t := newLookTally(i)
	for after := int64(0); ; {
		began := time.Now()
		rows, next, err := b.e.db.PlotRows(ctx, i, after)
		if err != nil {
			return nil, err
		}
		for n := range rows {
			t.add(&rows[n])
		}
		if after = next; after == 0 {
			break
		}
		l.mu.Lock()
		k.done = float64(t.n) / float64(max(i.Audience, 1))
		l.mu.Unlock()
		if err := b.rest(ctx, time.Since(began)); err != nil {
			return nil, err
		}
	}
	look.To = time.Now()
	return look, t.conclude(ctx, b.e.db, look)
}

// rest lets runs go on after work in the background that took so long.
func (b *board) rest(ctx context.Context, took time.Duration) error {
	times := lookStill
	if live, err := b.read(ctx); err != nil {
		return err
	} else if len(live.Runs) > 0 {
		times = lookMoving
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(times) * took):
		return nil
	}
}

// latencySteps are the bars of latency, by their upper ends.
var latencySteps = []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour,
	4 * time.Hour, 12 * time.Hour, math.MaxInt64}

// stepName is a bar's name: a duration as short as can be.
func stepName(d time.Duration) string {
	switch {
	case d == math.MaxInt64:
		return "more"
	case d < time.Minute:
		return fmt.Sprintf("≤ %d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("≤ %d min", d/time.Minute)
	}
	return fmt.Sprintf("≤ %d h", d/time.Hour)
}

// most lists the rows with the highest count, then in the order of name.
func most[R any](rows []R, n func(*R) int, name func(*R) string) []R {
	slices.SortFunc(rows, func(a, b R) int { return cmp.Or(cmp.Compare(n(&b), n(&a)), cmp.Compare(name(&a), name(&b))) })
	return rows[:min(len(rows), listed)]
}
