package commands

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"broadsheet/bench"
	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// benchConfig is a publication with these sections, an edition that is due and one relay without
// a limit of its own.
func benchConfig(f benchFlags, far *benchRelay, now time.Time) (*schedule.Config, error) {
	var b strings.Builder
	b.WriteString(`publication: {name: The Lantern, tagline: News by night, from: "The Lantern <news@lantern.example>",
  postal_address: "The Lantern, 1 Pier Road, Port Ellery", public_url: "https://news.lantern.example",
  cities: [{name: London, zone: Europe/London}, {name: Dubai, zone: Asia/Dubai}, {name: New York, zone: America/New_York}]}
sections:
`)
	for n := range f.sections {
		fmt.Fprintf(&b, "  - {id: %s, name: Section %d}\n", bench.SectionID(n), n+1)
	}
	due := now.Add(-time.Minute)
	fmt.Fprintf(&b, "editions: [{name: %s, title: The Morning Lantern, cron: \"%d %d * * *\", zone: UTC, spread: 0m}]\n", bench.Edition, due.Minute(), due.Hour())
	secure := "none"
	if f.tls {
		secure = "implicit"
	}
	fmt.Fprintf(&b, "relays: [{name: bench, host: %q, port: %d, tls: %s, auth: none, connections: %d, rate: %d, in_doubt: %d, dialogue: %s}]\n",
		far.host, far.port, secure, f.connections, f.rate, f.inDoubt, f.dialogue)
	return schedule.Parse("bench", []byte(b.String()))
}

// benchIssue fills the database, opens an issue and sends it.
func (p *program) benchIssue(ctx context.Context, f benchFlags, dir string, far *benchRelay, r *benchReport) error {
	r.Stories, r.Sections, r.InDoubt, r.Dialogue = f.stories, f.sections, f.inDoubt, text(f.dialogue)
	now := time.Now().UTC()
	cfg, err := benchConfig(f, far, now)
	if err != nil {
		return err
	}
	entry, err := subscribers.NewKey("bench", rand.Reader)
	if err != nil {
		return err
	}
	if p.ring, err = subscribers.ParseKeys(entry); err != nil {
		return err
	}
	db, err := p.database(ctx, true)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if p.verbose {
		log = p.logger()
	}
	e, err := newEngine(cfg, db, p.ring, time.Now, log)
	if err != nil {
		return err
	}
	e.roots = far.roots
	if f.dkim {
		if e.dkim, err = benchDKIM(dir, domainOf(cfg.Publication.From)); err != nil {
			return err
		}
	}
	unlock, err := p.lockSender(ctx, e, false)
	if err != nil {
		return err
	}
	defer unlock()

	m := bench.StartMeter()
	if err := p.inventReaders(ctx, e, f, now); err != nil {
		return err
	}
	w := m.Stop()
	r.ImportS, r.ImportRSS, r.PeakRSS = w.Time.Seconds(), w.Peak, w.Peak

	m = bench.StartMeter()
	for at, s := range bench.News(f.stories, f.sections, now) {
		if _, err := db.AddStories(ctx, []stories.Story{s}, at); err != nil {
			return err
		}
	}
	r.StoriesS = m.Stop().Time.Seconds()

	ed := cfg.Edition(bench.Edition)
	m = bench.StartMeter()
	b := progress(p.stderr, "readers", int64(f.readers))
	opened, err := e.openDue(ctx, ed, func(i *digest.Issue) { b.set(int64(i.Audience)) })
	b.done()
	if err != nil {
		return err
	}
	if len(opened) != 1 {
		return fmt.Errorf("%d issues were opened, not one", len(opened))
	}
	w = m.Stop()
	r.OpenS, r.OpenRSS, r.Digests = w.Time.Seconds(), w.Peak, opened[0].Digests
	r.PeakRSS = max(r.PeakRSS, w.Peak)

	b = progress(p.stderr, "mails", int64(f.readers))
	var watching *watchers
	if f.watchers > 0 {
		if watching, err = p.watch(ctx, e, f.watchers, opened[0].ID); err != nil {
			return err
		}
	}
	backend, err := db.Backend(ctx)
	if err != nil {
		return err
	}
	server := bench.FindServer(backend)
	before, served := db.Stats(), server.CPU()
	w, err = measured(f.profile, func() error {
		_, err := e.sendAll(ctx, sendRun{untilIdle: true, show: func(n int) { b.set(int64(n)) }})
		return errors.Join(err, ctx.Err())
	})
	b.done()
	if watching != nil {
		err = errors.Join(err, watching.end())
		r.watched(watching)
	}
	if err != nil {
		return err
	}
	row, err := loadIssue(ctx, db, opened[0].ID)
	if err != nil {
		return err
	}
	r.sent(w, row.Accepted)
	r.ledger(before, db.Stats())
	if server.Found() {
		r.ServerCPU = per((server.CPU() - served).Microseconds(), row.Accepted)
	}
	if f.dkim {
		alone, err := bench.RSA()
		if err != nil {
			return err
		}
		r.RSA = new(float64(alone.Nanoseconds()) / 1e3)
	}
	err = db.CheckBooks(ctx, opened[0].ID)
	if err != nil && !errors.Is(err, store.ErrBooks) {
		return err
	}
	r.Balanced = err == nil && row.Audience == f.readers
	for _, s := range []mailer.State{mailer.Queued, mailer.Sending, mailer.Handed, mailer.Deferred} {
		r.Unfinished += row.Counts[s]
	}
	sizes, err := db.Sizes(ctx)
	if err != nil {
		return err
	}
	r.sizes(sizes)
	return nil
}

