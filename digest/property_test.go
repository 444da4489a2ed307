package digest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// world is a ledger that can be lived in: stories come in, readers change their minds, mails go out or do not.
type world interface {
	digest.Ledger
	digest.Diary
	// intake puts stories on record, each in one or more sections; those with a known id enter further ones.
	intake(now time.Time, news []stories.Story)
	// settings makes these a reader's settings; barred is the reason of a suppression.
	settings(now time.Time, id int64, s subscribers.Settings, barred string)
	// deliveries lists everything written so far, in the order of writing.
	deliveries() []row
	// step takes the n-th delivery, if it may still change, one step on, as chance has it.
	step(rnd *rand.Rand, now time.Time, n int)
}

// listing lays a selection out as far as the property needs it.
type listing struct{}

func (listing) Layout(_ context.Context, _ *digest.Issue, s *digest.Selection, _ func(int64) (*stories.Story, error)) (*digest.Digest, error) {
	d := &digest.Digest{Language: s.Language, Zone: s.Zone, TextOnly: s.TextOnly}
	for _, p := range s.Sections {
		for _, pick := range p.Stories {
			d.Items = append(d.Items, digest.Item{Story: pick.Story, Revision: pick.Revision, Section: p.Section})
		}
	}
	return d, nil
}

type life struct {
	t        *testing.T
	rnd      *rand.Rand
	world    world
	now      time.Time
	config   *schedule.Config
	editions []*schedule.Edition
	finder   *digest.Finder
	readers  map[int64]subscribers.Settings
	barred   map[int64]string
	books    map[string]*book
	known    int // deliveries already entered in the books
	stories  int64
	log      []string
}

var zones = []string{"", "Asia/Dubai", "Europe/London", "America/Los_Angeles", "Pacific/Auckland"}
var sections = []string{"world", "city", "arts", "sport", "science", "food"}

func newLife(t *testing.T, w world, seed uint64) *life {
	l := &life{t: t, rnd: rand.New(rand.NewPCG(seed, 11)), world: w, now: time.Date(2026, 3, 20, 9, 0, 0, 0, time.UTC),
		readers: map[int64]subscribers.Settings{}, barred: map[int64]string{}, books: map[string]*book{}}
	l.config = &schedule.Config{Publication: schedule.Publication{Language: "en",
		Cities: []schedule.City{{Name: "Dubai", Zone: "Asia/Dubai"}}}}
	for _, s := range sections {
		l.config.Sections = append(l.config.Sections, schedule.Section{ID: s, Name: s, Weight: 1})
	}
	for _, e := range []schedule.Edition{
		{Name: "morning", Cron: "30 7 * * *", Zone: schedule.ReaderZone, Hours: []int{5, 7, 9}, Stories: 3 + l.rnd.IntN(18)},
		{Name: "evening", Cron: "0 18 * * 1-5", Zone: "Europe/London", Stories: 12, Prepare: 45 * time.Minute,
			MaxAge: 30 * time.Hour},
	} {
		ready, err := schedule.NewEdition(e)
		if err != nil {
			t.Fatal(err)
		}
		l.editions = append(l.editions, &ready)
	}
	l.finder = &digest.Finder{Diary: w, Config: l.config}
	for id := range int64(6) {
		l.change(id + 1)
	}
	return l
}

func (l *life) note(format string, args ...any) {
	l.log = append(l.log, l.now.Format("01-02 15:04 ")+fmt.Sprintf(format, args...))
}

func (l *life) fail(format string, args ...any) {
	l.t.Helper()
	l.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(l.log[max(0, len(l.log)-60):], "\n"))
}

// change gives a reader other settings.
func (l *life) change(id int64) {
	s, ok := l.readers[id]
	if !ok {
		s = subscribers.Settings{Address: fmt.Sprintf("reader%d@example.com", id), Status: subscribers.Active, Hour: -1}
	}
	switch what := l.rnd.IntN(8); {
	case !ok || what == 0:
		s.Sections = nil
		for _, i := range l.rnd.Perm(len(sections))[:1+l.rnd.IntN(len(sections))] {
			level := []subscribers.Level{subscribers.Normal, subscribers.Normal, subscribers.Normal, subscribers.Less, subscribers.Muted}
			s.Sections = append(s.Sections, subscribers.Follow{Section: sections[i], Level: level[l.rnd.IntN(5)]})
		}
		if !ok {
			s.Editions = []string{"morning"}
		}
	case what <= 2:
		s.Zone = zones[l.rnd.IntN(len(zones))]
	case what == 3:
		s.Hour = l.rnd.IntN(25) - 1
	case what == 4:
		s.Editions = [][]string{{"morning"}, {"morning", "evening"}, {"evening"}}[l.rnd.IntN(3)]
	case what == 5:
		s.Days = [][]int{nil, nil, {1, 3, 5}, {6, 7}}[l.rnd.IntN(4)]
	case what == 6:
		if l.barred[id] = ""; l.rnd.IntN(3) == 0 {
			l.barred[id] = "operator"
		}
	default:
		if s.Status = subscribers.Active; l.rnd.IntN(2) == 0 {
			s.Status = subscribers.Paused
		}
	}
	l.readers[id] = s
	l.note("reader %d: %s %v %q %d %v %v %s", id, s.Status, s.Editions, s.Zone, s.Hour, s.Days, s.Sections, l.barred[id])
	l.world.settings(l.now, id, s, l.barred[id])
	for _, e := range l.editions {
		if s.Status != subscribers.Active || !slices.Contains(s.Editions, e.Name) {
			l.book(id, e.Name).away = true
		}
	}
}

