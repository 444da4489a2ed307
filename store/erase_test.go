package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// sealed is a hash from which nobody reads the address.
func sealed(folded string) subscribers.Hash {
	sum := sha256.Sum256([]byte("key " + folded))
	return subscribers.Hash(sum[:16])
}

// found lists the files beside a database in which a text stands, in any case of letters; on PostgreSQL the rows.
func found(t *testing.T, path, text string) (files []string) {
	t.Helper()
	if storetest.OnPostgres() {
		return slices.DeleteFunc(storetest.Dump(t, path), func(row string) bool { return !strings.Contains(strings.ToLower(row), strings.ToLower(text)) })
	}
	list, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range list {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(bytes.ToLower(b), []byte(strings.ToLower(text))) {
			files = append(files, filepath.Base(file))
		}
	}
	return files
}

// TestErase erases readers among many, whose rows have been moved about by many changes, and looks
// for them in all files.
func TestErase(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	ctx, now := t.Context(), time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 3))
	t.Logf("seed %d", seed)
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: sealed})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := db.AddStories(ctx, story(1), now)
	must(err)
	const readers = 600
	address := func(id int64, generation int) string {
		return fmt.Sprintf("Zebra.%dg%d.q%s@reader.example", id, generation, strings.Repeat("z", int(id%37)))
	}
	var ids []int64
	var rows []subscribers.Row
	for n := range readers {
		id := int64(n + 1)
		s := subscribers.NewSettings(address(id, 0))
		s.Status, s.Editions, s.Name, s.ConsentSource = subscribers.Active, []string{"morning"}, fmt.Sprintf("Quagga %d the first", id), fmt.Sprintf("form of okapi %d.", id)
		s.Sections = []subscribers.Follow{{Section: "world", Level: subscribers.Normal}}
		rows = append(rows, subscribers.Row{Line: n + 2, Settings: s, Given: ^subscribers.Fields(0)})
		ids = append(ids, id)
	}
	_, err = db.ImportRows(ctx, rows, now)
	must(err)
	for range readers {
		id := ids[rnd.IntN(len(ids))]
		_, err := db.EditReader(ctx, id, subscribers.Edit{By: "reader", Notice: digest.NoticeChanged, Do: func(s *subscribers.Settings) error {
			if rnd.IntN(3) == 0 {
				s.Address = address(id, 1+rnd.IntN(100))
			}
			s.Name = fmt.Sprintf("Quagga %d the x%s", id, strings.Repeat("x", rnd.IntN(100)))
			return nil
		}}, now)
		must(err)
	}
	i, err := db.BeginIssue(ctx, digest.Issue{Edition: "morning", Slot: "2026-04-02", Zone: "UTC", Due: now, Next: now.Add(24 * time.Hour), Ends: now.Add(6 * time.Hour)}, now)
	must(err)
	plan(t, db, &i, now)
	b, err := db.Lease(ctx, "main", "w", now)
	must(err)
	// The first are handed, accepted, deferred with the relay's words and on their connections; the others wait.
	for n := range 3 {
		d := &b.Deliveries[n]
		must(storetest.Intend(ctx, db, b, d, "k", now))
		must(storetest.Hand(ctx, db, b, d, now))
		o := mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: 1, Relay: "main", Reply: mailer.Reply{Code: 250, Text: "Ok"}}
		if n == 2 {
			o = mailer.Outcome{State: mailer.Deferred, Reason: "recipient: " + d.Address, Due: now.Add(time.Minute), Charged: true, Relay: "main",
				Reply: mailer.Reply{Code: 450, Text: "<" + strings.ToUpper(d.Address) + ">: try again"}}
		}
		if n > 0 {
			must(storetest.Settle(ctx, db, b, d, o, now))
		}
	}
	must(storetest.Intend(ctx, db, b, &b.Deliveries[3], "k", now))
	must(backFrom(db, &i, ids[:9], now))
	_, err = db.Suppress(ctx, subscribers.Suppression{Address: b.Deliveries[4].Address, Reason: "complaint", Note: "Quagga 5 the writer of letters"}, now)
	must(err)
	_, err = db.LeaveAll(ctx, ids[5], "reader", digest.NoticeLeft, now)
	must(err)
	must(db.SetPrivateFeed(ctx, ids[6], 77))
	_, err = db.EditReader(ctx, ids[7], subscribers.Edit{By: "reader", Do: func(s *subscribers.Settings) error { s.Pause(now.Add(time.Hour)); return nil }}, now)
	must(err)
	last := int64(readers) // has the highest numbers of all
	gone := []int64{1, 2, 3, 4, 5, 6, 7, 8, last}
	for range 15 {
		gone = append(gone, 10+rnd.Int64N(readers-20))
	}
	erased := make(map[int64]string)
	for _, id := range gone {
		if erased[id] != "" {
			continue
		}
		s, err := db.SubscriberByID(ctx, id)
		must(err)
		erased[id] = s.Address
		must(db.Erase(ctx, id, now))
	}
	raw := storetest.Raw(t, path)
	for id, address := range erased {
		for _, text := range []string{fmt.Sprintf("Zebra.%dg", id), fmt.Sprintf("Quagga %d the", id), fmt.Sprintf("okapi %d.", id)} {
			if files := found(t, path, text); len(files) > 0 {
				t.Errorf("%q stands in %v", text, files)
			}
		}
		if _, err := db.SubscriberByID(ctx, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("reader %d: %v", id, err)
		}
		for _, table := range []string{"settings", "followers", "pauses", "private_feeds", "notices", "requests", "consents"} {
			var n int
			if must(raw.QueryRow(`SELECT count(*) FROM `+table+` WHERE subscriber = ?1`, id).Scan(&n)); n > 0 {
				t.Errorf("%d rows of reader %d in %s", n, id, table)
			}
		}
		if err := db.Erase(ctx, id, now); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("erased twice: %v", err)
		}
		// An import of an old list brings nobody back.
		row := subscribers.Row{Line: 2, Given: subscribers.FieldStatus, Settings: subscribers.NewSettings(address)}
		row.Settings.Status = subscribers.Active
		if n, err := db.ImportRows(ctx, []subscribers.Row{row}, now); err != nil || n.Erased != 1 || n.New != 0 {
			t.Errorf("imported %+v: %v", n, err)
		}
		if _, err := db.Subscriber(ctx, address); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("reader %d is back: %v", id, err)
		}
		other := subscribers.NewSettings(fmt.Sprintf("okapi%d@reader.example", id))
		s, err := db.AddSubscriber(ctx, other, "command", now)
		must(err)
		if s.ID <= last {
			t.Errorf("the number %d is given again", s.ID)
		}
		want := "erased"
		if id == 5 {
			want = "complaint"
		}
		barred := false
		for s, err := range db.Suppressions(ctx) {
			must(err)
			if s.Hash == sealed(subscribers.Fold(address)) {
				barred = s.Reason == want && s.Address == "" && s.Note == ""
			}
		}
		if !barred {
			t.Errorf("reader %d is not barred for %s by the hash alone", id, want)
		}
	}
	if files := found(t, path, fmt.Sprintf("Zebra.%dg", 9)); len(files) == 0 {
		t.Error("the test does not find who is there")
	}
	// The books balance, and what is still in doubt comes to its end.
	must(storetest.Settle(ctx, db, b, &b.Deliveries[0], mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: 1, Relay: "main"}, now))
	if err := storetest.Hand(ctx, db, b, &b.Deliveries[3], now); !errors.Is(err, mailer.ErrLost) {
		t.Errorf("a mail to who is erased leaves: %v", err)
	}
	counts, err := db.IssueCounts(ctx, i.ID)
	must(err)
	i, err = db.Issue(ctx, i.ID)
	must(err)
	sum, listed := 0, 0
	for _, n := range counts {
		sum += n
	}
	for d, err := range db.Deliveries(ctx, store.DeliveryFilter{Issue: i.ID}) {
		must(err)
		listed++
		was, is := erased[d.Subscriber], d.Address
		want := mailer.Suppressed
		switch d.Subscriber {
		case 1:
			want = mailer.Accepted
		case 2:
			want = mailer.Bounced
		}
		if was != "" && (is != "" || d.State != want) || was == "" && is == "" {
			t.Errorf("delivery of %d to %q is %s (%s)", d.Subscriber, is, d.State, d.Reason)
		}
	}
	if sum != i.Audience || listed != i.Audience {
		t.Errorf("audience %d, states %d, listed %d", i.Audience, sum, listed)
	}
	followed, err := db.FollowedSections(ctx)
	must(err)
	if want := readers - len(erased); followed["world"] != want {
		t.Errorf("%d follow, want %d", followed["world"], want)
	}
}

