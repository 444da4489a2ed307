package digest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/stories"
)

// longestMemory is how far back it counts that a story was sent which entered a further section only today. Stories
// that are young enough by max_age count in any case.
const longestMemory = 90 * 24 * time.Hour

// writer is the opening of one issue. It keeps no digests: a digest that is stored is known by its id alone, so
// memory grows by some fifty octets for each, whatever it holds.
type writer struct {
	*Opener
	issue   *Issue
	log     *slog.Logger
	spans   Spans
	pool    *Pool
	zones   schedule.Zones
	chooser *Chooser
	helpers []*Chooser          // that choose beside it
	reach   map[int64]time.Time // by Unix nanoseconds of the oldest arrival; see [Pool.Reach]

	stored known                    // digests of chunks that are committed
	fresh  map[key]*Digest          // those of the chunk at hand
	loaded map[int64]*stories.Story // by revision
	chosen []choice                 // for the readers of the chunk at hand
	relays *RelayDay                // of the chunk at hand; nil without Routes
	dry    bool                     // nothing is written, so the ledger does not know what relays were assigned before
	before func()                   // called before choosing for a chunk, once or more often; nil = nothing
}

// choice is what one reader of a chunk gets.
type choice struct {
	selection Selection
	key       key
	window    Window
}

// key identifies a selection within an issue.
type key [16]byte

func (o *Opener) writer(ctx context.Context, i *Issue, log *slog.Logger) (*writer, error) {
	return o.writerBehind(ctx, i, -1, log)
}

// writerBehind is a writer for readers whose windows all start at that arrival number or later: it
// leaves out what came before, which takes most of the time.
func (o *Opener) writerBehind(ctx context.Context, i *Issue, start int64, log *slog.Logger) (*writer, error) {
	cal, err := newCalendar(o.Edition, i)
	if err != nil {
		return nil, err
	}
	upTo := i.Cutoff
	if i.ID == 0 && i.Cutoff == 0 {
		upTo = 1<<63 - 1
	}
	candidates, err := o.Ledger.Pool(ctx, cal.since(), upTo)
	if err != nil {
		return nil, fmt.Errorf("load stories: %w", err)
	}
	candidates = slices.DeleteFunc(candidates, func(c Candidate) bool { return c.Arrival <= start })
	if i.ID == 0 && i.Cutoff == 0 {
		for _, c := range candidates {
			i.Cutoff = max(i.Cutoff, c.Arrival)
		}
	}
	w := &writer{
		Opener: o,
		issue:  i,
		log:    log,
		pool:   NewPool(candidates, o.Config, o.Edition, i.Due),
		reach:  map[int64]time.Time{},
		stored: known{max: maxKnown},
		fresh:  map[key]*Digest{},
		loaded: map[int64]*stories.Story{},
	}
	w.chooser = NewChooser(w.pool)
	w.spans = Spans{
		Cutoff: i.Cutoff,
		First:  w.pool.NumberAt(i.Due.Add(-o.Edition.First), i.Cutoff),
		Period: func(days []int) int64 { return w.pool.NumberAt(cal.period(days), i.Cutoff) },
		Oldest: cal.oldest,
	}
	return w, nil
}

// plan decides on the deliveries of a chunk.
func (w *writer) plan(ctx context.Context, c Chunk) ([]Planned, error) {
	clear(w.fresh) // left over if the chunk before was rolled back
	readers := c.Readers()
	seen, err := c.Seen(ctx, w.since(readers), w.Edition.Roundup)
	if err != nil {
		return nil, fmt.Errorf("load what readers have seen: %w", err)
	}
	edits, err := c.Edits(ctx)
	if err != nil {
		return nil, fmt.Errorf("load what editors did: %w", err)
	}
	w.pool.edit(edits)
	for done := false; !done; {
		w.choose(readers, seen)
		if done, err = w.layOut(ctx); err != nil {
			return nil, err
		}
	}
	if w.Routes != nil && (w.relays == nil || !w.dry) {
		day, assigned, err := c.Assigned(ctx)
		if err != nil {
			return nil, fmt.Errorf("load what relays were assigned: %w", err)
		}
		w.relays = w.Routes.Day(day, assigned)
	}
	out := make([]Planned, len(readers))
	for n := range readers {
		out[n] = w.planned(&readers[n], &w.chosen[n])
	}
	return out, nil
}

