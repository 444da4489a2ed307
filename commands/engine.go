package commands

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"broadsheet/digest"
	"broadsheet/doctor"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/stories"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// engine is what send, serve, preview and demo share: the rooms wired together.
type engine struct {
	cfg    *schedule.Config
	db     *store.DB
	keys   *subscribers.Keys
	dkim   dkim
	now    func() time.Time
	log    *slog.Logger
	worker string
	roles  roles

	read        func()                      // called after each feed and file of intake, from several goroutines at a time; nil = not
	patience    time.Duration               // as mailer.Sender has it
	downAfter   time.Duration               // see there; 0 = that
	roots       *x509.CertPool              // whom relays' certificates must be from; nil = the system's
	clicks      func(context.Context) error // writes those that its pages counted; nil before there are pages
	told        map[forecast]bool           // that were logged
	acts        *underway                   // of its pages
	foretold    bool                        // what there was at the start was looked at
	recasts     atomic.Int64                // times that digests followed an editor here
	counts      storyCounts
	openings    map[string]string // by edition: what its last opening failed for, as it is on record; for the scheduler alone
	kept        keptAlarms
	readiness   readiness
	outage      *outage
	metered     keptMetrics
	meters      *meters // of the process: they outlive a configuration
	finder      digest.Finder
	composer    *digest.Composer
	routes      *digest.Routes
	domains     *mailer.Domains
	postman     *postman
	board       *board // of the operator's pages
	jobs        *jobs
	ahead       *outlook                 // what the operator's room knows of coming slots
	presses     map[string]*digest.Press // by edition; made at the start, so that a broken template stops the program and not a run
	health      *examined
	dns         *doctor.DNS                            // nil = the machine's
	leavesFrom  func(ctx context.Context) []netip.Addr // addresses that mail leaves from; nil = as far as this machine knows
	secretFiles map[string]string                      // by what is in them
}

// engine opens configuration, keys and database and wires the rooms together.
func (p *program) engine(ctx context.Context) (*engine, error) {
	if _, err := p.clock(); err != nil {
		return nil, err
	}
	cfg, db, err := p.configAndDatabase(ctx, true)
	if err != nil {
		return nil, err
	}
	e, err := p.wire(ctx, cfg, db, p.ring)
	if err == nil {
		e.govern() // nobody else uses this ledger yet
	}
	return e, err
}

// wire makes an engine of what was read, and reads the DKIM keys.
func (p *program) wire(ctx context.Context, cfg *schedule.Config, db *store.DB, ring *subscribers.Keys) (*engine, error) {
	e, err := newEngine(cfg, db, ring, p.now, p.logger())
	if err != nil {
		return nil, err
	}
	e.patience, e.roles, e.worker = p.patience, p.roles, cmp.Or(p.name, e.worker)
	e.secretFiles = secretFiles(cfg, db.Path(), p.getenv)
	if p.meters == nil {
		p.meters = e.meters
	}
	e.meters = p.meters
	if p.jobs == nil {
		p.jobs = e.jobs
	}
	e.jobs = p.jobs // of one engine after another
	if e.dkim, err = loadDKIM(p.getenv, domainOf(cfg.Publication.From)); err != nil {
		return nil, err
	}
	return e, e.checkFollowed(ctx)
}

// newEngine wires the rooms together. It fails if an edition's templates cannot be used.
func newEngine(cfg *schedule.Config, db *store.DB, keys *subscribers.Keys, now func() time.Time, log *slog.Logger) (*engine, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	away := &outage{}
	log = slog.New(outageLog{log.Handler(), away})
	e := &engine{cfg: cfg, db: db, keys: keys, now: now, log: log, outage: away,
		worker:   fmt.Sprintf("%s:%d", host, os.Getpid()),
		finder:   digest.Finder{Diary: db, Config: cfg},
		composer: digest.NewComposer(db, keys, domainOf(cfg.Publication.From)),
		routes:   digest.NewRoutes(cfg.Relays),
		domains:  domainsOf(cfg),
		presses:  map[string]*digest.Press{},
		jobs:     newJobs(),
		told:     map[forecast]bool{},
		acts:     &underway{},
		health:   &examined{},
		openings: map[string]string{},
		meters:   newMeters(),
		ahead:    &outlook{},
	}
	e.board = newBoard(e)
	if err := cfg.CheckLimits(mailer.Providers()); err != nil {
		return nil, usage(err)
	}
	var house *templates.Set // the first edition's look is that of notices
	for _, ed := range cfg.Editions {
		dir := ed.Template
		if dir != "" && !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(cfg.File), dir)
		}
		set, err := templates.Load(dir)
		if err != nil {
			return nil, usagef("edition %q: %w", ed.Name, err)
		}
		if e.presses[ed.Name], err = digest.NewPress(cfg, ed, set); err != nil {
			return nil, usage(err)
		}
		house = cmp.Or(house, set)
	}
	notices, err := digest.NewNoticePress(cfg, house)
	if err != nil {
		return nil, usage(err)
	}
	e.postman = newPostman(digest.Postman{Outbox: db, Press: notices, Routes: e.routes, Now: now, Log: log})
	return e, nil
}

