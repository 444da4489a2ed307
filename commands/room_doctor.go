package commands

import (
	"context"
	"fmt"
	"sync"
	"time"

	"broadsheet/doctor"
	"broadsheet/operators"
	"broadsheet/web/room"
)

// roomDoctor meets [room.Doctor].
type roomDoctor struct{ *engine }

// examined is the last examination since the program began.
type examined struct {
	mu       sync.Mutex
	at       time.Time
	found    []doctor.Finding
	underWay bool
}

// Examined meets [room.Doctor].
func (w roomDoctor) Examined(context.Context) (*room.Examination, error) {
	x := w.health
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at.IsZero() && !x.underWay {
		return nil, nil
	}
	return &room.Examination{At: x.at, UnderWay: x.underWay, Findings: findings(x.found)}, nil
}

func findings(list []doctor.Finding) []room.Finding {
	out := []room.Finding{}
	for _, f := range list {
		out = append(out, room.Finding{Name: f.Name, Level: string(f.Level), Seen: f.Seen, Fix: f.Fix})
	}
	return out
}

// Examine meets [room.Doctor].
func (w roomDoctor) Examine(ctx context.Context, by operators.By) (string, error) {
	x := w.health
	x.mu.Lock()
	if x.underWay {
		x.mu.Unlock()
		return "An examination is under way.", nil
	}
	x.underWay = true
	x.mu.Unlock()
	// It logs in to relays and the mailbox. A disk that is full keeps nobody from finding out.
	w.complain(ctx, "write audit log", w.db.Note(ctx, by, "doctor", "installation", "", w.now()))
	ended := make(chan struct{})
	w.jobs.begin(func(ctx context.Context) {
		defer close(ended)
		found := doctor.Run(ctx, w.checks(false))
		x.mu.Lock()
		defer x.mu.Unlock()
		x.at, x.found, x.underWay = w.now(), found, false
	})
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	select {
	case <-ended:
		return "Examined.", nil
	case <-timer.C:
		return "The examination is under way: this page shows it when it is done.", nil
	}
}

// alarms lists what the last examination found that harms mail.
func (w roomDoctor) alarms(context.Context) (list []room.Alarm, err error) {
	x := w.health
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.found {
		if f.Level == doctor.Red {
			list = append(list, room.Alarm{Key: "doctor " + f.Name, Level: amber, Since: x.at, What: fmt.Sprintf("The doctor found of %s: %s.", f.Name, f.Seen),
				Next: f.Fix, Link: "/doctor", Do: "broadsheet doctor"})
		}
	}
	return list, nil
}
