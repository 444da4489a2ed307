package store_test

import (
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestRetentionOfParts: on PostgreSQL deliveries go a part at a time, once all of its slots are past. The books of
// their issues stay, and so does the latest delivery of each reader; who reads meanwhile only delays it.
func TestRetentionOfParts(t *testing.T) {
	const readers, issues = 5, 70 // the slots of two parts, and some
	dsn, now := storetest.FreshPostgres(t), time.Now()
	db := open(t, dsn, store.Options{AddressHash: hash})
	ctx := t.Context()
	manyReaders(t, db, readers, func(int) string { return "reader.example" }, now)
	all := []digest.Issue{sendIssue(t, db, now)}
	if _, err := db.LeaveAll(ctx, readers, "reader", "", now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < issues; n++ {
		all = append(all, sendIssue(t, db, now.Add(time.Duration(n)*24*time.Hour)))
	}
	count := func(issue int64) (n int) {
		t.Helper()
		for _, err := range db.Deliveries(ctx, store.DeliveryFilter{Issue: issue}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	keep := store.Retention{Deliveries: 24 * time.Hour}
	drop := func(after time.Duration) (rows int) {
		t.Helper()
		for {
			n, err := db.Drop(ctx, keep, now.Add(after))
			if err != nil {
				t.Fatal(err)
			}
			if rows += n; n == 0 {
				return rows
			}
		}
	}
	if n := drop(20 * 24 * time.Hour); n != 0 {
		t.Errorf("%d deliveries of a part are dropped whose slots are not all past", n)
	}
	release, err := db.ReadFor(ctx, "deliveries")
	if err != nil {
		t.Fatal(err)
	}
	if n := drop(100 * 24 * time.Hour); n != 0 {
		t.Errorf("%d deliveries are dropped while somebody reads them", n)
	}
	release()
	if n, want := drop(100*24*time.Hour), readers-1+62*(readers-1); n != want {
		t.Errorf("%d deliveries are dropped, not %d", n, want)
	}
	for n, i := range all {
		want := readers - 1
		switch {
		case n == 0:
			want = 1 // of the reader who left
		case n < 63: // slots 1 to 63 are in the first two parts
			want = 0
		}
		if got := count(i.ID); got != want {
			t.Errorf("issue %d has %d deliveries, not %d", n, got, want)
		}
		if err := db.CheckBooks(ctx, i.ID); err != nil {
			t.Error(err)
		}
	}
	parts, err := db.Texts(ctx, `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'deliveries'::regclass ORDER BY 1`)
	if err != nil || len(parts) != 2 || parts[0] != "deliveries_2" || parts[1] != "deliveries_kept" {
		t.Errorf("parts are %q, %v", parts, err)
	}
	if digests, err := db.Texts(ctx, `SELECT count(*)::text FROM digests`); err != nil || digests[0] != "8" { // of seven slots, and the one that is kept
		t.Errorf("%s digests are left, %v", digests, err)
	}
	// The next issue goes on where the last one ended.
	i := sendIssue(t, db, now.Add(issues*24*time.Hour))
	if counts, err := db.IssueCounts(ctx, i.ID); err != nil || counts["accepted"] != readers-1 {
		t.Errorf("the next issue's books are %v, %v", counts, err)
	}
}
