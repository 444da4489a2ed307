package digest_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// model is the ledger's rules in as few words as they can be said: what the store does in SQL, without a database.
// The property test runs on it thousands of days long and, with fewer days, on the real one.
type model struct {
	pairs   []digest.Candidate
	readers map[int64]*modelReader
	issues  []*digest.Issue
	slots   []string
	rows    []*row // in the order in which they were written
	digests []*digest.Digest
}

type modelReader struct {
	subscribers.Settings
	barred   string
	returned map[string]bool // by edition: was away since the last delivery
}

// row is a delivery, with what the property test wants to know of it.
type row struct {
	issue      *digest.Issue
	subscriber int64
	state      mailer.State
	copies     int
	start, end int64
	stories    []int64
	sections   []string
	opened     time.Time
}

func (m *model) BeginIssue(_ context.Context, i digest.Issue, now time.Time) (digest.Issue, error) {
	for _, is := range m.issues {
		if is.Edition == i.Edition && is.Slot == i.Slot && is.Zone == i.Zone && is.Hour == i.Hour {
			return *is, nil
		}
	}
	slot := i.Edition + " " + i.Slot
	if !slices.Contains(m.slots, slot) {
		m.slots = append(m.slots, slot)
	}
	i.SlotID = int64(slices.Index(m.slots, slot) + 1)
	i.ID, i.State, i.Opened, i.Cutoff = int64(len(m.issues)+1), digest.Opening, now, int64(len(m.pairs))
	m.issues = append(m.issues, &i)
	return i, nil
}

func (m *model) Pool(_ context.Context, since time.Time, upTo int64) ([]digest.Candidate, error) {
	entered := map[int64]bool{}
	for _, p := range m.pairs {
		if !p.Arrived.Before(since) && p.Arrival <= upTo {
			entered[p.Story] = true
		}
	}
	var out []digest.Candidate
	for _, p := range m.pairs {
		if entered[p.Story] && p.Arrival <= upTo {
			out = append(out, p)
		}
	}
	return out, nil
}

func (m *model) Stories(_ context.Context, revisions []int64) (map[int64]*stories.Story, error) {
	out := map[int64]*stories.Story{}
	for _, r := range revisions {
		out[r] = &stories.Story{Revision: r}
	}
	return out, nil
}

type modelChunk struct {
	m       *model
	issue   *digest.Issue
	readers []digest.Reader
}

func (c *modelChunk) Readers() []digest.Reader { return c.readers }

func (c *modelChunk) Edits(context.Context) (map[int64]digest.Edit, error) { return nil, nil }

func (c *modelChunk) Seen(_ context.Context, since time.Time, ownOnly bool) (map[int64][]int64, error) {
	out := map[int64][]int64{}
	for _, r := range c.m.rows {
		if r.opened.Before(since) || ended(r.state) && r.state != mailer.Uncertain || c.m.supersedes(c.issue, r) ||
			ownOnly && r.issue.Edition != c.issue.Edition {
			continue
		}
		out[r.subscriber] = append(out[r.subscriber], r.stories...)
	}
	return out, nil
}

func (c *modelChunk) Assigned(context.Context) (int64, map[string]int, error) { return 0, nil, nil }

// ended reports whether a delivery came to nothing.
func ended(s mailer.State) bool {
	switch s {
	case mailer.Failed, mailer.Expired, mailer.Superseded, mailer.Suppressed, mailer.Cancelled:
		return true
	}
	return false
}

// open reports whether a delivery may still be handed.
func open(s mailer.State) bool {
	return s == mailer.Queued || s == mailer.Sending || s == mailer.Deferred
}

func (m *model) supersedes(i *digest.Issue, r *row) bool {
	return r.issue.Edition == i.Edition && r.issue.SlotID != i.SlotID && open(r.state) && r.copies == 0
}

