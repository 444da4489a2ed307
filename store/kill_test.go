package store_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestKilledSender kills a sending process with -9 again and again. The file `taken` plays the
// relay: a line in it is a message whose last byte left.
func TestKilledSender(t *testing.T) {
	if dir := os.Getenv("BROADSHEET_TEST_SENDER"); dir != "" {
		killedSender(t, dir, os.Getenv("BROADSHEET_TEST_DSN"), os.Getenv("BROADSHEET_TEST_AHEAD"))
		return
	}
	const readers, kills = 400, 12
	dir := t.TempDir()
	path := filepath.Join(dir, "b.db")
	db := open(t, path, store.Options{AddressHash: hash})
	now := time.Now()
	i := fill(t, db, readers, now)
	plan(t, db, &i, now)
	for n := range kills + 2 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledSender$")
		child.Env = append(os.Environ(), "BROADSHEET_TEST_SENDER="+dir, "BROADSHEET_TEST_DSN="+storetest.Fresh(t, path), fmt.Sprintf("BROADSHEET_TEST_AHEAD=%dm", 20*n))
		var out bytes.Buffer
		child.Stdout, child.Stderr = &out, &out
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if n < kills {
			before := len(taken(t, dir))
			for until := time.Now().Add(30 * time.Second); len(taken(t, dir)) < before+5+n; { // somewhere in its work
				if time.Now().After(until) {
					t.Fatalf("sender %d does nothing", n)
				}
				runtime.Gosched()
			}
			_ = child.Process.Kill()
			_ = child.Wait()
		} else if err := child.Wait(); err != nil {
			t.Fatalf("last sender: %v\n%s", err, out.String())
		}
		if err := db.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	copies := make(map[int64]int)
	for _, id := range taken(t, dir) {
		copies[id]++
	}
	counts, err := db.IssueCounts(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	extra := 0
	for id, n := range copies {
		if extra += n - 1; n > 2 {
			t.Errorf("reader %d got %d copies", id, n)
		}
	}
	if len(copies) != readers || extra > kills || counts["accepted"]+counts["uncertain"] != readers {
		t.Errorf("%d readers got mail, %d extra copies after %d kills, %v", len(copies), extra, kills, counts)
	}
}

func taken(t *testing.T, dir string) (ids []int64) {
	b, err := os.ReadFile(filepath.Join(dir, "taken"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		id, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
		if err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// killedSender sends at a time that is ahead: where nobody knows that the one before is dead, its lease has ended by
// then, and what it handed may go again.
func killedSender(t *testing.T, dir, dsn, ahead string) {
	d, err := time.ParseDuration(ahead)
	if err != nil {
		t.Fatal(err)
	}
	ctx, now := t.Context(), time.Now().Add(time.Minute+d)
	db := open(t, dsn, store.Options{AddressHash: hash, Now: func() time.Time { return time.Now().Add(d) }})
	relay, err := os.OpenFile(filepath.Join(dir, "taken"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	unlock, err := db.LockSender(ctx, true)
	must(err)
	defer unlock()
	_, err = db.Recover(ctx, now)
	must(err)
	for {
		b, err := db.Lease(ctx, "main", "w", now)
		must(err)
		if b == nil {
			return
		}
		for k := range b.Deliveries {
			d := &b.Deliveries[k]
			must(storetest.Intend(ctx, db, b, d, "k", now))
			must(storetest.Hand(ctx, db, b, d, now))
			_, err := fmt.Fprintln(relay, d.Subscriber)
			must(err)
			must(storetest.Settle(ctx, db, b, d, mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: d.Copies, Reply: mailer.Reply{Code: 250}}, now))
		}
		must(db.Release(ctx, b, now))
	}
}