// govern has the ledger go by this configuration from now on. A configuration that is only looked at must not:
// another may be sending with the same ledger.
func (e *engine) govern() {
	var traced []string
	for _, r := range e.cfg.Relays {
		if r.Log != "" || r.Events != nil {
			traced = append(traced, r.Name)
		}
	}
	e.db.Trace(traced)
	var may func(address string) bool
	if e.cfg.OnlyTo != nil {
		may = e.cfg.MayGet
	}
	e.db.OnlyTo(may)
}

// checkFollowed refuses a configuration that dropped a section which readers follow.
func (e *engine) checkFollowed(ctx context.Context) error {
	followed, err := e.db.FollowedSections(ctx)
	if err != nil {
		return err
	}
	return usage(e.cfg.CheckFollowed(slices.Collect(maps.Keys(followed))))
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func (e *engine) opener(ed *schedule.Edition, show func(*digest.Issue)) *digest.Opener {
	return &digest.Opener{Ledger: e.db, Layout: e.presses[ed.Name], Config: e.cfg, Edition: ed, Now: e.now,
		Log: e.log, Progress: show, Routes: e.routes, Domains: e.domains, Proofs: e.db}
}

// openDue opens every issue of an edition that is due and not yet open. One that cannot be opened does not stop the others.
func (e *engine) openDue(ctx context.Context, ed *schedule.Edition, show func(*digest.Issue)) (opened []digest.Issue, err error) {
	due, err := e.finder.Due(ctx, ed, e.now())
	if err != nil {
		return nil, err
	}
	opener := e.opener(ed, show)
	for _, d := range due {
		if len(d.Missed) > 0 {
			e.log.Warn("slots missed; their stories are in this issue", slog.String("edition", ed.Name),
				slog.String("zone", d.Issue.Zone), slog.Int("missed", len(d.Missed)), slog.String("slot", d.Issue.Slot))
		}
		issue, openErr := opener.Open(ctx, d)
		if openErr != nil {
			err = errors.Join(err, openErr)
			continue
		}
		opened = append(opened, issue)
	}
	return opened, err
}

// endPauses makes those readers active whose pause has ended, so that issues opened now are for
// them too.
func (e *engine) endPauses(ctx context.Context) error {
	n, err := e.db.EndPauses(ctx, e.now())
	if n > 0 {
		e.log.Info("pauses ended", slog.Int("readers", n))
	}
	return err
}

// sendRun says how to send.
type sendRun struct {
	untilIdle   bool
	queue       mailer.Queue    // nil = everything in the database
	connections int             // 0 = as each relay has it
	show        func(tried int) // after each mail; may be nil
}

// sendingGC is the share, in percent, by which memory may grow over what is in use before it is
// collected, while mail is sent. What is in use is mostly text, which costs little to collect:
// half the usual share was seen to save a tenth of the memory at 64 connections.
const sendingGC = 50

// sendAll runs a sender for each relay until they are idle, or until ctx ends, and says how
// many deliveries came to something. What a relay that is down leaves goes through those that stand
// in for it.
func (e *engine) sendAll(ctx context.Context, how sendRun) (tried int, err error) {
	for show := how.show; ; {
		before, recasts := tried, e.recasts.Load()
		if show != nil {
			how.show = func(n int) { show(before + n) }
		}
		n, err := e.sendOut(ctx, how)
		tried += n
		if err != nil || !how.untilIdle || ctx.Err() != nil {
			return tried, err
		}
		// What waited for its digests when senders found nothing more goes too.
		if err := e.recastWithheld(ctx); err != nil || e.recasts.Load() == recasts {
			return tried, err
		}
	}
}

// sendOut is sendAll, but for what an editor's act holds back meanwhile.
func (e *engine) sendOut(ctx context.Context, how sendRun) (tried int, err error) {
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(sendingGC))
	}
	if how.queue == nil {
		how.queue = e.db
	}
	pacer, err := e.newPacer(ctx)
	sharer := e.sharer(how)
	if ctx.Err() != nil { // told to end before it began: nothing has gone wrong
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if sharer != nil {
		pacer.pace.Divide(e.routes.Names())
	}
	paced, stop := context.WithCancel(ctx)
	var pacing sync.WaitGroup
	pacing.Go(func() { pacer.keep(paced) })
	pacing.Go(func() { e.keepRecasting(paced) })
	defer pacing.Wait()
	defer stop()
	var mu sync.Mutex
	counts := map[*mailer.Sender]int{}
	out := newLookout(e.cfg, cmp.Or(e.downAfter, downAfter), e.log)
	watch := e.newRelayWatch()
	pacing.Go(func() { watch.keep(paced) })
	if !how.untilIdle {
		pacing.Go(func() { watch.look(paced) })
	}
	count := func(s *mailer.Sender, stats mailer.Stats) {
		out.heard(s.Relay.Name, stats)
		watch.heard(s.Relay.Name, stats)
		mu.Lock()
		defer mu.Unlock()
		counts[s] = 0
		for state, n := range stats.Outcomes {
			if state != mailer.Queued { // the relay's trouble, not an outcome
				counts[s] += n
			}
		}
		tried = 0
		for _, n := range counts {
			tried += n
		}
		if how.show != nil {
			how.show(tried)
		}
	}
	failed := map[string]error{} // by relay
	relays, lost := e.cfg.Relays, 0
	for len(relays) > 0 {
		before := lost
		var wg sync.WaitGroup
		for _, r := range relays {
			s := e.sender(r, how)
			s.Pace, s.Sharer = pacer.pace, sharer
			s.Progress = func(stats mailer.Stats) { count(s, stats) }
			s.StandIn = func() []string { return out.standsInFor(r.Name) }
			wg.Go(func() {
				stats, err := e.runSender(ctx, s, r, how.untilIdle)
				count(s, stats)
				if err == nil {
					return
				}
				if errors.Is(err, mailer.ErrDown) || errors.Is(err, mailer.ErrHeld) {
					out.gaveUp(r.Name)
				}
				mu.Lock()
				defer mu.Unlock()
				failed[r.Name] = err
				lost++
			})
		}
		wg.Wait()
		if relays, err = e.helpers(ctx, how.queue, out, failed); err != nil {
			return tried, err
		}
		if lost == before { // who could help has helped
			break
		}
	}
	return tried, errors.Join(slices.Collect(maps.Values(failed))...)
}