// since is from when on it matters what readers have seen: no longer than it must, for there are many readers.
func (w *writer) since(readers []Reader) time.Time {
	var oldest time.Time
	for n := range readers {
		if t := w.spans.Oldest(readers[n].Days); oldest.IsZero() || t.Before(oldest) {
			oldest = t
		}
	}
	t, ok := w.reach[oldest.UnixNano()]
	if !ok {
		t = w.pool.Reach(oldest)
		if limit := w.issue.Due.Add(-longestMemory); t.Before(limit) && limit.Before(oldest.Add(-eventSpan)) {
			t = limit
		}
		w.reach[oldest.UnixNano()] = t
	}
	return t
}

// choose fills w.chosen.
func (w *writer) choose(readers []Reader, seen map[int64][]int64) {
	if w.before != nil {
		w.before()
	}
	w.chosen = w.chosen[:0]
	for n := range readers {
		r := &readers[n]
		if _, err := w.zones.Load(r.Zone); err != nil { // none given, or one that this machine does not know
			r.Zone = w.issue.Zone
		}
		if r.Language == "" {
			r.Language = w.Config.Publication.Language
		}
		w.chosen = append(w.chosen, choice{window: w.spans.Window(r)})
	}
	// A chooser has one reader at a time, and none changes the pool.
	for w.chooser.Told == nil && len(w.helpers) < min(runtime.GOMAXPROCS(0), len(readers)/readersAChooser)-1 {
		w.helpers = append(w.helpers, NewChooser(w.pool))
	}
	var wg sync.WaitGroup
	for k, helper := range w.helpers {
		wg.Go(func() { w.chooseEach(helper, readers, seen, k+1) })
	}
	w.chooseEach(w.chooser, readers, seen, 0)
	wg.Wait()
}

// readersAChooser is how many readers are worth a chooser of their own.
const readersAChooser = 50

// chooseEach chooses for the reader at from and for every one after as many as there are choosers.
func (w *writer) chooseEach(chooser *Chooser, readers []Reader, seen map[int64][]int64, from int) {
	for n := from; n < len(readers); n += 1 + len(w.helpers) {
		r, c := &readers[n], &w.chosen[n]
		if r.Barred == "" {
			c.selection = chooser.Choose(r, c.window, seen[r.Subscriber])
			c.key = c.selection.key()
		} else if chooser.Told != nil {
			chooser.Choose(r, c.window, seen[r.Subscriber]) // for what it tells
		}
	}
}

// layOut makes the digests that are not there yet. done is false if a story could not be laid out: it is out of the
// pool now, and the chunk is to be chosen again.
func (w *writer) layOut(ctx context.Context) (done bool, err error) {
	type job struct {
		key       key
		selection *Selection
		digest    *Digest
		err       error
	}
	var jobs []job
	for n := range w.chosen {
		c := &w.chosen[n]
		if _, known := w.fresh[c.key]; known || w.stored.id(c.key) != 0 || len(c.selection.Sections) == 0 {
			continue
		}
		w.fresh[c.key] = nil
		jobs = append(jobs, job{key: c.key, selection: &c.selection})
	}
	if err := w.load(ctx, func(yield func(*Selection) bool) {
		for i := range jobs {
			if !yield(jobs[i].selection) {
				return
			}
		}
	}); err != nil {
		return false, err
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(jobs)); n = next.Add(1) - 1 {
				j := &jobs[n]
				j.digest, j.err = w.Layout.Layout(ctx, w.issue, j.selection, w.story)
			}
		})
	}
	wg.Wait()

	done = true
	for _, j := range jobs {
		if j.err == nil {
			j.digest.Key = hex.EncodeToString(j.key[:])
			w.fresh[j.key] = j.digest
			continue
		}
		delete(w.fresh, j.key)
		bad, ok := errors.AsType[*StoryError](j.err)
		if !ok {
			return false, j.err
		}
		story, ok := j.selection.storyOf(bad.Revision)
		if !ok {
			return false, j.err
		}
		if w.pool.Drop(story) {
			w.log.Error("story left out of the issue", slog.Int64("story", story), slog.Any("error", bad.Err))
		}
		done = false
	}
	return done, nil
}

