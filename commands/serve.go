package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/store"
)

// wake is the longest the scheduler sleeps before it reads the wall clock again: long timers
// are not to be trusted across suspends and clock changes.
const wake = 30 * time.Second

func (p *program) serve() *cobra.Command {
	var listen, operator, operatorAt, metrics, parts string
	var wait bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Fetch feeds, open issues when they are due, send, and answer links",
		Long: `Runs until SIGINT or SIGTERM: fetches the feeds that are due, opens each issue at its slot, sends,
and answers the links of the mails at --listen. It never asks; --at is for trials against a relay
on this machine.

--roles leaves parts of it to other processes on the same database: schedule (feeds, opening issues, retention,
reports and all else that is due by the clock), intake (mail that came back, relays' logs), send (what
leaves for readers; on SQLite one process at a time has it) and web (readers' pages and the operator's room).

SIGHUP makes it read the configuration, the relays' passwords and the keys again. What is wrong
with them is logged, and the old ones then stay.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if p.roles, err = parseRoles(parts); err != nil {
				return err
			}
			pages := p.roles.has(roleWeb)
			if set := c.Flags().Changed; !pages && (set("listen") || set("operator") || set("operator-url")) {
				return usagef("--listen and --operator are for the role web, which --roles %s leaves out", p.roles.list())
			}
			cfg, err := p.config()
			if err != nil {
				return err
			}
			if err := usage(p.roles.secrets(cfg, p.getenv)); err != nil {
				return err
			}
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			if _, err := e.away(); err != nil {
				return err
			}
			if p.roles.has(roleSend) {
				unlock, err := p.lockSender(c.Context(), e, wait)
				if err != nil {
					return err
				}
				defer unlock()
			}
			public, err := operatorURL(operatorAt, operator)
			if err != nil {
				return err
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			var l, o net.Listener
			if pages {
				if l, err = net.Listen("tcp", listen); err != nil {
					return usagef("--listen: %w", err)
				}
				defer l.Close()
				if o, err = p.listenOperator(operator, c.Flags().Changed("operator")); err != nil {
					return err
				}
			}
			watch, err := listenMetrics(metrics, e)
			if err != nil {
				return err
			}
			defer watch.end()
			p.watching = watch
			return p.serveOn(c.Context(), e, l, &roomServer{listener: o, public: public}, hup)
		},
	}
	p.clockFlag(c)
	p.logFlag(c)
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "`ADDRESS` for the readers' links; put your web server in front of it")
	c.Flags().StringVar(&operator, "operator", operatorAddress, "`ADDRESS` for the operator's room; off = none")
	c.Flags().StringVar(&operatorAt, "operator-url", "", "`URL` at which a proxy or another machine reaches the operator's room, e.g. https://room.example.org")
	c.Flags().StringVar(&metrics, "metrics", "", "`ADDRESS` for /metrics, /healthz and /readyz alone, which anybody who reaches it may read; else they are in the operator's room")
	c.Flags().StringVar(&parts, "roles", allRoles.list(), "`LIST` of what this process does; the rest is for others")
	c.Flags().BoolVar(&wait, "wait", false, "wait for another sender to end instead of exiting with 4")
	return c
}

// server runs one generation after another: what it does with one configuration.
type server struct {
	*program
	pages  atomic.Pointer[http.Handler]
	room   *roomServer
	failed func(error) // ends the program
}

// generation is a configuration at work.
type generation struct {
	*engine
	stop  context.CancelFunc
	tasks sync.WaitGroup // its duties
	sent  chan struct{}  // closed once its senders, and those before, have ended
}

// serveOn runs until ctx ends: what its roles are, each on its own. Readers' pages are on l, which a process
// without them leaves nil, and so may be the operator's room. What comes over hup makes it read its configuration
// again.
func (p *program) serveOn(ctx context.Context, e *engine, l net.Listener, room *roomServer, hup <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &server{program: p, room: room, failed: func(err error) { cancel(err) }}
	if err := e.enlist(ctx, p.roles.names()); err != nil {
		return err
	}
	if err := s.room.serve(e); err != nil {
		return err
	}
	defer s.room.end()
	pages := pageServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.pages.Load()).ServeHTTP(w, r) }), e.log)
	said := []any{slog.Int("editions", len(e.cfg.Editions))}
	if l != nil {
		said = slices.Insert(said, 0, any(slog.String("listen", l.Addr().String())))
	}
	if !p.roles.all() {
		said = append(said, slog.String("roles", p.roles.list()))
	}
	e.log.Info("serving", said...)
	g := s.start(ctx, e, nil)
	var wg sync.WaitGroup
	if l != nil {
		wg.Go(func() {
			if err := pages.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serve pages: %w", err))
			}
		})
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-hup:
			next, err := p.again(ctx)
			if ctx.Err() != nil {
				continue
			}
			if err != nil {
				g.notTaken(err)
				continue
			}
			g.stop()
			g.tasks.Wait()
			last := g
			g = s.start(ctx, next, g.sent)
			last.writeClicks(ctx)
			g.log.Info("configuration taken over", slog.Int("editions", len(g.cfg.Editions)), slog.Int("relays", len(g.cfg.Relays)))
		}
	}
	g.log.Info("ending: what is in hand comes to its end")
	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	err := pages.Shutdown(closing)
	g.writeClicks(closing)
	g.tasks.Wait()
	g.writeClicks(closing)
	<-g.sent
	wg.Wait()
	leaving, left := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer left()
	g.complain(leaving, "leave duties", g.db.LeaveDuties(leaving, g.worker))
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// start puts an engine to work. Pages and duties are its own at once. Its senders wait
// for those of the generation before, which bring what they have in hand to its end: two senders of
// one relay would go past its connections and its rate.
func (s *server) start(ctx context.Context, e *engine, before <-chan struct{}) *generation {
	g := &generation{engine: e, sent: make(chan struct{})}
	ctx, g.stop = context.WithCancel(ctx)
	e.govern()
	if s.roles.has(roleWeb) {
		pages, err := e.pages()
		if err != nil { // words and templates are part of the program
			s.failed(err)
			pages = http.NotFoundHandler()
		}
		s.pages.Store(&pages)
	}
	if err := s.room.take(e); err != nil {
		s.failed(err)
	}
	s.watching.take(e)
	for _, d := range e.duties() {
		if d.role == "" || s.roles.has(d.role) {
			g.tasks.Go(func() { d.run(ctx) })
		}
	}
	if !s.roles.has(roleSend) {
		close(g.sent)
		return g
	}
	go func() {
		defer close(g.sent)
		if before != nil {
			<-before
			if ctx.Err() != nil {
				return
			}
			if err := e.whileAway(ctx, "give mail to other relays", e.takeUp); err != nil {
				s.failed(err)
				return
			}
		}
		err := e.whileAway(ctx, "send", func(ctx context.Context) error {
			_, err := e.sendAll(ctx, sendRun{})
			return err
		})
		if err != nil {
			s.failed(err)
		}
	}()
	return g
}

// whileAway calls do, and once more as long as the database is away. Once ctx has ended nothing is wrong any more.
func (e *engine) whileAway(ctx context.Context, act string, do func(context.Context) error) error {
	for {
		err := do(ctx)
		switch {
		case err == nil, !store.Away(err) && ctx.Err() == nil:
			return err
		case ctx.Err() != nil:
			return nil
		}
		e.complain(ctx, act, err)
		select {
		case <-ctx.Done():
		case <-time.After(store.BeatEvery):
		}
	}
}

// repeat calls do at once and then after the wait that it returns, at most wake.
func repeat(ctx context.Context, do func(context.Context) time.Duration) {
	for {
		wait := min(do(ctx), wake)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// intakeOnce fetches what is due. Feeds log their own troubles.
func (e *engine) intakeOnce(ctx context.Context) time.Duration {
	_, files, err := e.intake(ctx, false)
	for _, f := range files {
		if f.Err != nil {
			e.log.Warn("read file", slog.String("path", f.Path), slog.Any("error", f.Err))
		}
	}
	e.complain(ctx, "fetch stories", err)
	return wake
}

// stopsEvery is how often stops are looked at that wait for the answer to a mail in hand.
const stopsEvery = 2 * time.Second

// finishStops brings to their end the stops that wait, or that somebody was killed over.
func (e *engine) finishStops(ctx context.Context) time.Duration {
	e.complain(ctx, "finish stops", e.db.FinishStops(ctx, e.now()))
	return stopsEvery
}

// openAll opens every issue that is due, for readers whose pause has ended too, and ends deliveries
// that are past their life, which senders do not get to see while a relay is down. One edition's trouble does not stop the
// others. It returns how long it is to the next slot.
func (e *engine) openAll(ctx context.Context) time.Duration {
	e.readiness.wakes()
	e.complain(ctx, "note wake", e.db.Find(ctx, findingWake, true, ""))
	e.complain(ctx, "end pauses", e.endPauses(ctx))
	if err := e.db.Scrub(ctx); !errors.Is(err, store.ErrBusy) { // somebody reads for long: the next time
		e.complain(ctx, "scrub database", err)
	}
	next, ok, err := e.nextSlot(ctx) // before opening: a slot that comes meanwhile is not slept over
	e.complain(ctx, "find next slot", err)
	n, err := e.db.Expire(ctx, e.now())
	e.complain(ctx, "expire deliveries", err)
	if n > 0 {
		e.log.Warn("deliveries expired", slog.Int("deliveries", n))
	}
	news := !e.foretold
	for i := range e.cfg.Editions {
		ed := &e.cfg.Editions[i]
		e.complain(ctx, "note missed slots of "+ed.Name, e.noteMissed(ctx, ed))
		opened, err := e.openDue(ctx, ed, nil)
		e.complain(ctx, "open issues of "+ed.Name, err)
		e.noteOpening(ctx, ed, err)
		news = news || len(opened) > 0
	}
	if news {
		err := e.foretell(ctx, 0)
		e.complain(ctx, "look ahead", err)
		e.foretold = err == nil
	}
	if !ok {
		return wake
	}
	return max(next.Sub(e.now()), 0)
}

// complain logs an error, unless it comes from the end of the program.
func (e *engine) complain(ctx context.Context, act string, err error) {
	if err != nil && ctx.Err() == nil {
		e.log.Error(act, slog.Any("error", err))
	}
}
