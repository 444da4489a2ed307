package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer/maillog"
	"broadsheet/mailer/report"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

const (
	followEvery = 500 * time.Millisecond // how often a log is looked at
	heldEvery   = 100 * time.Millisecond // the same while lines wait for our own record
	mostHeld    = 1000                   // lines that wait, at most, before no further ones are read
	placeEvery  = 30 * time.Second       // how often the place in a log is put on record that says nothing of us
)

// follower reads the log of a relay and puts on record what it says of our mails. One goroutine
// uses it.
type follower struct {
	*engine
	relay, path string
	named       string // the log as the configuration has it
	file        *maillog.File
	trace       maillog.Trace
	held        []store.LogLine // that wait for our own record
	reached     store.LogPlace  // by reading
	kept        store.LogPlace  // on record, if nothing is held
	keptAt      time.Time       // machine's clock
	trouble     string          // that was logged last
	old         bool            // it was logged that lines are too old
}

// follow follows the logs of all relays that have one, until ctx ends.
func (e *engine) follow(ctx context.Context) {
	var tasks sync.WaitGroup
	for _, f := range e.logs() {
		tasks.Go(func() {
			defer f.close()
			repeat(ctx, f.read)
		})
	}
	tasks.Wait()
}

// logs are the followers of all relays that have a log.
func (e *engine) logs() (list []*follower) {
	for _, r := range e.cfg.Relays {
		if r.Log != "" {
			list = append(list, e.follower(r))
		}
	}
	return list
}

// once reads a log to its end and returns how much news there was in it.
func (f *follower) once(ctx context.Context) (news int, err error) {
	defer f.close()
	for more := true; more && err == nil; {
		var n int
		n, more, err = f.stretch(ctx, true)
		news += n
	}
	if err != nil {
		return news, fmt.Errorf("%s: %w", f.name(), err)
	}
	return news, nil
}

func (e *engine) follower(r schedule.Relay) *follower {
	path := r.Log
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(e.cfg.File), path)
	}
	return &follower{engine: e, relay: r.Name, path: path, named: r.Log,
		trace: maillog.Trace{Classify: report.Classify, Now: time.Now, Zone: time.Local}}
}

// name is what the log's place is kept under, wherever the program is run: relays on one server may
// share a log.
func (f *follower) name() string { return "log of " + f.relay + ": " + f.named }

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
	}
}

// read reads a stretch of the log and returns how long to wait for the next.
func (f *follower) read(ctx context.Context) (wait time.Duration) {
	_, more, err := f.stretch(ctx, false)
	says := ""
	switch {
	case ctx.Err() != nil:
		return 0
	case err != nil:
		says, wait = err.Error(), time.Second
	case len(f.held) >= mostHeld || len(f.held) > 0 && !more:
		wait = heldEvery
	case !more:
		wait = followEvery
	}
	if says != f.trouble {
		log := f.log.With(slog.String("relay", f.relay), slog.String("log", f.path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			log.Warn("log is not there: what comes after the relay's 250 shows once it is")
		case err != nil:
			log.Error("follow log", slog.Any("error", err))
		default:
			log.Info("log is followed")
		}
		f.trouble = says
	}
	return wait
}

// stretch takes in what there is, up to some hundred lines, with those that are held. With keep its
// place is put on record in any case. It returns how much news there was, and whether there is more to
// read at once.
func (f *follower) stretch(ctx context.Context, keep bool) (news int, more bool, err error) {
	if f.file == nil {
		if err := f.begin(ctx); err != nil {
			return 0, false, err
		}
	}
	lines, end := f.held, f.reached
	if len(f.held) < mostHeld {
		if lines, end, more, err = f.fetch(); err != nil {
			return 0, false, err
		}
	}
	if lines, err = f.db.Ours(ctx, f.relay, lines); err != nil {
		f.reopen()
		return 0, false, err
	}
	f.reached = end
	if len(lines)+len(f.held) == 0 && (end == f.kept || !keep && time.Since(f.keptAt) < placeEvery) {
		return 0, more, nil
	}
	taken, err := f.db.TakeLog(ctx, f.relay, f.name(), lines, end, f.now())
	if err != nil {
		f.reopen()
		return 0, false, err
	}
	f.held, f.kept, f.keptAt = taken.Held, end, time.Now()
	f.complainOf(&taken)
	return taken.New, more, nil
}

// complainOf logs what was left out.
func (f *follower) complainOf(taken *store.LogTaken) {
	log := f.log.With(slog.String("relay", f.relay), slog.String("log", f.path))
	for _, err := range taken.Failed {
		log.Error("a line of the log is left out", slog.Any("error", err))
	}
	if taken.Old > 0 && !f.old {
		f.old = true
		log.Warn("lines of the log are from before their mails left, and count for nothing: "+
			"the database was put back or made anew, or the log has another clock or time zone", slog.Int("lines", taken.Old))
	}
}

// begin goes on where the record says.
func (f *follower) begin(ctx context.Context) error {
	from, err := f.db.LogPlace(ctx, f.name())
	if err != nil {
		return err
	}
	file := maillog.Follow(f.path, maillog.Place(from))
	if err := file.Earlier(func(line []byte) { f.trace.Line(line, maillog.Place{}) }); err != nil {
		return err
	}
	f.file, f.reached, f.kept, f.keptAt = file, from, from, time.Now()
	return nil
}

// reopen has the next stretch begin where the record says: what was read is not on it.
func (f *follower) reopen() {
	f.close()
	f.file, f.held = nil, nil
}

// fetch reads what there is, behind the lines that are held.
func (f *follower) fetch() (lines []store.LogLine, end store.LogPlace, more bool, err error) {
	lines = f.held
	seen := time.Now()
	shift := f.now().Sub(seen).Round(time.Second)
	if shift.Abs() < time.Minute {
		shift = 0
	}
	at, more, err := f.file.Read(func(line []byte, at maillog.Place) {
		if e, ok := f.trace.Line(line, at); ok {
			e.At = e.At.Add(shift) // as the program's clock has it
			lines = append(lines, f.line(&e, seen))
		}
	})
	if why := f.file.Lost(); why != "" {
		f.log.Warn("lines of the log are missing", slog.String("relay", f.relay), slog.String("log", f.path), slog.String("reason", why))
	}
	return lines, store.LogPlace(at), more, err
}

// line is what an entry means to the ledger. Of the envelope sender the token counts.
func (f *follower) line(e *maillog.Entry, seen time.Time) store.LogLine {
	return store.LogLine{Next: e.Next, Told: e.Told, Removed: e.Removed, Place: store.LogPlace(e.Place), Seen: seen,
		Event: intake.Event{News: e.News, Source: "log", Of: of(f.keys, e.From), Relay: f.relay, Queue: e.Queue, Sure: true}}
}

// of reads the token in an envelope sender. Servers that rewrite it (SRS, BATV) leave that in it.
func of(keys *subscribers.Keys, sender string) (o intake.Of) {
	prefix := subscribers.Bounces.Name() + "+"
	n := strings.Index(strings.ToLower(sender), prefix)
	if n < 0 {
		return o
	}
	token := sender[n+len(prefix):]
	if end := strings.IndexFunc(token, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '2' || r > '7')
	}); end >= 0 {
		token = token[:end]
	}
	if edition, wall, reader, ok := keys.OpenReturnPath(token); ok {
		o = intake.Of{Edition: edition, Wall: wall, Subscriber: reader}
	}
	return o
}
