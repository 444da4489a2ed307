package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestPostgresRestarts: the server dies three times in mid-run and has to recover; the senders wait and go on.
func TestPostgresRestarts(t *testing.T) {
	s := storetest.StartServer(t)
	c := gather(t, s.URL(), 2000)
	for _, mails := range []int{200, 900, 1500} {
		c.at[mails] = func() {
			s.Stop(syscall.SIGQUIT)
			s.Start()
		}
	}
	c.work()
}

// TestPostgresFailover: the server dies in mid-run for good, and a standby that had to confirm every commit takes over. Who was
// told of both goes on there, without a mail lost or sent twice.
func TestPostgresFailover(t *testing.T) {
	s := storetest.StartServer(t)
	b := s.Standby()
	c := gather(t, fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres", s.Port, b.Port), 2000)
	c.at[700] = func() {
		s.Stop(syscall.SIGQUIT)
		if err := b.Exec(`SELECT pg_promote()`); err != nil {
			t.Error(err)
		}
	}
	c.work()
	// The database is the same to the program: it is no copy that would have to be adopted.
	standing, err := c.dbs[0].Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if why := standing.Differs("", nil); len(why) > 0 {
		t.Errorf("the new primary is held for a copy: %q", why)
	}
}

// TestPostgresStandby: what reads works on a standby; what writes is told at once what to do, and goes on once it has
// been promoted.
func TestPostgresStandby(t *testing.T) {
	ctx, s := t.Context(), storetest.StartServer(t)
	b := s.Standby()
	if _, err := store.Open(ctx, b.URL(), store.Options{}); !errors.Is(err, store.ErrStandby) {
		t.Errorf("an empty one opens: %v", err)
	}
	c := gather(t, s.URL(), 10)
	db, err := store.Open(ctx, b.URL(), store.Options{AddressHash: hash})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if counts, err := db.IssueCounts(ctx, c.issue.ID); err != nil || counts["queued"] != 10 {
		t.Errorf("%v, %v", counts, err)
	}
	began := time.Now()
	if _, err := db.AddStories(ctx, story(2), c.now); !errors.Is(err, store.ErrStandby) || !strings.Contains(err.Error(), "name the primary") {
		t.Errorf("it takes a story: %v", err)
	}
	if _, err := db.Lease(ctx, "main", "w", c.now); !errors.Is(err, store.ErrStandby) {
		t.Errorf("it gives work: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	s.Stop(syscall.SIGQUIT)
	if err := b.Exec(`SELECT pg_promote()`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddStories(ctx, story(2), c.now); err != nil {
		t.Errorf("now it is the primary: %v", err)
	}
}

// TestPostgresStatementsCut: somebody cancels whatever runs, a hundred times a second, as a statement_timeout would.
func TestPostgresStatementsCut(t *testing.T) {
	dsn := storetest.FreshPostgres(t)
	c := gather(t, dsn, 2000)
	cuts := atAll(t, dsn, "pg_cancel_backend", 10*time.Millisecond)
	c.work()
	if n := cuts(); n < 20 {
		t.Errorf("only %d statements were cut", n)
	}
}

// TestPostgresStatementTimeout: where the user's limit is too short for a piece of work, the error says which one to lift.
func TestPostgresStatementTimeout(t *testing.T) {
	ctx, dsn := t.Context(), storetest.FreshPostgres(t)
	db, err := store.Open(ctx, dsn+sep(dsn)+"statement_timeout=200", store.Options{AddressHash: hash})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	hold, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	other, err := hold.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExecContext(ctx, `LOCK TABLE stories`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddStories(ctx, story(1), time.Now()); !errors.Is(err, store.ErrCut) || !errors.Is(err, mailer.ErrLater) || !strings.Contains(err.Error(), "statement_timeout") {
		t.Errorf("%v", err)
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddStories(ctx, story(1), time.Now()); err != nil {
		t.Errorf("once nobody holds it: %v", err)
	}
}

func sep(dsn string) string {
	if strings.Contains(dsn, "?") {
		return "&"
	}
	return "?"
}

// TestPostgresTooManyConnections: others take every connection the server has while ours are cut; senders wait, and go on once
// there is room.
func TestPostgresTooManyConnections(t *testing.T) {
	s := storetest.StartServer(t, "max_connections=60")
	if err := s.Exec(`CREATE ROLE sender LOGIN; GRANT ALL ON SCHEMA public TO sender`); err != nil {
		t.Fatal(err)
	}
	dsn := strings.Replace(s.URL(), "postgres@", "sender@", 1) // no superuser, for whom some are kept
	c := gather(t, dsn, 2000)
	c.at[500] = func() {
		hog, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Error(err)
			return
		}
		defer hog.Close()
		if err := s.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sender'`); err != nil {
			t.Error(err)
		}
		full := false
		for began := time.Now(); time.Since(began) < 2*time.Second; {
			conn, err := hog.Conn(context.Background())
			if err != nil {
				full = full || strings.Contains(err.Error(), "53300")
				continue
			}
			defer conn.Close()
		}
		if !full {
			t.Error("there was room for all")
		}
	}
	c.work()
}

// TestPostgresPlannersCut: eight plan one issue and take in the same messages while the server ends every connection: each
// reader has one delivery, and each message is on record once.
func TestPostgresPlannersCut(t *testing.T) {
	ctx, dsn := t.Context(), storetest.FreshPostgres(t)
	c := &crowd{t: t, now: time.Now()}
	for range 8 {
		db, err := store.Open(ctx, dsn, store.Options{AddressHash: hash})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		c.dbs = append(c.dbs, db)
	}
	const readers, messages = 2000, 40
	c.issue = fill(t, c.dbs[0], readers, c.now)
	cuts := cutAll(t, dsn, 100*time.Millisecond)
	var wg sync.WaitGroup
	for _, db := range c.dbs {
		wg.Go(func() {
			i := c.issue
			d := &digest.Digest{Key: "k", Items: []digest.Item{{Story: 1, Revision: 1, Section: "world"}}, Pieces: []digest.Piece{{Fragment: &digest.Fragment{Body: []byte("text\r\n")}}}}
			for done := false; !done && !t.Failed(); {
				c.insist(func() (err error) {
					done, err = db.WriteChunk(ctx, &i, digest.Audience{}, 100, c.now, func(c digest.Chunk) (list []digest.Planned, err error) {
						for _, r := range c.Readers() {
							list = append(list, digest.Planned{Subscriber: r.Subscriber, SettingsID: r.SettingsID, Digest: d, State: "queued", WindowEnd: 1, Relay: "main"})
						}
						return list, nil
					})
					return err
				})
			}
			c.insist(func() error { return db.FinishIssue(ctx, &i, 0, c.now) })
		})
		wg.Go(func() {
			for n := range byte(messages) {
				e := intake.Entry{Hash: [32]byte{7, n}, Source: "pipe", At: c.now, From: fmt.Sprintf("s%d@example.org", n), Class: mailer.NoBounce, Raw: []byte("x")}
				c.insist(func() error { _, err := db.TakeIn(ctx, []intake.Entry{e}, c.now); return err })
			}
		})
	}
	wg.Wait()
	if n := cuts(); n < 20 {
		t.Errorf("only %d connections were cut", n)
	}
	if counts, err := c.dbs[0].IssueCounts(ctx, c.issue.ID); err != nil || counts["queued"] != readers {
		t.Errorf("%v, %v", counts, err)
	}
	if err := c.dbs[0].CheckBooks(ctx, c.issue.ID); err != nil {
		t.Error(err)
	}
	taken := 0
	for _, err := range c.dbs[0].Inbound(ctx, store.InboundFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		taken++
	}
	if taken != messages {
		t.Errorf("%d messages are on record", taken)
	}
}