// sharer divides relays among this process and others; nil if there are no others, or a person said how many connections
// this one is to have.
func (e *engine) sharer(how sendRun) mailer.Sharer {
	if e.db.Path() != "" || how.connections > 0 {
		return nil
	}
	return e.db
}

// sender is one for a relay.
func (e *engine) sender(r schedule.Relay, how sendRun) *mailer.Sender {
	s := &mailer.Sender{Queue: how.queue, Composer: e.composer, Relay: relayOf(e.cfg, r), Worker: e.worker, KeyID: e.keys.SigningID(),
		Now: e.now, Log: e.log, Patience: e.patience, Poll: poll, Domains: e.domains, Signer: e.dkim.signer(r.Profile)}
	s.Taken = e.taken
	s.Relay.RootCAs = e.roots
	if how.connections > 0 {
		s.Relay.Connections = how.connections
	}
	return s
}

// helpers are the relays that still have mail of others to take, now that senders have ended. A
// relay that is merely down and has nothing left is forgiven.
func (e *engine) helpers(ctx context.Context, q mailer.Queue, out *lookout, failed map[string]error) (relays []schedule.Relay, err error) {
	left := map[string]bool{}
	for relay, err := range failed {
		if ctx.Err() != nil || !errors.Is(err, mailer.ErrDown) && !errors.Is(err, mailer.ErrHeld) {
			continue
		}
		due, ok, dueErr := q.NextDue(ctx, relay)
		if dueErr != nil {
			return nil, dueErr
		}
		left[relay] = ok && !due.After(e.now())
		if !left[relay] && errors.Is(err, mailer.ErrDown) {
			delete(failed, relay)
		}
	}
	for _, r := range e.cfg.Relays {
		if slices.ContainsFunc(out.standsInFor(r.Name), func(other string) bool { return left[other] }) {
			relays = append(relays, r)
		}
	}
	return relays, nil
}

