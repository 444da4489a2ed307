package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestRetention drops what is older than it is kept: the books of its issues stay, and so does the latest
// delivery of each reader.
func TestRetention(t *testing.T) {
	storetest.AboutSQLite(t, "on PostgreSQL parts are dropped: TestRetentionOfParts")
	const readers = 220 // more than a transaction drops
	ctx, now := t.Context(), time.Now()
	db := open(t, filepath.Join(t.TempDir(), "b.db"), store.Options{AddressHash: hash})
	manyReaders(t, db, readers, func(int) string { return "reader.example" }, now)
	var issues []digest.Issue
	for n := range 3 {
		issues = append(issues, sendIssue(t, db, now.Add(time.Duration(n)*24*time.Hour)))
	}
	if err := db.Note(ctx, operators.By{Who: "ada"}, "look", "database", "", now); err != nil {
		t.Fatal(err)
	}
	var before []string
	for _, i := range issues {
		counts, err := db.IssueCounts(ctx, i.ID)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, fmt.Sprint(counts))
	}
	count := func(issue int64) (n int) {
		for _, err := range db.Deliveries(ctx, store.DeliveryFilter{Issue: issue}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	keep := store.Retention{Deliveries: 24 * time.Hour, Attempts: 24 * time.Hour, Events: 24 * time.Hour, Audit: 24 * time.Hour}
	for _, c := range []struct {
		after time.Duration
		left  [3]int
	}{
		{12 * time.Hour, [3]int{readers, readers, readers}},
		{31 * time.Hour, [3]int{0, readers, readers}},
		{1000 * time.Hour, [3]int{0, 0, readers}}, // the latest of each
	} {
		for {
			n, err := db.Drop(ctx, keep, now.Add(c.after))
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
		for n, i := range issues {
			if got := count(i.ID); got != c.left[n] {
				t.Errorf("after %s issue %d has %d deliveries, not %d", c.after, i.ID, got, c.left[n])
			}
			if err := db.CheckBooks(ctx, i.ID); err != nil {
				t.Errorf("after %s: %v", c.after, err)
			}
			counts, err := db.IssueCounts(ctx, i.ID)
			if err != nil || fmt.Sprint(counts) != before[n] {
				t.Errorf("after %s the books of issue %d are %v, not %s: %v", c.after, i.ID, counts, before[n], err)
			}
		}
	}
	for e, err := range db.Audit(ctx, store.AuditFilter{}) {
		t.Errorf("the audit log still has %+v, %v", e, err)
	}
	if d, err := db.Dropped(ctx); err != nil || d["deliveries"].Rows != 2*readers || d["audit"].Rows != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if n, err := db.Drop(ctx, store.Retention{}, now.Add(10000*time.Hour)); n != 0 || err != nil {
		t.Errorf("for ever, and %d rows are dropped: %v", n, err)
	}
	// The next issue goes on where the last one ended.
	i := sendIssue(t, db, now.Add(1000*time.Hour))
	if counts, err := db.IssueCounts(ctx, i.ID); err != nil || counts["accepted"] != readers {
		t.Errorf("the next issue's books are %v, %v", counts, err)
	}
}

// TestRetentionOfNotices: notices are dropped when their life is long past, and not before.
func TestRetentionOfNotices(t *testing.T) {
	storetest.AboutSQLite(t, "on PostgreSQL parts are dropped: TestRetentionOfParts")
	o := newOffice(t, 5)
	keep := store.Retention{Deliveries: 24 * time.Hour}
	count := func() (n int) {
		for _, err := range o.Deliveries(t.Context(), store.DeliveryFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	o.note(digest.NoticeConfirm, 1, 11)
	o.note(digest.NoticeLeft, 2, 0)
	o.post()
	before := count()
	if before == 0 {
		t.Fatal("no notice was posted")
	}
	if n, err := o.Drop(t.Context(), keep, o.now.Add(time.Hour)); n != 0 || err != nil || count() != before {
		t.Errorf("an hour later: %d dropped, %v", n, err)
	}
	if n, err := o.Drop(t.Context(), keep, o.now.Add(100*24*time.Hour)); n != before || err != nil || count() != 0 {
		t.Errorf("long after: %d dropped of %d, %v", n, before, err)
	}
}
