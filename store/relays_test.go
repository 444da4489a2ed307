package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
)

// routed writes the deliveries of an issue of n readers by routes, in chunks of 100. With crash
// every other chunk fails once after it was planned.
func routed(t *testing.T, db *store.DB, i *digest.Issue, routes *digest.Routes, now time.Time, crash bool) {
	t.Helper()
	errCrash := errors.New("crash")
	d := &digest.Digest{Key: "k", Pieces: []digest.Piece{{Fragment: &digest.Fragment{Body: []byte("text\r\n")}}}}
	tries := 0
	for done := false; !done; {
		tries++
		var err error
		done, err = db.WriteChunk(t.Context(), i, digest.Audience{}, 100, now, func(c digest.Chunk) (list []digest.Planned, err error) {
			day, assigned, err := c.Assigned(t.Context())
			if err != nil {
				return nil, err
			}
			give := routes.Day(day, assigned)
			for _, r := range c.Readers() {
				p := digest.Planned{Subscriber: r.Subscriber, SettingsID: r.SettingsID, Digest: d, State: "queued", WindowEnd: 1}
				p.Relay, _ = give.Assign(r.Subscriber, r.Address)
				list = append(list, p)
			}
			if crash && tries%2 == 0 {
				return nil, errCrash
			}
			return list, nil
		})
		if err != nil && !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
	}
	if err := db.FinishIssue(t.Context(), i, 0, now); err != nil {
		t.Fatal(err)
	}
}

// waiting leases everything that is due for a relay and says how many mails that are.
func waiting(t *testing.T, db *store.DB, relay string, now time.Time) (n int) {
	t.Helper()
	for {
		b, err := db.Lease(t.Context(), relay, "w", now)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			return n
		}
		n += len(b.Deliveries)
	}
}

// TestAssigned: what a relay was assigned on a day is counted over issues, and a chunk that is
// not written counts for nothing.
func TestAssigned(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 12, 2, 9, 0, 0, 0, time.UTC)
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash})
	warm := schedule.WarmUp{From: now.Truncate(24 * time.Hour), First: 150, Growth: 2}
	routes := digest.NewRoutes([]schedule.Relay{{Name: "old", Weight: 1}, {Name: "new", Weight: 1, WarmUp: warm}})
	i := fill(t, db, 1000, now)
	routed(t, db, &i, routes, now, true)
	check := func(at time.Time, old, fresh int) {
		t.Helper()
		got, err := db.Assigned(ctx, digest.UTCDay(at))
		if err != nil || got["old"] != old || got["new"] != fresh {
			t.Errorf("assigned %v, %v, want %d and %d", got, err, old, fresh)
		}
	}
	check(now, 850, 150)
	if n := waiting(t, db, "new", now); n != 150 {
		t.Errorf("%d mails are due for the new relay", n)
	}
	// A second issue of the day finds the cap reached; one for tomorrow has tomorrow's.
	for slot, due := range map[string]time.Time{"2": now.Add(time.Hour), "3": now.Add(20 * time.Hour)} {
		next, err := db.BeginIssue(ctx, digest.Issue{Edition: "morning", Slot: slot, Zone: "UTC", Due: due, Ends: due.Add(time.Hour)}, now)
		if err != nil {
			t.Fatal(err)
		}
		routed(t, db, &next, routes, now, false)
	}
	check(now, 1850, 150)
	check(now.Add(24*time.Hour), 700, 300)
}

// TestReassign: mail of a relay that is gone goes where its readers' mail goes now, what a sender
// has in hand stays with it, and what no relay takes has failed.
func TestReassign(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	clock := now
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash, Now: func() time.Time { return clock }})
	i := fill(t, db, 1200, now)
	plan(t, db, &i, now) // three batches for main
	b, err := db.Lease(ctx, "main", "w", now)
	if err != nil || b == nil {
		t.Fatal(b, err)
	}
	held := len(b.Deliveries)
	two := digest.NewRoutes([]schedule.Relay{{Name: "east", Weight: 1}, {Name: "west", Weight: 3}})
	moved, err := db.Reassign(ctx, two, now)
	if err != nil || moved["east"]+moved["west"] != 1200-held || moved["west"] < moved["east"]*2 || moved["east"] == 0 {
		t.Fatalf("moved %v, %v, with %d in hand", moved, err, held)
	}
	if again, err := db.Reassign(ctx, two, now); err != nil || len(again) > 0 {
		t.Errorf("once more: %v, %v", again, err)
	}
	if err := db.Release(ctx, b, now); err != nil {
		t.Fatal(err)
	}
	rest, err := db.Reassign(ctx, two, now)
	if err != nil || rest["east"]+rest["west"] != held {
		t.Errorf("moved %v, %v when it was free", rest, err)
	}
	assigned, err := db.Assigned(ctx, digest.UTCDay(now))
	if east, west := waiting(t, db, "east", now), waiting(t, db, "west", now); err != nil || east != moved["east"]+rest["east"] ||
		west != moved["west"]+rest["west"] || assigned["east"] != east || assigned["west"] != west || waiting(t, db, "main", now) > 0 {
		t.Errorf("%d and %d are due, assigned %v, %v", east, west, assigned, err)
	}
	clock = clock.Add(time.Hour) // who has it in hand says nothing more
	if _, err := db.Recover(ctx, now); err != nil {
		t.Fatal(err)
	}
	if moved, err := db.Reassign(ctx, digest.NewRoutes([]schedule.Relay{{Name: "bank", Weight: 1, Domains: []string{"bank.example"}}}), now); err != nil || len(moved) > 0 {
		t.Errorf("moved %v, %v", moved, err)
	}
	counts, err := db.IssueCounts(ctx, i.ID)
	if err != nil || counts["failed"] != 1200 || len(counts) != 1 {
		t.Errorf("counts %v, %v", counts, err)
	}
	if open, err := db.UnfinishedIssues(ctx, "morning"); err != nil || len(open) > 0 {
		t.Errorf("unfinished %v, %v", open, err)
	}
}

