package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/web/room"
)

// roomRuns meets [room.Runs]. The commands that step into a run are the same code.
type roomRuns struct{ *engine }

// nameOf is how an issue is named to people.
func nameOf(issue int64) string {
	if issue == 0 {
		return "everything"
	}
	return fmt.Sprintf("issue %d", issue)
}

// Pause meets [room.Runs].
func (w roomRuns) Pause(ctx context.Context, by operators.By, issue int64) (string, error) {
	if issue != 0 {
		left, err := w.db.AnyLeft(ctx, issue)
		if err != nil {
			return acted(nameOf(issue), "", err)
		}
		if !left {
			return "", refusedf("issue %d: nothing of it is left to go", issue)
		}
	}
	news, err := w.db.Hold(ctx, digest.Hold{Issue: issue, Kind: digest.HoldPaused, Reason: by.Why}, by, w.now())
	if err == nil && !news {
		return "", refusedf("%s is paused already", nameOf(issue))
	}
	if issue == 0 {
		return acted(nameOf(0), "Everything is on hold: nothing more leaves until it is resumed.", err)
	}
	return acted(nameOf(issue), fmt.Sprintf("Issue %d is paused: nothing more of it leaves until it is resumed.", issue), err)
}

// Resume meets [room.Runs].
func (w roomRuns) Resume(ctx context.Context, by operators.By, issue int64) (string, error) {
	had, err := w.db.LetGo(ctx, issue, digest.HoldPaused, by, w.now())
	if err != nil {
		return acted(nameOf(issue), "", err)
	}
	holds, err := w.db.HoldsOf(ctx, issue, w.now())
	if err != nil {
		return "", err
	}
	rest := ""
	if len(holds) > 0 {
		h := heldOf(holds[0])
		rest = " " + upper(h.Words) + ". " + h.Next
	}
	switch {
	case !had && rest != "":
		return "", refusedf("%s is not paused.%s", nameOf(issue), rest)
	case !had:
		return "", refusedf("%s is not paused", nameOf(issue))
	case rest != "":
		return upper(nameOf(issue)) + " is paused no more, and still does not go." + rest, nil
	}
	return upper(nameOf(issue)) + " goes on.", nil
}

// Stop meets [room.Runs].
func (w roomRuns) Stop(ctx context.Context, by operators.By, issue int64) (string, error) {
	if issue == 0 {
		return w.Pause(ctx, by, 0)
	}
	if err := needWhy(by); err != nil {
		return "", err
	}
	return w.wait(issue, "Stopping", func(ctx context.Context, show func(n, of int)) (string, error) { return w.stop(ctx, by, issue, show) })
}

func (w roomRuns) stop(ctx context.Context, by operators.By, issue int64, show func(n, of int)) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	inHand, err := w.db.StopIssue(ctx, issue, by, w.now(), func(n int) { show(n, 0) })
	if err != nil {
		return "", err
	}
	counts, err := w.db.IssueCounts(ctx, issue)
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("Issue %d is stopped: %s cancelled, %d uncertain.", issue, mails(counts[string(mailer.Cancelled)]), counts[string(mailer.Uncertain)])
	if inHand > 0 {
		said += fmt.Sprintf(" A relay has %s in hand: each ends with its answer.", mails(inHand))
	}
	return said, nil
}

// Retry meets [room.Runs].
func (w roomRuns) Retry(ctx context.Context, by operators.By, issue int64, pick room.Pick) (string, error) {
	if _, err := toRetry(pick); err != nil {
		return "", err
	}
	return w.wait(issue, "Queueing again", func(ctx context.Context, show func(n, of int)) (string, error) {
		a, err := w.retry(ctx, by, issue, pick, show)
		return inTotal(a, "queued again", err)
	})
}

func (w roomRuns) retry(ctx context.Context, by operators.By, issue int64, pick room.Pick, show func(n, of int)) (store.Acted, error) {
	p, err := toRetry(pick)
	if err != nil {
		return store.Acted{}, err
	}
	return w.db.RetryIssue(ctx, issue, p, by, w.now(), show)
}

// retryStates are those that many deliveries at once may be retried out of.
const retryStates = "failed, expired, cancelled"

// errPick says that deliveries were picked that the act is not for.
var errPick = errors.New("pick " + retryStates)

func toRetry(pick room.Pick) (p store.Pick, err error) {
	p = store.Pick{Reason: pick.Reason, Domain: pick.Domain}
	for _, s := range pick.States {
		if state := mailer.State(s); state == mailer.Uncertain || !slices.Contains(store.Retryable, state) {
			return p, refusedf("what is %s is not retried: %w", s, errPick)
		}
		p.States = append(p.States, mailer.State(s))
	}
	return p, nil
}

