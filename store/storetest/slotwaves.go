package storetest

import (
	"fmt"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// testWaveOfZones: an edition in its readers' zones has many issues in a slot, with a few readers of a
// domain in each. That one in three is said not to be there is a wave all the same, by whatever issue
// it is named.
func testWaveOfZones(t *testing.T, w *world) {
	zones := []string{"Asia/Tokyo", "Asia/Dubai", "Europe/London", "America/New_York", "America/Los_Angeles"}
	w.tell("world", 1)
	var issues []digest.Issue
	var all, bad []int64
	for n, zone := range zones {
		var some []int64
		for k := range 3 {
			s := settings(0)
			s.Address = fmt.Sprintf("z%dr%d@wave.example", n, k)
			_, err := w.db.ImportRows(t.Context(), []subscribers.Row{{Settings: s, Given: subscribers.FieldStatus | subscribers.FieldSections | subscribers.FieldEditions}}, w.now())
			w.must(err)
			r, err := w.db.Subscriber(t.Context(), s.Address)
			w.must(err)
			some = append(some, r.ID)
		}
		i := w.issue("morning", "2026-04-02")
		i.Zone = zone
		i, err := w.write(w.db, i, 50)
		w.must(err)
		if n%2 == 0 { // refused at RCPT, or returned
			w.sendAll(refusing(some[:1]))
		} else {
			w.sendAll(accepted)
			w.bounces(i, mailer.Hard, some[0])
		}
		issues, all, bad = append(issues, i), append(all, some...), append(bad, some[0])
		w.pass(2 * time.Hour)
	}
	if issues[0].SlotID != issues[4].SlotID || issues[0].ID == issues[4].ID {
		t.Fatalf("issues %+v", issues)
	}
	if n := w.barredOf(all); n != 0 {
		t.Errorf("%d are barred", n)
	}
	if got := fmt.Sprint(w.waves(true)); got != "[wave.example held 5/9]" { // of the nine that had left at the third mark
		t.Errorf("waves %s", got)
	}
	end, err := w.db.ApplyWave(t.Context(), operators.By{Who: "ann"}, issues[1].ID, "wave.example", w.now())
	if err != nil || end.Marks != 5 || end.Addresses != 5 || w.barredOf(bad) != 5 {
		t.Errorf("apply: %+v, %v", end, err)
	}
	if end, err = w.db.UndoWave(t.Context(), operators.By{Who: "ann"}, issues[4].ID, "wave.example", w.now()); err != nil || end.Addresses != 5 {
		t.Errorf("undo: %+v, %v", end, err)
	}
}

// testSizeOfWave: few marks of a large domain do not have all its mails counted, and what is a wave in
// the end is found all the same.
func testSizeOfWave(t *testing.T, w *world) {
	ids := w.readersAt("large.example", 400)
	i := w.day(accepted)
	w.bounces(i, mailer.Hard, ids[:39]...)
	if n := w.barredOf(ids); n != 39 || len(w.waves(true)) != 0 {
		t.Errorf("%d of 39 in 400 are barred, waves %q", n, w.waves(true))
	}
	w.bounces(i, mailer.Hard, ids[39])
	if got := fmt.Sprint(w.waves(true)); w.barredOf(ids) != 0 || got != "[large.example held 40/400]" {
		t.Errorf("%d of 40 in 400 are barred, waves %s", w.barredOf(ids), got)
	}
	// Those that are taken back count among all of them.
	j := w.lateDay()
	w.bounces(j, mailer.Hard, ids[40:44]...)
	_, err := w.db.UndoWave(t.Context(), operators.By{Who: "ann"}, j.ID, "large.example", w.now())
	if got := w.waves(false); err != nil || got[0] != "large.example undone 4/400" {
		t.Errorf("waves %q, %v", got, err)
	}
}

// testRetriedWave: a delivery that is tried once more counts once in its wave, and what its mark barred
// can still be taken back.
func testRetriedWave(t *testing.T, w *world) {
	ids := w.readersAt("wave.example", 20)
	i := w.day(refusing(ids[:2]))
	w.must(w.db.RetryDelivery(t.Context(), store.DeliveryID(i.SlotID, ids[0]), "", w.now()))
	w.sendAll(accepted)
	if end, err := w.db.UndoWave(t.Context(), operators.By{Who: "ann"}, i.ID, "wave.example", w.now()); err != nil || end.Addresses != 2 || w.barredOf(ids) != 0 {
		t.Errorf("undo: %+v, %v, and %d are barred", end, err, w.barredOf(ids))
	}
	other := w.readersAt("other.example", 20)
	w.pass(25 * time.Hour)
	j := w.day(refusing(other[:3]))
	w.must(w.db.RetryDelivery(t.Context(), store.DeliveryID(j.SlotID, other[0]), "", w.now()))
	w.sendAll(refusing(other[:1]))
	if got := w.waves(true); len(got) != 1 || got[0] != "other.example held 3/20" {
		t.Errorf("waves %q", got)
	}
}