func (m *model) WriteChunk(_ context.Context, i *digest.Issue, a digest.Audience, limit int, now time.Time,
	plan func(digest.Chunk) ([]digest.Planned, error)) (bool, error) {
	var ids []int64
	for id, r := range m.readers {
		if id > i.Cursor && m.member(i, a, id, r) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	done := len(ids) <= limit
	ids = ids[:min(limit, len(ids))]
	c := &modelChunk{m: m, issue: i}
	for _, id := range ids {
		if !slices.ContainsFunc(m.rows, func(r *row) bool { return r.subscriber == id && r.issue.SlotID == i.SlotID }) {
			c.readers = append(c.readers, m.reader(i, id))
		}
	}
	planned, err := plan(c)
	if err != nil {
		return false, err
	}
	for n := range planned {
		m.write(i, &planned[n], now)
	}
	if len(ids) > 0 {
		i.Cursor = ids[len(ids)-1]
	}
	i.Audience += len(planned)
	m.save(i)
	return done, nil
}

func (m *model) write(i *digest.Issue, p *digest.Planned, now time.Time) {
	for _, r := range m.rows {
		if r.subscriber != p.Subscriber || r.issue.Edition != i.Edition || r.issue.SlotID == i.SlotID || !open(r.state) {
			continue
		}
		r.state = mailer.Superseded
		if r.copies > 0 {
			r.state = mailer.Uncertain
		}
	}
	r := &row{issue: m.issues[i.ID-1], subscriber: p.Subscriber, state: mailer.State(p.State), start: p.WindowStart,
		end: p.WindowEnd, opened: i.Opened}
	if p.Digest != nil {
		if p.Digest.ID == 0 {
			m.digests = append(m.digests, p.Digest)
			p.Digest.ID = int64(len(m.digests))
			i.Digests++
		}
		for _, item := range m.digests[p.Digest.ID-1].Items {
			r.stories = append(r.stories, item.Story)
			r.sections = append(r.sections, item.Section)
		}
	}
	m.rows = append(m.rows, r)
	m.readers[p.Subscriber].returned[i.Edition] = false
}

var _ digest.Ledger = (*model)(nil)
var _ digest.Diary = (*model)(nil)

func (m *model) member(i *digest.Issue, a digest.Audience, id int64, r *modelReader) bool {
	return r.Status == subscribers.Active && slices.Contains(r.Editions, i.Edition) &&
		(a.Zones == nil || slices.Contains(a.Zones, r.Zone)) && (a.Hours == nil || slices.Contains(a.Hours, r.Hour)) &&
		(r.Days == nil || slices.Contains(r.Days, a.Weekday))
}

func (m *model) reader(i *digest.Issue, id int64) digest.Reader {
	s := m.readers[id]
	r := digest.Reader{Subscriber: id, Days: s.Days, Zone: s.Zone, Language: s.Language, Barred: s.barred,
		Returned: s.returned[i.Edition]}
	for _, f := range s.Sections {
		r.Sections = append(r.Sections, digest.Follow{Section: f.Section, Less: f.Level == subscribers.Less,
			Muted: f.Level == subscribers.Muted})
	}
	covered := int64(1 << 62)
	for _, d := range slices.Backward(m.rows) {
		if d.subscriber != id || d.issue.Edition != i.Edition {
			continue
		}
		if r.Previous == nil {
			r.Previous = &digest.Previous{Slot: d.issue.SlotID, State: string(d.state), Copies: d.copies,
				WindowStart: d.start, WindowEnd: d.end}
		} else if ended(d.state) && d.start < covered && (r.Carry == nil || d.start < *r.Carry) {
			start := d.start
			r.Carry = &start
		}
		if !ended(d.state) {
			covered = min(covered, d.start)
		}
	}
	return r
}

func (m *model) save(i *digest.Issue) { *m.issues[i.ID-1] = *i }

func (m *model) FinishIssue(_ context.Context, i *digest.Issue, _ time.Duration, _ time.Time) error {
	i.State = digest.Open
	m.save(i)
	return nil
}

func (m *model) Rehearse(_ context.Context, i digest.Issue, id int64, plan func(digest.Chunk) error) error {
	return plan(&modelChunk{m: m, issue: &i, readers: []digest.Reader{m.reader(&i, id)}})
}

func (m *model) Places(_ context.Context, edition string) ([]digest.Place, error) {
	var out []digest.Place
	for _, r := range m.readers {
		if p := (digest.Place{Zone: r.Zone, Hour: r.Hour}); r.Status == subscribers.Active &&
			slices.Contains(r.Editions, edition) && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for _, i := range m.issues {
		if i.Edition == edition && i.State == digest.Opening {
			out = append(out, digest.Place{Zone: i.Zone, Hour: i.Hour})
		}
	}
	return out, nil
}

func (m *model) LastIssue(_ context.Context, edition, zone string, hour int) (digest.Issue, bool, error) {
	var last *digest.Issue
	for _, i := range m.issues {
		if i.Edition == edition && i.Zone == zone && (hour < 0 || i.Hour == hour) && (last == nil || last.Due.Before(i.Due)) {
			last = i
		}
	}
	if last == nil {
		return digest.Issue{}, false, nil
	}
	return *last, true, nil
}

func (m *model) intake(now time.Time, news []stories.Story) {
	for _, s := range news {
		first := now
		for _, p := range m.pairs {
			if p.Story == s.ID {
				first = p.First
				break
			}
		}
		for _, section := range s.Sections {
			m.pairs = append(m.pairs, digest.Candidate{Story: s.ID, Revision: s.ID, Section: section, Headline: s.Headline,
				Arrival: int64(len(m.pairs) + 1), Arrived: now, First: first, Language: s.Language})
		}
	}
}

func (m *model) settings(now time.Time, id int64, s subscribers.Settings, barred string) {
	r, ok := m.readers[id]
	if !ok {
		r = &modelReader{returned: map[string]bool{}}
		m.readers[id] = r
	}
	for _, e := range []string{"morning", "evening"} {
		if s.Status != subscribers.Active || !slices.Contains(s.Editions, e) {
			r.returned[e] = true
		}
	}
	r.Settings, r.barred = s, barred
}

func (m *model) deliveries() []row {
	out := make([]row, len(m.rows))
	for i, r := range m.rows {
		out[i] = *r
	}
	return out
}

// step walks the states as the design lays them down.
func (m *model) step(rnd *rand.Rand, _ time.Time, n int) {
	r := m.rows[n]
	pick := func(states ...mailer.State) { r.state = states[rnd.IntN(len(states))] }
	switch r.state {
	case mailer.Queued:
		pick(mailer.Sending, mailer.Sending, mailer.Sending, mailer.Expired, mailer.Cancelled, mailer.Suppressed)
	case mailer.Sending:
		pick(mailer.Handed, mailer.Handed, mailer.Handed, mailer.Queued, mailer.Deferred, mailer.Failed)
		if r.copies > 0 && r.state != mailer.Handed {
			r.state = mailer.Deferred
			if rnd.IntN(2) == 0 {
				r.state = mailer.Uncertain
			}
		}
	case mailer.Handed:
		switch rnd.IntN(6) {
		case 0: // refused
			if pick(mailer.Failed, mailer.Deferred); r.copies > 0 {
				r.state = mailer.Uncertain
			}
		case 1: // silence
			if r.copies++; r.copies == 1 {
				r.state = mailer.Deferred
			} else {
				r.state = mailer.Uncertain
			}
		default:
			r.state = mailer.Accepted
		}
	case mailer.Deferred:
		if pick(mailer.Sending, mailer.Sending, mailer.Expired); r.copies > 0 && r.state == mailer.Expired {
			r.state = mailer.Uncertain
		}
	case mailer.Accepted:
		if rnd.IntN(20) == 0 {
			r.state = mailer.Bounced
		}
	}
}