// Settle meets [room.Runs].
func (w roomRuns) Settle(ctx context.Context, by operators.By, issue int64, how string, pick room.Pick) (string, error) {
	s, err := settlement(how)
	if err == nil {
		err = needWhy(by)
	}
	if err != nil {
		return "", err
	}
	return w.wait(issue, "Settling", func(ctx context.Context, show func(n, of int)) (string, error) {
		a, err := w.settle(ctx, by, issue, s, pick, show)
		return inTotal(a, settled(s), err)
	})
}

func (w roomRuns) settle(ctx context.Context, by operators.By, issue int64, how store.Settlement, pick room.Pick, show func(n, of int)) (store.Acted, error) {
	if err := needWhy(by); err != nil {
		return store.Acted{}, err
	}
	return w.db.SettleIssue(ctx, issue, store.Pick{Reason: pick.Reason, Domain: pick.Domain}, how, by, w.now(), show)
}

// settled is what became of many.
func settled(how store.Settlement) string {
	if how == store.SettleAgain {
		return "queued for a further copy"
	}
	return "marked as arrived"
}

func settlement(how string) (store.Settlement, error) {
	if s := store.Settlement(how); s == store.SettleAgain || s == store.SettleArrived {
		return s, nil
	}
	return "", refusedf("say what to do: %s or %s", store.SettleAgain, store.SettleArrived)
}

// inTotal says what an act on many deliveries came to.
func inTotal(a store.Acted, came string, err error) (string, error) {
	if err == nil && a.Done+a.Left == 0 {
		err = refusedf("no delivery is like that")
	}
	if err != nil {
		return "", err
	}
	var why []string
	for _, k := range slices.Sorted(maps.Keys(a.Why)) {
		why = append(why, fmt.Sprintf("%d: %s", a.Why[k], k))
	}
	if a.Done == 0 {
		return "", refusedf("none of %s: %s", mails(a.Left), strings.Join(why, "; "))
	}
	said := fmt.Sprintf("%s %s.", mails(a.Done), came)
	if a.Left > 0 {
		said += fmt.Sprintf(" %s cannot be: %s.", mails(a.Left), strings.Join(why, "; "))
	}
	return said, nil
}

// wait does what may take long, and says so if it does.
func (w roomRuns) wait(issue int64, name string, f func(ctx context.Context, show func(n, of int)) (string, error)) (string, error) {
	said, done, err := w.acts.do(w.jobs, issue, name, w.now(), w.log, f)
	if !done {
		return name + ": this takes a while, and the issue's page shows how far it is.", nil
	}
	return acted(nameOf(issue), said, err)
}

// RetryDelivery meets [room.Runs].
func (w roomRuns) RetryDelivery(ctx context.Context, by operators.By, id int64) (string, error) {
	return acted(fmt.Sprint("delivery ", id), fmt.Sprintf("Delivery %d is queued again.", id), w.db.RetryDelivery(ctx, id, by, w.now()))
}

// SettleDelivery meets [room.Runs].
func (w roomRuns) SettleDelivery(ctx context.Context, by operators.By, id int64, how string) (string, error) {
	s, err := settlement(how)
	if err == nil {
		err = needWhy(by)
	}
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("Delivery %d is marked as arrived.", id)
	if s == store.SettleAgain {
		said = fmt.Sprintf("A further copy of delivery %d is queued.", id)
	}
	return acted(fmt.Sprint("delivery ", id), said, w.db.SettleDelivery(ctx, id, s, by, w.now()))
}

// Halted meets [room.Runs].
func (w roomRuns) Halted(ctx context.Context) (bool, error) {
	holds, err := w.db.Holds(ctx, w.now())
	return slices.ContainsFunc(holds, func(h digest.Hold) bool { return h.Issue == 0 }), err
}

