package commands

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/demo"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

type demoFlags struct {
	feeds, out, listen string
	once               bool
}

func (p *program) demo() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "The whole thing on this machine: feeds, readers, a relay and an inbox in your browser",
		Long: `Plays the last 24 hours with a fresh database: stories served as real feeds, a dozen readers in
as many zones, a relay that takes, refuses and greylists, and what comes back of mails: bounces, a
complaint, answers. Takes everything from schedule.yaml but feeds, relays, intake and public_url.
With --db postgres://… the database is one of that server, made for this and dropped in the end.
Prints what became of every mail. Then, until Ctrl-C, it goes on by the
true clock and shows the inbox, in which every link works, and the pages on which readers sign up.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.runDemo(c.Context(), f) },
	}
	c.Flags().StringVar(&f.feeds, "feeds", "", "serve the feed files of this `DIR` instead of the demo's stories")
	c.Flags().BoolVar(&f.once, "once", false, "end after printing")
	c.Flags().StringVar(&f.out, "out", "", "also write every mail to this `DIR` as .eml, .html and .txt")
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "`ADDRESS` of the inbox")
	return c
}

// stage is the demo's world: clock, feeds, readers, relay, inbox.
type stage struct {
	*engine
	clock   atomic.Int64 // the demo's time, Unix nanoseconds; it jumps from one due instant to the next; 0 = it is now
	inbox   *demo.Inbox
	back    *demo.Returns // what comes back of the mails
	readers []demo.Reader
	failed  map[string]error // feeds, by URL
}

func (s *stage) setTime(now time.Time) { s.clock.Store(now.UnixNano()) }

func (s *stage) time() time.Time {
	if at := s.clock.Load(); at != 0 {
		return time.Unix(0, at).UTC()
	}
	return time.Now().UTC()
}

func (p *program) runDemo(ctx context.Context, f demoFlags) (err error) {
	shipped, err := p.config()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(demo.Sections(), func(d demo.Section) bool { _, ok := shipped.Section(d.ID); return ok }) {
		return usagef("%s has none of the sections that the demo's readers follow (world, politics, ...): take the shipped schedule.yaml with --config", shipped.File)
	}
	dir, err := os.MkdirTemp("", "broadsheet-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	end := time.Now().UTC().Truncate(time.Second)
	s := &stage{inbox: &demo.Inbox{}, failed: map[string]error{}}
	s.setTime(end.Add(-24 * time.Hour))
	s.readers = demo.Readers(end, demoEditions(shipped))
	relay, err := demo.StartRelay(s.inbox, demo.Rules(s.readers))
	if err != nil {
		return err
	}
	defer relay.Close()
	returns := filepath.Join(dir, "returned")
	if s.back, err = demo.OpenReturns(returns, s.readers, s.time); err != nil {
		return err
	}
	s.back.Stray("bounce@" + domainOf(shipped.Publication.From))
	relay.Returns, s.back.Inbox = s.back, s.inbox
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return usagef("--listen: %w", err)
	}
	defer l.Close()
	address := l.Addr().String()
	feedsHandler, feeds, err := s.openFeeds(f.feeds, end, "http://"+address, shipped)
	if err != nil {
		return err
	}
	cfg := shipped.Replace("http://"+address, feeds, []schedule.Relay{{Name: "demo", Host: relay.Host, Port: relay.Port, TLS: "none", Auth: "none", Rate: 1000}})
	cfg.Fetch.Allow = []string{address}
	cfg.Intake = schedule.Intake{Maildir: []string{returns}, Replies: true, Forward: cfg.Publication.ReplyTo}

	entry, err := subscribers.NewKey("demo", rand.Reader)
	if err != nil {
		return err
	}
	if p.ring, err = subscribers.ParseKeys(entry); err != nil {
		return err
	}
	if !store.IsServer(p.dsn) {
		p.dsn = filepath.Join(dir, "broadsheet.db")
	} else {
		var drop func() error
		if p.dsn, drop, err = store.Scratch(ctx, p.dsn); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.close(), drop()) }()
	}
	db, err := p.database(ctx, true)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if p.verbose {
		log = p.logger()
	}
	if s.engine, err = newEngine(cfg, db, p.ring, s.time, log); err != nil {
		return err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	live := &server{program: p, failed: func(err error) { cancel(err) }}
	handler, err := s.web(live, feedsHandler, end, "http://"+address)
	if err != nil {
		return err
	}
	server := pageServer(handler, log)
	go server.Serve(l)
	defer server.Close()

	if err := s.play(ctx, end, p.stderr); err != nil {
		return err
	}
	if err := p.demoReport(ctx, s); err != nil {
		return err
	}
	if f.out != "" {
		if err := s.write(f.out); err != nil {
			return err
		}
	}
	if f.once {
		return nil
	}
	s.clock.Store(0)
	g := live.start(ctx, s.engine, nil)
	g.tasks.Go(func() { s.keepPosting(ctx) })
	fmt.Fprintf(p.stdout, "\nThe inbox is at http://%s/inbox, readers sign up at http://%[1]s/signup (Ctrl-C ends)\n", address)
	<-ctx.Done()
	g.tasks.Wait()
	<-g.sent
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// web is everything under the demo's address: the program's own pages as serve has them, the inbox,
// the feeds and the stories' pages.
func (s *stage) web(live *server, feeds http.Handler, end time.Time, base string) (http.Handler, error) {
	stories, err := demo.Stories()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", demo.AtHome(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pages := live.pages.Load()
		if pages == nil {
			http.Error(w, "the day is not over yet: come back in a moment", http.StatusServiceUnavailable)
			return
		}
		(*pages).ServeHTTP(w, r)
	}), base))
	inbox := (&demo.Page{Inbox: s.inbox, Readers: s.readers, Pictures: demo.Pictures(stories), Title: s.cfg.Publication.Name}).Handler()
	for _, path := range []string{"/inbox", "/inbox/", "/inbox-files/", "/pictures/"} {
		mux.Handle(path, inbox)
	}
	mux.Handle("/stories/", demo.StoryPages(stories, end, s.time))
	mux.Handle("/feeds/", feeds)
	return mux, nil
}

// demoEditions are the demo's editions that a configuration has. Readers of the others get the
// first one in readers' zones, or the first of all.
func demoEditions(cfg *schedule.Config) demo.Editions {
	e := demo.ShippedEditions()
	for _, name := range []*string{&e.AbuDhabi, &e.London, &e.NewYork, &e.Readers} {
		if cfg.Edition(*name) == nil {
			*name = ""
		}
	}
	if e.Readers == "" {
		i := slices.IndexFunc(cfg.Editions, func(e schedule.Edition) bool { return e.Zone == schedule.ReaderZone })
		e.Readers = cfg.Editions[max(i, 0)].Name
	}
	return e
}

// openFeeds serves the demo's own stories, or the files of a folder.
func (s *stage) openFeeds(dir string, end time.Time, base string, cfg *schedule.Config) (http.Handler, []schedule.Feed, error) {
	var handler http.Handler
	var list []demo.Feed
	if dir != "" {
		var ids []string
		for id := range sectionNames(cfg) {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		var err error
		if handler, list, err = demo.DirFeeds(dir, ids); err != nil {
			return nil, nil, usagef("--feeds: %w", err)
		}
	} else {
		all, err := demo.Stories()
		if err != nil {
			return nil, nil, err
		}
		own := &demo.Feeds{Stories: all, End: end, Now: s.time}
		handler, list = own, own.List()
	}
	var feeds []schedule.Feed
	for _, f := range list {
		feeds = append(feeds, schedule.Feed{URL: base + f.Path, Section: f.Section, Every: 15 * time.Minute})
	}
	return handler, feeds, nil
}

// play lets the last 24 hours pass: at each due instant it fetches, opens and sends.
func (s *stage) play(ctx context.Context, end time.Time, w io.Writer) error {
	for _, r := range s.readers {
		if _, err := s.db.AddSubscriber(ctx, r.Settings, "import", s.time()); err != nil {
			return err
		}
		if r.Suppression != nil {
			if _, err := s.db.Suppress(ctx, *r.Suppression, s.time()); err != nil {
				return err
			}
		}
	}
	b := progress(w, "minutes", int64(24*time.Hour/time.Minute))
	defer b.done()
	for {
		if err := s.step(ctx); err != nil {
			return err
		}
		next, ok, err := s.nextInstant(ctx)
		if err != nil {
			return err
		}
		if !ok || next.After(end) {
			return s.comesBack(ctx, end.Add(24*time.Hour)) // nobody waits for the rest of it
		}
		s.setTime(next)
		b.set(int64(24*time.Hour/time.Minute) - int64(end.Sub(next)/time.Minute))
	}
}

func (s *stage) step(ctx context.Context) error {
	results, _, err := s.intake(ctx, true)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			s.failed[r.URL] = r.Err
		}
	}
	if err := s.endPauses(ctx); err != nil {
		return err
	}
	for i := range s.cfg.Editions {
		if _, err := s.openDue(ctx, &s.cfg.Editions[i], nil); err != nil {
			return err
		}
	}
	if _, err = s.sendAll(ctx, sendRun{untilIdle: true}); err != nil {
		return err
	}
	return s.comesBack(ctx, s.time())
}

// comesBack takes in what has come back by then.
func (s *stage) comesBack(ctx context.Context, until time.Time) error {
	if err := s.back.Post(until); err != nil {
		return err
	}
	for _, source := range s.sources() {
		if _, err := s.clerk().Look(ctx, source); err != nil {
			return err
		}
	}
	s.forwardAnswers(ctx)
	return nil
}

// keepPosting has what comes back lie in the Maildir at its time, until ctx ends.
func (s *stage) keepPosting(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.back.Post(s.time()); err != nil {
			s.log.Error("post returned mail", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// nextInstant is the next moment at which something is due: a slot of any edition in any
// reader's zone, a delivery that waits, or a message that comes back.
func (s *stage) nextInstant(ctx context.Context) (at time.Time, ok bool, err error) {
	consider := func(t time.Time) {
		if t.After(s.time()) && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	slot, found, err := s.nextSlot(ctx)
	if err != nil {
		return at, false, err
	}
	if found {
		consider(slot)
	}
	due, found, err := s.nextDue(ctx)
	if found {
		consider(due)
	}
	if comes, found := s.back.Next(); found {
		consider(comes)
	}
	return at, ok, err
}

// write puts every mail of the inbox into a folder.
func (s *stage) write(dir string) error {
	for i, m := range s.inbox.Mails() {
		if _, err := writeMail(dir, fmt.Sprintf("%02d", i+1), m.Raw); err != nil {
			return err
		}
	}
	return nil
}
