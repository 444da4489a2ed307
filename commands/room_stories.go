package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"broadsheet/digest"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/stories"
	"broadsheet/web/room"
)

// roomStories meets [room.Stories].
type roomStories struct{ *engine }

// storyCounts counts who has a story, in the background: in the digests of a large issue that takes longer
// than a page may. One is counted at a time.
type storyCounts struct {
	mu   sync.Mutex
	kept map[int64]*storyCount
	turn sync.Mutex
}

type storyCount struct {
	done   chan struct{}
	until  time.Time // good so long; zero = it is being counted
	asked  time.Time
	issues []room.StoryIssue
	first  []room.StoryHaving
	err    error
}

const (
	countWait  = 150 * time.Millisecond // that a page waits for a count
	countKept  = 5 * time.Second        // at least
	countShare = 20                     // and so many times what counting took
	countMost  = 64                     // stories whose counts are kept
)

// of gives the count of a story, nil if it is still under way after the wait.
func (c *storyCounts) of(ctx context.Context, e *engine, story int64) *storyCount {
	c.mu.Lock()
	one := c.kept[story]
	if one == nil || !one.until.IsZero() && time.Now().After(one.until) {
		one = &storyCount{done: make(chan struct{})}
		if c.kept == nil {
			c.kept = map[int64]*storyCount{}
		}
		c.kept[story] = one
		c.forget()
		e.jobs.begin(func(ctx context.Context) { c.count(ctx, e, story, one) })
	}
	one.asked = time.Now()
	c.mu.Unlock()
	select {
	case <-one.done:
		return one
	case <-time.After(countWait):
	case <-ctx.Done():
	}
	return nil
}

// forget drops the counts that nobody has asked for the longest.
func (c *storyCounts) forget() {
	for len(c.kept) > countMost {
		oldest := int64(0)
		for id, k := range c.kept {
			if !k.until.IsZero() && (oldest == 0 || k.asked.Before(c.kept[oldest].asked)) {
				oldest = id
			}
		}
		if oldest == 0 {
			return
		}
		delete(c.kept, oldest)
	}
}

func (c *storyCounts) count(ctx context.Context, e *engine, story int64, into *storyCount) {
	defer close(into.done)
	c.turn.Lock()
	defer c.turn.Unlock()
	began := time.Now()
	issues, first, err := countHaving(roomStories{e}.Having(ctx, story))
	c.mu.Lock()
	defer c.mu.Unlock()
	into.issues, into.first, into.err = issues, first, err
	into.until = time.Now().Add(max(countKept, countShare*time.Since(began)))
}

// countHaving counts by issue, and keeps the first.
func countHaving(list iter.Seq2[room.StoryHaving, error]) (issues []room.StoryIssue, first []room.StoryHaving, err error) {
	for h, err := range list {
		if err != nil {
			return nil, nil, err
		}
		if len(first) < room.StoryFirst {
			first = append(first, h)
		}
		if n := len(issues); n == 0 || issues[n-1].Issue != h.Issue {
			issues = append(issues, room.StoryIssue{Issue: h.Issue, Edition: h.Edition, Slot: h.Slot, States: map[string]int{}})
		}
		i := &issues[len(issues)-1]
		i.Readers++
		i.States[h.State]++
	}
	slices.Reverse(issues)
	return issues, first, nil
}