// benchDKIM makes a key and signs with it as with one of the environment.
func benchDKIM(dir, domain string) (dkim, error) {
	entry, err := mailer.NewDKIMEntry("bench", false)
	if err != nil {
		return dkim{}, err
	}
	path := filepath.Join(dir, "dkim")
	if err := mailer.AddDKIM(path, "", entry); err != nil {
		return dkim{}, err
	}
	return loadDKIM(func(name string) string {
		if name == "BROADSHEET_DKIM_FILE" {
			return path
		}
		return ""
	}, domain)
}

// inventReaders brings the readers in as an import does, without a file of them.
func (p *program) inventReaders(ctx context.Context, e *engine, f benchFlags, now time.Time) error {
	in, out := io.Pipe()
	defer in.Close() // ends the writer, should the reading end before
	go func() { out.CloseWithError(bench.Readers(out, f.readers, f.sections)) }()
	lines, err := subscribers.NewReader(in, known(e.cfg))
	if err != nil {
		return fmt.Errorf("import readers: %w", err)
	}
	b := progress(p.stderr, "import", int64(f.readers))
	defer b.done()
	var bad error
	var done int64
	count, err := importRows(ctx, lines, func(e *subscribers.RowError) { bad = e }, func(ctx context.Context, rows []subscribers.Row) (store.Imported, error) {
		done += int64(len(rows))
		b.set(done)
		return e.db.ImportRows(ctx, rows, now.AddDate(0, -1, 0))
	})
	if err = errors.Join(err, bad); err != nil {
		return fmt.Errorf("import readers: %w", err)
	}
	if count.New != f.readers {
		return fmt.Errorf("import readers: %d of %d came in", count.New, f.readers)
	}
	return nil
}

// sendPlain sends with the library alone.
func (p *program) sendPlain(ctx context.Context, f benchFlags, far *benchRelay, r *benchReport) error {
	r.Reference, r.Balanced = text(f.reference), true
	s := &bench.Plain{Host: far.host, Port: far.port, Connections: f.connections, Messages: f.readers}
	if f.tls {
		s.TLS = &tls.Config{ServerName: far.host, RootCAs: far.roots, MinVersion: tls.VersionTLS12}
	}
	b := progress(p.stderr, "mails", int64(f.readers))
	s.Sent = func(n int) { b.set(int64(n)) }
	w, err := measured(f.profile, func() error { return s.Send(ctx) })
	b.done()
	if err != nil {
		return err
	}
	r.sent(w, f.readers)
	return nil
}

// measured does some work and tells what it took, with a CPU profile of it in a file if one is named.
func measured(profile string, work func() error) (w bench.Work, err error) {
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return w, err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return w, fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	m := bench.StartMeter()
	err = work()
	return m.Stop(), err
}
