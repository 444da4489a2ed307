package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// TestNewsOfNotices: a notice's token knows the minute of its run, of which there may be several.
func TestNewsOfNotices(t *testing.T) {
	o := newOffice(t, 2)
	o.note(digest.NoticeConfirm, 1, 11)
	o.note(digest.NoticeLeft, 1, 0)
	runs := o.post()
	o.now = o.now.Add(time.Second)
	if sent := sendSome(t, o.DB, 1, o.now); len(sent) != 1 {
		t.Fatal(sent)
	}
	var first store.DeliveryRow // whichever left
	for d, err := range o.Deliveries(t.Context(), store.DeliveryFilter{State: mailer.Accepted}) {
		o.must(err)
		first = d
	}
	say := func(c mailer.Class) intake.Taken {
		t.Helper()
		taken, err := o.TakeEvents(t.Context(), []intake.Event{{News: mailer.News{Class: c}, Source: "log", Sure: true,
			Of: intake.Of{Edition: runs[0].EditionID, Wall: runs[0].Wall(), Subscriber: 1}}}, o.now)
		o.must(err)
		return taken[0]
	}
	say(mailer.Arrived)
	states := map[int64]mailer.State{}
	look := func() {
		for d, err := range o.Deliveries(t.Context(), store.DeliveryFilter{Subscriber: 1}) {
			o.must(err)
			states[d.Slot] = d.State
		}
	}
	look()
	for slot, state := range states {
		if want := map[bool]mailer.State{true: mailer.Delivered, false: mailer.Queued}[slot == first.Slot]; state != want {
			t.Errorf("slot %d, sent is %d: %s, want %s", slot, first.Slot, state, want)
		}
	}
	o.now = o.now.Add(time.Second)
	o.send()
	say(mailer.Soft) // of the one that left last
	look()
	for slot, state := range states {
		if want := map[bool]mailer.State{true: mailer.Delivered, false: mailer.Bounced}[slot == first.Slot]; state != want {
			t.Errorf("slot %d, sent first is %d: %s, want %s", slot, first.Slot, state, want)
		}
	}
}

// TestStranger: who gets a mail because a reader mistyped a new address leaves and complains for
// nobody else.
func TestStranger(t *testing.T) {
	d := newDoor(t)
	d.take(d.form("reader@example.org"))
	_, err := d.confirm("reader@example.org")
	d.must(err)
	_, id := d.request("reader@example.org")
	d.now = d.now.Add(time.Hour)
	move := d.form("stranger@example.org")
	move.Subscriber = id
	if n := d.take(move); n != 1 {
		t.Fatalf("%d mails", n)
	}
	post := func() {
		for {
			n, err := d.db.PostNotices(t.Context(), 500, d.now, planNotices)
			d.must(err)
			if n == 0 {
				break
			}
		}
		sendSome(t, d.db, 1000, d.now)
	}
	post()
	say := func(c mailer.Class) string {
		var of intake.Of
		of.Subscriber = id
		for i, err := range d.db.Issues(t.Context(), store.IssueFilter{Edition: digest.NoticeEdition}) { // the latest first
			d.must(err)
			of.Edition, of.Wall = i.EditionID, i.Wall()
			break
		}
		taken, err := d.db.TakeEvents(t.Context(), []intake.Event{{News: mailer.News{Class: c}, Source: "postmark", Sure: true, Of: of}}, d.now)
		d.must(err)
		return taken[0].Effect
	}
	status := func(address string) (subscribers.Status, bool) {
		s, err := d.db.SubscriberByID(t.Context(), id)
		d.must(err)
		barred := false
		for b, err := range d.db.Suppressions(t.Context()) {
			d.must(err)
			barred = barred || b.Address == address
		}
		return s.Status, barred
	}
	if effect := say(mailer.OptedOut); effect != "address barred" {
		t.Errorf("a stranger's opt-out: %s", effect)
	}
	if effect := say(mailer.Complained); effect != "noted, address barred" {
		t.Errorf("a stranger's complaint: %s", effect)
	}
	if _, barred := status("reader@example.org"); barred {
		t.Error("the reader is barred by a stranger")
	}
	if s, barred := status("stranger@example.org"); s != subscribers.Active || !barred {
		t.Errorf("the reader is %s, the stranger barred: %t", s, barred)
	}
	// A notice that goes to the reader's own address is another matter.
	d.now = d.now.Add(48 * time.Hour)
	d.must(d.db.AddNotice(t.Context(), digest.Notice{Kind: digest.NoticeLink, Subscriber: id, SettingsID: int64(d.count(`SELECT settings FROM subscribers WHERE id = ?1`, id))}, d.now))
	post()
	if effect := say(mailer.OptedOut); effect != "left everything" {
		t.Errorf("the reader's opt-out: %s", effect)
	}
	if s, _ := status(""); s != subscribers.Unsubscribed {
		t.Errorf("the reader is %s", s)
	}
}

// TestNewsAfterPutBack: a database that was put back knows by its journal what left, and learns from
// news what became of it.
func TestNewsAfterPutBack(t *testing.T) {
	storetest.AboutSQLite(t, "a file is put back")
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	fill(t, db, 4, now)
	i := begin(t, db, digest.Issue{Edition: "morning", Slot: "2026-04-02", Zone: "UTC", Due: now, Ends: now.Add(6 * time.Hour)}, now)
	plan(t, db, i, now)
	db.Close()
	copyFile(t, path, path+".backup")
	say := func(c mailer.Class, subscriber int64) string {
		taken, err := db.TakeEvents(ctx, []intake.Event{{News: mailer.News{Class: c}, Source: "log", Sure: true,
			Of: intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: subscriber}}}, now)
		if err != nil {
			t.Fatal(err)
		}
		return taken[0].Effect
	}
	db = restart(t, path, now)
	if sent := sendSome(t, db, 3, now); len(sent) != 3 {
		t.Fatal(sent)
	}
	say(mailer.Arrived, 1)
	db.Close()
	copyFile(t, path+".backup", path)
	db = restart(t, path, now)
	for subscriber, c := range map[int64]mailer.Class{1: mailer.Arrived, 2: mailer.Soft} {
		if effect := say(c, subscriber); effect == "" {
			t.Errorf("%s: nothing followed", c)
		}
	}
	db.Close()
	db = restart(t, path, now)
	if sent := sendSome(t, db, 10, now); len(sent) != 1 || sent[0] != 4 {
		t.Errorf("sent to %v, want the reader who had nothing", sent)
	}
	for subscriber, want := range map[int64]mailer.State{1: mailer.Delivered, 2: mailer.Bounced, 3: mailer.Uncertain, 4: mailer.Accepted} {
		d, err := db.Delivery(ctx, store.DeliveryID(i.SlotID, subscriber))
		if err != nil || d.State != want || d.Taken.IsZero() != (want == mailer.Uncertain) {
			t.Errorf("reader %d: %+v, %v", subscriber, d, err)
		}
	}
}