// Standing meets [room.Runs].
func (w roomRuns) Standing(ctx context.Context, issue int64) (*room.Standing, error) {
	i, err := w.db.Issue(ctx, issue)
	if err != nil {
		_, err = acted(nameOf(issue), "", err)
		return nil, err
	}
	counts, err := w.db.IssueCounts(ctx, issue)
	if err != nil {
		return nil, err
	}
	of := func(states ...mailer.State) (n int) {
		for _, s := range states {
			n += counts[string(s)]
		}
		return n
	}
	s := &room.Standing{Issue: issue, Holds: []room.Held{}, Reasons: []room.Reason{}, UnderWay: list(w.acts.of(issue)),
		Open:   of(mailer.Queued, mailer.Sending, mailer.Handed, mailer.Deferred),
		Failed: of(mailer.Failed, mailer.Expired), Cancelled: of(mailer.Cancelled), Uncertain: of(mailer.Uncertain), Alive: !w.now().After(i.Ends)}
	if i.State == digest.Opening {
		s.Open = max(s.Open, 1) // more may come
	}
	holds, err := w.db.HoldsOf(ctx, issue, w.now())
	if err != nil {
		return nil, err
	}
	for _, h := range holds {
		s.Holds = append(s.Holds, heldOf(h))
	}
	stop, err := w.db.StopOf(ctx, issue)
	if err != nil {
		return nil, err
	}
	if stop != nil && !s.Stopping() {
		s.Stopped = &room.Held{Issue: issue, Kind: "stopped", Reason: stop.By.Why, Who: stop.By.Who, Since: stop.At, Words: "the issue was stopped"}
	}
	if s.Alive && s.Failed > 0 {
		view, _, err := issueView(ctx, w.db, &i)
		if err != nil {
			return nil, err
		}
		s.Reasons = w.board.failures(ctx, &i, view.Sum())
	}
	return s, nil
}

// heldOf puts a hold into words.
func heldOf(h digest.Hold) room.Held {
	out := room.Held{Issue: h.Issue, Kind: string(h.Kind), Reason: h.Reason, Who: h.Who, Since: h.At}
	switch {
	case h.Issue == 0 && h.Kind == digest.HoldPaused:
		out.Words, out.Next = "all sending is on hold", "Resume all once what is wrong is mended."
	case h.Issue == 0:
		out.Words, out.Next = "all sending is on hold", "See what is wrong on the first page."
	case h.Kind == digest.HoldPaused:
		out.Words, out.Next = "the issue is paused", "Resume it, or stop it for good."
	case h.Kind == digest.HoldApproval:
		out.Words, out.Next = "the issue waits for somebody to approve it", "Look at it, then approve it or stop it."
	case h.Kind == digest.HoldTripwire:
		out.Words, out.Next = "the issue differs too much from those before it", "Look at it; approve it if it is right, else stop it."
	case h.Kind == digest.HoldStopping:
		out.Words, out.Next = "the issue is being stopped", "Wait: what relays have in hand ends with their answers. If serve does not run, stop it once more."
	default:
		out.Words, out.Next = "the issue is on hold ("+string(h.Kind)+")", "Look at it."
	}
	return out
}

// held says what keeps issues here that should go by now; "" if nothing does.
func (e *engine) held(ctx context.Context, issues []int64) (string, error) {
	var lines []string
	for _, id := range issues {
		i, err := e.db.Issue(ctx, id)
		if err != nil {
			return "", err
		}
		if i.Due.After(e.now()) {
			continue
		}
		holds, err := e.db.HoldsOf(ctx, id, e.now())
		if err != nil {
			return "", err
		}
		left, err := e.db.AnyLeft(ctx, id)
		if err != nil {
			return "", err
		}
		for _, h := range holds {
			if !left && h.Kind != digest.HoldTripwire { // that there is nothing for anybody is strange in itself
				continue
			}
			w := heldOf(h)
			lines = append(lines, fmt.Sprintf("issue %d, %s %s in %s: %s, since %s by %s\n%s", id, i.Edition, i.Slot, i.Zone, w.Line(), h.At.UTC().Format(time.RFC3339), cmp.Or(h.Who, "the program"), w.Next+" "+commandFor(h)))
		}
	}
	return strings.Join(lines, "\n"), nil
}

// commandFor is what an operator types to let a hold go.
func commandFor(h digest.Hold) string {
	switch {
	case h.Issue == 0:
		return "broadsheet issues resume --all"
	case h.Kind == digest.HoldApproval || h.Kind == digest.HoldTripwire:
		return fmt.Sprintf("broadsheet issues approve %d --why REASON", h.Issue)
	case h.Kind == digest.HoldStopping:
		return fmt.Sprintf("broadsheet issues stop %d --why REASON", h.Issue)
	}
	return fmt.Sprintf("broadsheet issues resume %d", h.Issue)
}

// mails counts mails in words.
func mails(n int) string {
	if n == 1 {
		return "1 mail"
	}
	return fmt.Sprintf("%d mails", n)
}

// upper begins a sentence.
func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