// Find meets [room.Stories].
func (r roomStories) Find(ctx context.Context, q room.StoryQuery, limit int) ([]room.StoryLine, error) {
	found, err := r.db.FindStories(ctx, store.StoryQuery{Text: q.Text, Section: q.Section, Source: q.Source, State: q.State, Since: q.Since, Before: q.Before}, r.now(), limit)
	if err != nil {
		return nil, err
	}
	lines := make([]room.StoryLine, 0, len(found))
	for _, l := range found {
		line := room.StoryLine{ID: l.ID, Headline: l.Headline, Sections: list(l.Sections), Source: l.Source, Published: l.Published, Arrived: l.First,
			Held: l.Held, Withdrawn: l.Withdrawn, Corrected: l.Corrected, Pin: l.Pin, Revisions: l.Revisions, Leads: r.leads(l.Tops)}
		if !l.Withdrawn.IsZero() {
			line.Held, line.Pin = time.Time{}, 0
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// leads are the places where a story is on top now.
func (r roomStories) leads(tops []digest.Top) []room.StoryLead {
	out := []room.StoryLead{}
	for _, t := range tops {
		if t.Until.After(r.now()) {
			out = append(out, room.StoryLead{Edition: t.Edition, Section: t.Section, Until: t.Until})
		}
	}
	return out
}

// Story meets [room.Stories].
func (r roomStories) Story(ctx context.Context, id int64) (*room.Story, error) {
	s, err := r.storyAsItIs(ctx, id)
	if err != nil {
		return nil, err
	}
	if count := r.counts.of(ctx, r.engine, id); count == nil {
		s.Counting = true
	} else if s.Issues, s.First, err = list(count.issues), count.first, count.err; err != nil {
		return nil, err
	}
	return s, nil
}

// Exists meets [room.Stories].
func (r roomStories) Exists(ctx context.Context, id int64) error {
	_, err := r.db.Story(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: there is no story %d", room.ErrNotFound, id)
	}
	return err
}

// storyAsItIs is all of a story but who has it.
func (r roomStories) storyAsItIs(ctx context.Context, id int64) (*room.Story, error) {
	row, err := r.db.Story(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: there is no story %d", room.ErrNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	w := &row.Story
	s := &room.Story{URL: w.URL, Lead: w.Lead, Language: cmp.Or(w.Language, r.cfg.Publication.Language), Credit: credit(w), Issues: []room.StoryIssue{}, Acts: []room.StoryAct{}, Clicks: []room.StoryClicks{}}
	found, err := r.Find(ctx, room.StoryQuery{Before: id + 1}, 1)
	if err != nil {
		return nil, err
	}
	s.StoryLine = found[0]
	where, err := r.db.StorySections(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, p := range where {
		name := p.Section
		if c, ok := r.cfg.Section(p.Section); ok {
			name = cmp.Or(c.Name, p.Section)
		}
		s.Where = append(s.Where, room.StorySection{Section: p.Section, Name: name, Arrival: p.Arrival, Arrived: p.Arrived, Pin: p.Pin})
	}
	wordings, err := r.db.StoryRevisions(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, v := range wordings {
		s.Wordings = append(s.Wordings, room.StoryRevision{ID: v.ID, At: v.At, Editor: v.Editor, Headline: v.Headline, Lead: v.Lead})
	}
	clicks, err := r.db.StoryClicks(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, c := range clicks {
		s.Clicks = append(s.Clicks, room.StoryClicks{Edition: c.Edition, Slot: c.Slot.Format("2006-01-02 15:04"), Clicks: c.Clicks})
	}
	for a, err := range r.db.Audit(ctx, store.AuditFilter{Object: fmt.Sprint("story ", id)}) {
		if err != nil {
			return nil, err
		}
		s.Acts = append(s.Acts, room.StoryAct{At: a.At, Who: a.By.Who, Why: a.By.Why, Act: a.Act, Detail: a.Detail})
		if len(s.Acts) == 100 {
			break
		}
	}
	s.Waiting, err = r.db.Withheld(ctx)
	return s, err
}

// Having meets [room.Stories].
func (r roomStories) Having(ctx context.Context, id int64) iter.Seq2[room.StoryHaving, error] {
	return func(yield func(room.StoryHaving, error) bool) {
		var rest func(context.Context, time.Duration) error
		if r.board != nil { // in a room, which may be that of a process that sends
			rest = r.board.rest
		}
		for h, err := range r.db.Having(ctx, id, rest) {
			if !yield(room.StoryHaving{Delivery: h.Delivery, Issue: h.Issue, Edition: h.Edition, Slot: h.Slot, Subscriber: h.Subscriber, Address: h.Address,
				State: string(h.State), Reason: h.Reason, Copies: h.Copies, Revision: h.Revision, At: h.At}, err) {
				return
			}
		}
	}
}

// Places meets [room.Stories].
func (r roomStories) Places(context.Context) (*room.StoryPlaces, error) {
	p := &room.StoryPlaces{Zone: r.typedZone().String()}
	for _, s := range r.cfg.Sections {
		if s.MovedTo == "" {
			p.Sections = append(p.Sections, room.Choice{Value: s.ID, Name: cmp.Or(s.Name, s.ID)})
		}
	}
	for _, f := range r.cfg.Feeds {
		p.Sources = append(p.Sources, room.Choice{Value: f.URL, Name: f.URL})
	}
	p.Sources = append(p.Sources, room.Choice{Value: stories.PushScope, Name: "The newsroom's system"})
	for _, e := range r.cfg.Editions {
		p.Editions = append(p.Editions, room.Choice{Value: e.Name, Name: cmp.Or(e.Title, e.Name)})
	}
	return p, nil
}

// typedZone is the zone of times that people type: the publication's first city, else UTC.
func (e *engine) typedZone() *time.Location {
	if cities := e.cfg.Publication.Cities; len(cities) > 0 {
		if zone, err := e.cfg.Location(cities[0].Zone); err == nil {
			return zone
		}
	}
	return time.UTC
}

// typedTime reads a time that lies ahead: 2026-04-02 14:30 in the publication's zone, RFC 3339, or a length
// from now such as 3h.
func (e *engine) typedTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	at, err := time.Parse(time.RFC3339, s)
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly} {
		if err != nil {
			at, err = time.ParseInLocation(form, s, e.typedZone())
		}
	}
	if err != nil {
		var d time.Duration
		if d, err = time.ParseDuration(s); err == nil {
			at = e.now().Add(d)
		}
	}
	switch {
	case err != nil:
		return at, fmt.Errorf("%q is no time: write 2026-04-02 14:30 (%s), 2026-04-02T14:30:00Z, or a length such as 3h", s, e.typedZone())
	case !at.After(e.now()):
		return at, fmt.Errorf("%s is over: give a time that lies ahead", at.Format(time.RFC3339))
	}
	return at, nil
}

// refused says for people why an act on a story is not done.
func (r roomStories) refused(err error, id int64) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: there is no story %d", room.ErrNotFound, id)
	case errors.Is(err, stories.ErrWithdrawn):
		return fmt.Errorf("%w: story %d was withdrawn, for good", room.ErrRefused, id)
	case errors.Is(err, store.ErrUnchanged):
		return fmt.Errorf("%w: story %d is so already", room.ErrRefused, id)
	}
	return err
}

// Pin meets [room.Stories].
func (r roomStories) Pin(ctx context.Context, by operators.By, id int64, section string, pin int) (string, error) {
	where, err := r.db.StorySections(ctx, id)
	if err != nil {
		return "", err
	}
	if section != "" && len(where) > 0 && !slices.ContainsFunc(where, func(s store.StorySection) bool { return s.Section == section }) {
		return "", fmt.Errorf("%w: story %d is not in section %q", room.ErrRefused, id, section)
	}
	if err := r.db.PinStory(ctx, by, id, section, pin, r.now()); err != nil {
		return "", r.refused(err, id)
	}
	if pin == 0 {
		return fmt.Sprintf("Story %d is not pinned any more.", id), nil
	}
	return fmt.Sprintf("Story %d has pin %d in issues that open from now on.", id, pin), nil
}

// Lead meets [room.Stories].
func (r roomStories) Lead(ctx context.Context, by operators.By, id int64, edition, section, until string) (string, error) {
	at, err := r.typedTime(until)
	if err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	place, err := r.leadPlace(edition, section)
	if err != nil {
		return "", err
	}
	if err := r.db.LeadStory(ctx, by, id, digest.Top{Edition: edition, Section: section, Until: at}, r.now()); err != nil {
		return "", r.refused(err, id)
	}
	return fmt.Sprintf("Story %d leads %s until %s, in issues that open from now on.", id, place, at.In(r.typedZone()).Format("2006-01-02 15:04 MST")), nil
}

// leadPlace names the place where a story is to be on top, if there is such a place.
func (r roomStories) leadPlace(edition, section string) (string, error) {
	if edition != "" && section == "" {
		if r.cfg.Edition(edition) == nil {
			return "", fmt.Errorf("%w: there is no edition %q", room.ErrRefused, edition)
		}
		return "edition " + edition, nil
	}
	if _, ok := r.cfg.Section(section); !ok || edition != "" {
		return "", fmt.Errorf("%w: name an edition or a section of %s", room.ErrRefused, r.cfg.File)
	}
	return "section " + section, nil
}

// Unlead meets [room.Stories].
func (r roomStories) Unlead(ctx context.Context, by operators.By, id int64, edition, section string) (string, error) {
	if err := r.db.LeadStory(ctx, by, id, digest.Top{Edition: edition, Section: section}, r.now()); err != nil {
		return "", r.refused(err, id)
	}
	return fmt.Sprintf("Story %d does not lead %s any more.", id, cmp.Or(edition, section)), nil
}

// Hold meets [room.Stories].
func (r roomStories) Hold(ctx context.Context, by operators.By, id int64, until string) (string, error) {
	at, err := r.typedTime(until)
	if err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	if err := r.db.HoldStory(ctx, by, id, at, r.now()); err != nil {
		return "", r.refused(err, id)
	}
	return fmt.Sprintf("Story %d is held back until %s.", id, at.In(r.typedZone()).Format("2006-01-02 15:04 MST")), nil
}

// Release meets [room.Stories].
func (r roomStories) Release(ctx context.Context, by operators.By, id int64) (string, error) {
	if err := r.db.ReleaseStory(ctx, by, id, r.now()); err != nil {
		if errors.Is(err, store.ErrUnchanged) {
			err = fmt.Errorf("%w: story %d is not held", room.ErrRefused, id)
		}
		return "", r.refused(err, id)
	}
	return fmt.Sprintf("Story %d has come in.", id), nil
}

// Correct meets [room.Stories].
func (r roomStories) Correct(ctx context.Context, by operators.By, id int64, c room.StoryCorrection) (string, error) {
	revision, err := r.db.CorrectStory(ctx, by, id, func(s *stories.Story) error {
		s.Headline = cmp.Or(strings.TrimSpace(c.Headline), s.Headline)
		s.Lead = cmp.Or(strings.TrimSpace(c.Lead), s.Lead)
		if text := strings.TrimSpace(c.Text); text != "" {
			s.Blocks, s.Words = nil, len(strings.Fields(text))
			for paragraph := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
				if p := strings.Join(strings.Fields(paragraph), " "); p != "" {
					s.Blocks = append(s.Blocks, stories.Block{Type: "p", Text: p})
				}
			}
		}
		return nil
	}, r.now())
	if err != nil {
		return "", r.refused(err, id)
	}
	return fmt.Sprintf("Story %d is corrected: revision %d goes from now on.", id, revision), nil
}

// Withdraw meets [room.Stories].
func (r roomStories) Withdraw(ctx context.Context, by operators.By, id int64) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	news, err := r.db.WithdrawStory(ctx, by, id, r.now())
	if err != nil {
		return "", r.refused(err, id)
	}
	if !news {
		return fmt.Sprintf("Story %d was withdrawn before.", id), nil
	}
	r.log.Info("story withdrawn", slog.Int64("story", id), slog.String("who", by.Who), slog.String("why", by.Why))
	return fmt.Sprintf("Story %d is withdrawn. Nothing with it leaves any more.", id), nil
}