func (l *life) intake() {
	var news []stories.Story
	for range 1 + l.rnd.IntN(3) {
		s := stories.Story{Sections: []string{sections[l.rnd.IntN(len(sections))]}}
		if l.stories > 0 && l.rnd.IntN(6) == 0 { // an earlier one enters a further section
			s.ID = 1 + l.rnd.Int64N(l.stories)
			for _, p := range l.pool(1 << 40) {
				if p.Story == s.ID && p.Section == s.Sections[0] {
					s.ID = 0
				}
			}
		}
		if s.ID == 0 {
			l.stories++
			s.ID = l.stories
		}
		s.Headline = fmt.Sprintf("n%d o%d p%d q%d", s.ID, s.ID, s.ID, s.ID)
		s.URL = fmt.Sprintf("https://news.example/%d", s.ID)
		s.Canonical, s.GUID = s.URL, s.URL
		if !slices.ContainsFunc(news, func(o stories.Story) bool { return o.ID == s.ID }) {
			news = append(news, s)
			l.note("story %d in %s", s.ID, s.Sections[0])
		}
	}
	l.world.intake(l.now, news)
}

func (l *life) pool(upTo int64) []digest.Candidate {
	pool, err := l.world.Pool(l.t.Context(), time.Time{}, upTo)
	if err != nil {
		l.t.Fatal(err)
	}
	return pool
}

// rough hands the ledger's chunks on in ones and twos, so that an issue takes many, and may crash in one.
type rough struct {
	world
	rnd     *rand.Rand
	crashes bool
}

var errCrash = errors.New("crash")

func (r rough) WriteChunk(ctx context.Context, i *digest.Issue, a digest.Audience, _ int, now time.Time,
	plan func(digest.Chunk) ([]digest.Planned, error)) (bool, error) {
	return r.world.WriteChunk(ctx, i, a, 2, now, func(c digest.Chunk) ([]digest.Planned, error) {
		planned, err := plan(c)
		if r.crashes && r.rnd.IntN(8) == 0 {
			err = errCrash
		}
		return planned, err
	})
}

func (l *life) openDue(crashes bool) {
	for _, e := range l.editions {
		due, err := l.finder.Due(l.t.Context(), e, l.now)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, d := range due {
			o := &digest.Opener{Ledger: rough{l.world, l.rnd, crashes}, Layout: listing{}, Config: l.config, Edition: e,
				Now:    func() time.Time { return l.now },
				Routes: digest.NewRoutes([]schedule.Relay{{Name: "one", Weight: 1}, {Name: "two", Weight: 2}})}
			i, err := o.Open(l.t.Context(), d)
			l.note("open %s %s %s %d: audience %d, cutoff %d, %v", e.Name, i.Slot, i.Zone, i.Hour, i.Audience, i.Cutoff, err)
			if err != nil && !errors.Is(err, errCrash) {
				l.t.Fatal(err)
			}
			l.enter()
		}
	}
}

// run lives for some days, then lets everything arrive and opens what is left to open.
func (l *life) run(days int) {
	end := l.now.AddDate(0, 0, days)
	for l.now.Before(end) {
		wait := time.Duration(20+l.rnd.IntN(220)) * time.Minute
		if l.rnd.IntN(15) == 0 {
			wait = time.Duration(l.rnd.IntN(40)) * time.Hour // the program was down
		}
		l.now = l.now.Add(wait)
		if l.rnd.IntN(3) > 0 {
			l.intake()
		}
		if l.rnd.IntN(3) == 0 {
			l.change(int64(1 + l.rnd.IntN(6)))
		}
		l.openDue(true)
		l.steps(1 + l.rnd.IntN(3))
	}
	for id, s := range l.readers {
		s.Status, s.Days, s.Editions, l.barred[id] = subscribers.Active, nil, []string{"morning", "evening"}, ""
		l.readers[id] = s
		l.world.settings(l.now, id, s, "")
	}
	for range 24 * 3 {
		l.now = l.now.Add(time.Hour)
		l.openDue(false)
		l.steps(2)
	}
}

// steps takes each delivery some steps on.
func (l *life) steps(rounds int) {
	for range rounds {
		before := l.world.deliveries()
		for n := range before {
			if l.rnd.IntN(3) == 0 {
				l.world.step(l.rnd, l.now, n)
			}
		}
		rows := l.world.deliveries()
		for n := range rows {
			if rows[n].state != before[n].state {
				l.note("delivery %d of reader %d: %s, %d copies", n, rows[n].subscriber, rows[n].state, rows[n].copies)
			}
		}
		l.once(rows)
	}
}

func newModel() *model {
	return &model{readers: map[int64]*modelReader{}}
}

// Whatever readers change and whatever becomes of their mails, no story reaches one twice and none that was eligible
// and under the cap is lost: over the rules of the ledger in a few lines, for many lives.
func TestNothingTwiceNothingLost(t *testing.T) {
	lives := uint64(100)
	if testing.Short() {
		lives = 8
	}
	for seed := range lives {
		newLife(t, newModel(), seed).run(15)
	}
}