// poll is how often a sender with nothing to do looks for work.
const poll = time.Second

// nextSlot is when the next slot of any edition in any of its readers' zones is to be opened.
func (e *engine) nextSlot(ctx context.Context) (at time.Time, ok bool, err error) {
	for i := range e.cfg.Editions {
		ed := &e.cfg.Editions[i]
		places := []digest.Place{{Zone: ed.Zone, Hour: -1}}
		if ed.Zone == schedule.ReaderZone {
			if places, err = e.db.Places(ctx, ed.Name); err != nil {
				return at, false, err
			}
		}
		for _, place := range places {
			zone, err := e.cfg.Location(editionZone(e.cfg, ed, place.Zone))
			if err != nil { // one that this machine does not know: served at home, as digest.Finder has it
				if zone, err = e.cfg.Location(editionZone(e.cfg, ed, "")); err != nil {
					return at, false, err
				}
			}
			if slot, found := ed.Next(zone, ed.ReaderHour(place.Hour), e.now().Add(ed.Prepare)); found {
				if opens := slot.Due.Add(-ed.Prepare); !ok || opens.Before(at) {
					at, ok = opens, true
				}
			}
		}
	}
	return at, ok, nil
}

// nextDue is when the next open delivery is due over all relays.
func (e *engine) nextDue(ctx context.Context) (at time.Time, ok bool, err error) {
	for _, r := range e.cfg.Relays {
		t, found, err := e.db.NextDue(ctx, r.Name)
		if err != nil {
			return at, ok, err
		}
		if found && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	return at, ok, nil
}

// intake fetches the feeds that are due (all with force) and reads the folders of saved pages.
func (e *engine) intake(ctx context.Context, force bool) ([]stories.FeedResult, []stories.FileResult, error) {
	fetcher := e.fetcher()
	feeds := make([]stories.Feed, len(e.cfg.Feeds))
	for i, f := range e.cfg.Feeds {
		feeds[i] = stories.Feed{URL: f.URL, Section: f.Section, Every: f.Every}
	}
	results, err := fetcher.FetchAll(ctx, feeds, force)
	if e.meters != nil {
		e.meters.fetched(results)
	}
	if err != nil {
		return results, nil, err
	}
	var files []stories.FileResult
	for _, a := range e.cfg.Articles {
		dir := a.Dir
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(e.cfg.File), dir)
		}
		found, err := stories.Import(ctx, e.db, []string{dir}, a.Section, sectionNames(e.cfg), e.now(), e.read)
		files = append(files, found...)
		if err != nil {
			return results, files, err
		}
	}
	return results, files, nil
}

func (e *engine) fetcher() *stories.Fetcher {
	return &stories.Fetcher{Shelf: e.db, Sections: sectionNames(e.cfg), Allow: e.cfg.Fetch.Allow, Now: e.now, Log: e.log, Progress: e.read}
}

func sectionNames(cfg *schedule.Config) map[string]string {
	names := make(map[string]string, len(cfg.Sections))
	for _, s := range cfg.Sections {
		if !s.Retired && s.MovedTo == "" {
			names[s.ID] = s.Name
		}
	}
	return names
}

// findEdition is the edition of that name.
func findEdition(cfg *schedule.Config, name string) (*schedule.Edition, error) {
	if e := cfg.Edition(name); e != nil {
		return e, nil
	}
	var names []string
	for _, e := range cfg.Editions {
		names = append(names, e.Name)
	}
	return nil, usagef("%s has no edition %q; it has %v", cfg.File, name, names)
}

// editionZone is the zone an edition is shown in: its place, else the wished one, else where the publication sits.
func editionZone(cfg *schedule.Config, e *schedule.Edition, wished string) string {
	switch {
	case e.Zone != schedule.ReaderZone:
		return e.Zone
	case wished != "":
		return wished
	case len(cfg.Publication.Cities) > 0:
		return cfg.Publication.Cities[0].Zone
	}
	return "UTC"
}
