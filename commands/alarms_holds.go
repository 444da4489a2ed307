package commands

import (
	"context"
	"fmt"
	"time"

	"broadsheet/digest"
	"broadsheet/web/room"
)

const (
	// uncertainSince is how long uncertain deliveries stay among the alarms that nobody settles.
	uncertainSince = 7 * 24 * time.Hour
	// uncertainShown is how many issues with such have an alarm each.
	uncertainShown = 5
)

// alarms lists what is on hold, and what is uncertain.
func (w roomRuns) alarms(ctx context.Context) (list []room.Alarm, err error) {
	holds, err := w.db.Holds(ctx, w.now())
	if err != nil {
		return nil, err
	}
	for _, h := range holds {
		held := heldOf(h)
		a := room.Alarm{Key: fmt.Sprintf("held %d %s", h.Issue, h.Kind), Level: "red", Since: h.At, Next: held.Next, Do: commandFor(h)}
		what := held.Line()
		if h.Issue == 0 {
			a.Key, a.Link = "held all", "/issues"
		} else {
			i, err := w.db.Issue(ctx, h.Issue)
			if err != nil {
				return nil, err
			}
			what = fmt.Sprintf("%s %s in %s: %s", i.Edition, i.Slot, i.Zone, held.Line())
			if left, err := w.db.AnyLeft(ctx, h.Issue); err != nil || !left && h.Kind == digest.HoldApproval {
				if err != nil {
					return nil, err
				}
				continue // there is nothing to approve
			}
			a.Link = fmt.Sprintf("/issues/%d", h.Issue)
			if i.Due.After(w.now()) || h.Kind == digest.HoldStopping {
				a.Level = "amber" // nobody waits yet
			}
			if h.Kind == digest.HoldStopping {
				a.Key = fmt.Sprintf("stopping %d", h.Issue)
			}
		}
		if h.Who != "" {
			what += ", by " + h.Who
		}
		a.What = upper(what) + "."
		list = append(list, a)
	}
	uncertain, err := w.db.UncertainIssues(ctx, w.now().Add(-uncertainSince))
	if err != nil {
		return nil, err
	}
	for _, c := range uncertain[:min(len(uncertain), uncertainShown)] {
		a := room.Alarm{Key: fmt.Sprintf("uncertain %d", c.Issue), Level: "amber", Link: fmt.Sprintf("/issues/%d", c.Issue),
			What: fmt.Sprintf("%s %s: %s uncertain. A copy left, and no answer came.", upper(c.Edition), c.Slot, mails(c.N)),
			Next: "Look into the relay's log, then mark them as arrived or send a further copy.", Do: fmt.Sprintf("broadsheet issues settle %d --arrived --why REASON", c.Issue)}
		if w.now().After(c.Ends) {
			a.Next = "Look into the relay's log. It is too late for a further copy: mark them as arrived to close the books."
		}
		list = append(list, a)
	}
	return list, nil
}
