package store_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

func TestOwnData(t *testing.T) {
	ctx, now := t.Context(), time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "b.db")
	db := open(t, path, store.Options{AddressHash: sealed, Now: func() time.Time { return now }})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	i := fill(t, db, 3, now)
	plan(t, db, &i, now)
	b, err := db.Lease(ctx, "main", "w", now)
	must(err)
	d := &b.Deliveries[1]
	must(storetest.Intend(ctx, db, b, d, "k", now))
	must(storetest.Hand(ctx, db, b, d, now))
	must(storetest.Settle(ctx, db, b, d, mailer.Outcome{State: mailer.Deferred, Reason: "rcpt 450 4.2.1", Due: now.Add(time.Minute), Charged: true, Relay: "main",
		Reply: mailer.Reply{Code: 450, Enhanced: "4.2.1", Text: "later"}}, now))
	id := d.Subscriber
	_, err = db.Suppress(ctx, subscribers.Suppression{Address: d.Address, Reason: "operator", Note: "asked by letter"}, now)
	must(err)
	_, err = db.LiftSuppression(ctx, d.Address, subscribers.ByOperator, "wrote again", now)
	must(err)
	must(db.SetPrivateFeed(ctx, id, 77))
	_, err = db.EditReader(ctx, id, subscribers.Edit{By: "reader", Notice: digest.NoticePaused, Do: func(s *subscribers.Settings) error {
		s.Pause(now.Add(time.Hour))
		return nil
	}}, now)
	must(err)
	held, err := db.OwnData(ctx, id, now)
	must(err)
	got, err := json.MarshalIndent(held, "", " ")
	must(err)
	for _, want := range []string{
		`"status": "paused"`, `"paused_until": "2026-04-02T07:00:00Z"`, `"by": "import"`, `"by": "reader"`, `"private_feed": "77"`,
		`"note": "asked by letter"`, `"why": "wrote again"`, `"kind": "paused"`, `"state": "suppressed"`, `"reply": "450 4.2.1 later"`,
		`"section": "world",\s+"headline": "Headline Headline`, `"consents": \[\]`, `"requests": \[\]`, `"edition": "morning"`,
	} {
		if !regexp.MustCompile(want).Match(got) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if regexp.MustCompile(`null|0001-01-01|"[02]@example`).Match(got) {
		t.Errorf("nothing, no time, or another reader stands in %s", got)
	}
	must(db.Erase(ctx, id, now))
	if _, err := db.OwnData(ctx, id, now); !errors.Is(err, subscribers.ErrNotFound) {
		t.Errorf("after erasure: %v", err)
	}
}
