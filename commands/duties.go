package commands

import (
	"context"
	"time"
)

// A duty is what serve does by itself, again and again until it ends. Each belongs to a role; docs/operating.md says
// what keeps two processes with the same role from doing it twice.
type duty struct {
	name string
	role role // "" = of every process
	run  func(ctx context.Context)
}

// duties are all that there are, but for senders, pages and the room, which begin and end in their own way.
func (e *engine) duties() []duty {
	again := func(do func(context.Context) time.Duration) func(context.Context) {
		return func(ctx context.Context) { repeat(ctx, do) }
	}
	list := []duty{
		{"fetch feeds", roleSchedule, again(e.intakeOnce)},
		{"open issues", roleSchedule, again(e.openAll)},
		{"finish stops", roleSchedule, again(e.finishStops)},
		{"retention", roleSchedule, again(e.prune())},
		{"tell of waves", roleSchedule, again(e.tellWaves)},
		{"self-test", roleSchedule, e.probePublic},
		{"pings", roleSchedule, again(e.pingEnded)},
		{"morning report", roleSchedule, again(e.reportDue)},
		{"mail that comes back", roleIntake, e.takeMail},
		{"relays' logs", roleIntake, e.follow},
		{"sign-ups and notices", roleSend, e.deliver},
		{"forward answers", roleSend, again(e.forwardAnswers)},
		{"count clicks", roleWeb, again(e.writeClicks)},
		{"sign of life", "", again(e.beat)},
		{"watch the clock", "", again(e.watchClock(new(clockWatch)))},
	}
	for _, task := range e.hookTasks() {
		list = append(list, duty{"webhooks", roleSchedule, again(task)})
	}
	return list
}

// alone is a duty that one process at a time has, in this process's hand or not.
type alone struct {
	*engine
	name string
	span time.Duration // for how long it is taken: that long after its process has died another follows
	till time.Time     // ours, by this process's monotonic clock
}

// mine takes the duty, or keeps it, and reports whether this process has it. Most calls look at the clock only.
func (a *alone) mine(ctx context.Context) bool {
	if time.Until(a.till) > a.span/2 {
		return true
	}
	asked := time.Now()
	mine, err := a.db.TakeDuty(ctx, a.name, a.worker, a.span)
	a.complain(ctx, "take duty", err)
	if a.till = (time.Time{}); err == nil && mine {
		a.till = asked.Add(a.span)
	}
	return err == nil && mine
}

// finishIn is how long what is in hand may take once the program is told to end: a mail, as senders have it, or a call.
const finishIn = 8 * time.Second

// finishing is a context for what is in hand: it ends a while after ctx does.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	inHand, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(finishIn, cancel) })
	return inHand, func() { stop(); cancel() }
}