// planned is the delivery that a choice comes to.
func (w *writer) planned(r *Reader, c *choice) Planned {
	p := Planned{
		Subscriber:  r.Subscriber,
		SettingsID:  r.SettingsID,
		State:       string(mailer.Queued),
		WindowStart: c.window.Start,
		WindowEnd:   c.window.End,
		Unreached:   r.Previous != nil && !r.Previous.Reached(),
	}
	for _, picked := range c.selection.Sections {
		p.Stories += len(picked.Stories)
	}
	switch {
	case r.Barred != "":
		p.State, p.Reason = string(mailer.Suppressed), r.Barred
	case len(c.selection.Sections) == 0:
		p.State, p.Reason = string(mailer.Skipped), "nothing new"
	case !w.route(r, &p):
		p.State, p.Reason = string(mailer.Failed), ReasonNoRelay
	case w.stored.id(c.key) != 0:
		p.Digest = &Digest{ID: w.stored.id(c.key), Key: hex.EncodeToString(c.key[:])}
	default:
		p.Digest = w.fresh[c.key]
	}
	return p
}

// route gives a delivery to a relay; false if none takes it.
func (w *writer) route(r *Reader, p *Planned) (ok bool) {
	if w.relays == nil {
		return true
	}
	p.Relay, ok = w.relays.Assign(r.Subscriber, r.Address)
	return ok
}

// keep notes the ids of the digests that a committed chunk has stored.
func (w *writer) keep() {
	for k, d := range w.fresh {
		if d.ID != 0 {
			w.stored.add(k, d.ID)
		}
	}
	clear(w.fresh)
	w.stored.trim()
}

// load fetches the stories of selections that are not there yet.
func (w *writer) load(ctx context.Context, selections iter.Seq[*Selection]) error {
	var missing []int64
	for s := range selections {
		for _, p := range s.Sections {
			for _, pick := range p.Stories {
				if _, asked := w.loaded[pick.Revision]; !asked {
					missing = append(missing, pick.Revision)
					w.loaded[pick.Revision] = nil
				}
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	found, err := w.Ledger.Stories(ctx, missing)
	if err != nil {
		for _, revision := range missing {
			delete(w.loaded, revision)
		}
		return fmt.Errorf("load stories: %w", err)
	}
	for revision, story := range found {
		w.loaded[revision] = digestible(story)
	}
	return nil
}

// digestible is as much of a story as a digest can show: a pool of thousands is held in memory while an issue opens.
func digestible(s *stories.Story) *stories.Story {
	short := *s
	short.Blocks = append([]stories.Block(nil), s.Blocks[:min(3, len(s.Blocks))]...)
	short.Extra, short.Warnings, short.Crossheads, short.Tags, short.TagsRaw = nil, nil, nil, nil, ""
	return &short
}

func (w *writer) story(revision int64) (*stories.Story, error) {
	s := w.loaded[revision]
	if s == nil {
		return nil, &StoryError{revision, errors.New("revision is not in the database")}
	}
	return s, nil
}

func (s *Selection) storyOf(revision int64) (int64, bool) {
	for _, p := range s.Sections {
		for _, pick := range p.Stories {
			if pick.Revision == revision {
				return pick.Story, true
			}
		}
	}
	return 0, false
}

// key hashes everything by which two digests of an issue may differ.
func (s *Selection) key() key {
	b := make([]byte, 0, 512)
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	text(s.Language)
	text(s.Zone)
	if s.TextOnly {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	for _, p := range s.Sections {
		text(p.Section)
		b = binary.AppendUvarint(b, uint64(p.More))
		b = binary.AppendUvarint(b, uint64(len(p.Stories)))
		for _, pick := range p.Stories {
			b = binary.AppendVarint(b, pick.Story)
			b = binary.AppendVarint(b, pick.Revision)
		}
	}
	sum := sha256.Sum256(b)
	return key(sum[:16])
}