// TestReassignHalfOpen moves the first batches of an issue that is being opened: they are not due
// before it is.
func TestReassignHalfOpen(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash})
	i := fill(t, db, 100, now)
	d := &digest.Digest{Key: "k", Pieces: []digest.Piece{{Fragment: &digest.Fragment{Body: []byte("text\r\n")}}}}
	if _, err := db.WriteChunk(ctx, &i, digest.Audience{}, 50, now, func(c digest.Chunk) (list []digest.Planned, err error) {
		for _, r := range c.Readers() {
			list = append(list, digest.Planned{Subscriber: r.Subscriber, SettingsID: r.SettingsID, Digest: d, State: "queued", Relay: "gone"})
		}
		return list, nil
	}); err != nil {
		t.Fatal(err)
	}
	routes := digest.NewRoutes([]schedule.Relay{{Name: "east", Weight: 1}, {Name: "west", Weight: 1}})
	if moved, err := db.Reassign(ctx, routes, now); err != nil || moved["east"]+moved["west"] != 50 {
		t.Fatal(moved, err)
	}
	if n := waiting(t, db, "east", now) + waiting(t, db, "west", now); n > 0 {
		t.Errorf("%d mails are due of an issue that is not open", n)
	}
	routed(t, db, &i, routes, now, false)
	if n := waiting(t, db, "east", now) + waiting(t, db, "west", now); n != 100 {
		t.Errorf("%d mails are due", n)
	}
}

// TestLoads counts what is to go: exactly in few batches, nearly in many.
func TestLoads(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	ctx, now := t.Context(), time.Now()
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash})
	domains := mailer.NewDomains([]mailer.DomainGroup{{DomainLimit: mailer.DomainLimit{Name: "org", Rate: 1}, Domains: []string{"example.org"}}})
	i := fill(t, db, 6000, now)
	for n := range 2 { // each chunk of 500 has a batch for each relay
		routes := digest.NewRoutes([]schedule.Relay{{Name: fmt.Sprint("one", n), Weight: 1}, {Name: "two", Weight: 1}})
		if n == 1 {
			var err error
			if i, err = db.BeginIssue(ctx, digest.Issue{Edition: "morning", Slot: "2", Zone: "UTC", Due: now, Ends: now.Add(time.Hour)}, now); err != nil {
				t.Fatal(err)
			}
		}
		routed(t, db, &i, routes, now, false)
	}
	loads, err := db.Loads(ctx, i.EditionID, domains)
	if err != nil || len(loads) != 2 { // the first issue is superseded
		t.Fatalf("%d loads, %v", len(loads), err)
	}
	sum := 0
	for _, l := range loads {
		sum += l.Mails
		if l.Issue.ID != i.ID || l.Groups[domains.Group("a@example.org")] != l.Mails {
			t.Errorf("load %+v", l)
		}
	}
	if sum != 6000 {
		t.Errorf("%d mails", sum)
	}
	// Some have gone.
	for range 10 {
		b, err := db.Lease(ctx, "two", "w", now)
		if err != nil {
			t.Fatal(err)
		}
		marks := make([]mailer.Mark, 0, 3*len(b.Deliveries))
		for k := range b.Deliveries[:len(b.Deliveries)/2] {
			d := &b.Deliveries[k]
			marks = append(marks, mailer.Mark{Step: mailer.Intend, Batch: b, Delivery: d}, mailer.Mark{Step: mailer.Hand, Batch: b, Delivery: d},
				mailer.Mark{Step: mailer.Settle, Batch: b, Delivery: d, Outcome: mailer.Outcome{State: mailer.Accepted, Copies: 1, Charged: true}})
		}
		if err := db.Commit(ctx, marks, now); err != nil {
			t.Fatal(err)
		}
	}
	after, err := db.Loads(ctx, 0, domains)
	if err != nil || len(after) != 2 {
		t.Fatalf("%d loads, %v", len(after), err)
	}
	left := 0
	for _, l := range after {
		if l.Relay == "two" {
			counts, err := db.IssueCounts(ctx, i.ID)
			if err != nil {
				t.Fatal(err)
			}
			left = counts["queued"] - (sum - loads[1].Mails)
			if l.Mails < left*9/10 || l.Mails > left*11/10 {
				t.Errorf("about %d mails, and there are %d", l.Mails, left)
			}
		}
	}
	if left == 0 || left == loads[1].Mails {
		t.Errorf("%d are left", left)
	}
}