// TestScrubWaits: somebody who reads for long keeps the file of changes as it is, and no longer.
func TestScrubWaits(t *testing.T) {
	storetest.AboutSQLite(t, "its file of changes")
	ctx, now := t.Context(), time.Now()
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: sealed})
	r, err := db.AddSubscriber(ctx, subscribers.NewSettings("zebra@reader.example"), "command", now)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	reader, err := raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reader.QueryRow(`SELECT count(*) FROM subscribers`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if err := db.Erase(ctx, r.ID, now); err != nil {
		t.Fatal(err)
	}
	if err := db.Scrub(ctx); !errors.Is(err, store.ErrBusy) {
		t.Fatalf("while somebody reads: %v", err)
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := db.Scrub(ctx); err != nil {
		t.Fatal(err)
	}
	if files := found(t, path, "zebra@"); len(files) > 0 {
		t.Errorf("it stands in %v", files)
	}
}

// backFrom has mail come back that names readers in every way: reports of their mails, their own
// letters, and messages of nobody knows whose mail.
func backFrom(db *store.DB, i *digest.Issue, ids []int64, now time.Time) error {
	var entries []intake.Entry
	for n, id := range ids {
		s, err := db.SubscriberByID(context.Background(), id)
		if err != nil {
			return err
		}
		of := intake.Of{Edition: i.EditionID, Wall: i.Wall(), Subscriber: id}
		news := mailer.News{Class: mailer.Soft, Recipient: s.Address, Code: 552, Status: "5.2.2", Text: "<" + s.Address + "> is full, see http://x.example/?who=" + strings.Replace(s.Address, "@", "%40", 1)}
		raw := []byte("To: " + strings.ToUpper(s.Address) + "\r\n\r\nof okapi\r\n")
		entries = append(entries,
			intake.Entry{Hash: [32]byte{1, byte(n)}, To: s.Address, From: "mailer-daemon@mx.example.org", Subject: "no " + s.Address, Class: mailer.Soft, Of: of, Raw: raw,
				Events: []intake.Event{{News: news, Of: of, Sure: true}}},
			intake.Entry{Hash: [32]byte{2, byte(n)}, From: s.Address, Subject: s.Name, Class: mailer.Answer, Of: intake.Of{Subscriber: id}, Raw: raw, Forward: true, Task: "leave"},
			intake.Entry{Hash: [32]byte{3, byte(n)}, From: s.Address, Class: mailer.Soft, Raw: raw, Events: []intake.Event{{News: news}}},
			intake.Entry{Hash: [32]byte{4, byte(n)}, Class: mailer.NoBounce, Aside: "not understood", Raw: raw})
	}
	taken, err := db.TakeIn(context.Background(), entries, now)
	for _, t := range taken {
		if err == nil && t.ID == 0 && !t.Early {
			err = fmt.Errorf("not on record: %+v", t)
		}
	}
	return err
}
