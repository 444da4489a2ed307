package store_test

import (
	"testing"

	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// TestComplaintPutBack: who complained stays barred in a backup put back, as does who left after that;
// and whom an operator has let back does so there too, once the lift is on record.
func TestComplaintPutBack(t *testing.T) {
	g := newGone(t, 4)
	late := subscribers.NewSettings("late@example.org")
	late.Status, late.Editions = subscribers.Active, []string{"morning"}
	s, err := g.AddSubscriber(t.Context(), late, "reader", g.now) // the backup does not know them
	g.must(err)
	complain := func(id int64) {
		t.Helper()
		taken, err := g.TakeEvents(t.Context(), []intake.Event{{News: mailer.News{Class: mailer.Complained}, Of: intake.Of{Edition: 1, Wall: 1, Subscriber: id}, Sure: true}}, g.now)
		if err != nil || taken[0].Effect != "address barred" {
			t.Fatal(taken, err)
		}
	}
	complain(1)
	complain(2)
	g.leaveAll(2)
	undone := g.leaveAll(3)
	_, err = g.Undo(t.Context(), 3, undone.Row, false, g.now)
	g.must(err)
	complain(3)
	complain(s.ID)
	g.putBack()
	reasons := func() string {
		list := ""
		for id := range int64(4) {
			s, err := g.SubscriberByID(t.Context(), id+1)
			g.must(err)
			if list += string(s.Status); s.Suppressed != nil {
				list += ":" + s.Suppressed.Reason
			}
			list += " "
		}
		return list
	}
	if got := reasons(); got != "active:complaint unsubscribed:complaint active:complaint active " {
		t.Errorf("put back: %s", got)
	}
	if again, err := g.AddSubscriber(t.Context(), late, "reader", g.now); err != nil || again.Suppressed == nil || again.Suppressed.Reason != "complaint" {
		t.Errorf("one whom the backup did not know: %+v, %v", again, err)
	}
	g.now = g.now.Add(1e9)
	if lifted, err := g.LiftSuppression(t.Context(), "0@example.org", subscribers.ByOperator, "wrote a letter", g.now); !lifted || err != nil {
		t.Fatal(lifted, err)
	}
	g.must(g.Close())
	g.reopen()
	if got := reasons(); got != "active unsubscribed:complaint active:complaint active " {
		t.Errorf("opened again after a lift: %s", got)
	}
}
