package web

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/subscribers"
)

// Slots is what the public face needs of the database. store.DB meets it.
type Slots interface {
	// SlotKeys lists the slots of an edition that have an issue anywhere, the latest keys first, of
	// keys below before; "" = all.
	SlotKeys(ctx context.Context, edition, before string, limit int) ([]string, error)
	// IssueBySlot finds an issue by what it is for.
	IssueBySlot(ctx context.Context, edition, slot, zone string, hour int) (digest.Issue, error)
	// ArrivalAt is the highest arrival number given up to t, 0 if there is none.
	ArrivalAt(ctx context.Context, t time.Time) (int64, error)
	// StoryEdits rises with everything that editors do to stories, in any process.
	StoryEdits(ctx context.Context) (int64, error)
}

// publicIssue is an issue as the public may see it: with all sections, in the edition's own place.
type publicIssue struct {
	Issue digest.Issue
	Page  *digest.Page // nil = it has nothing in that language
	Lines []line
}

// issueKey names one.
type issueKey struct{ edition, slot, language string }

// keeper keeps what was made at some cost for a while. The zero value is ready.
type keeper[K comparable, V any] struct {
	mu   sync.Mutex
	kept map[K]made[V]
}

type made[V any] struct {
	value V
	at    time.Time
	edits int64 // of stories, before it was made
}

// current is how long what is kept is shown: a story may get a new revision. What editors do ends it at once.
const current = 10 * time.Minute

func (k *keeper[K, V]) get(key K, edits int64, now time.Time) (value V, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	one, ok := k.kept[key]
	if age := now.Sub(one.at); !ok || age < 0 || age > current || one.edits != edits {
		return value, false
	}
	return one.value, true
}

// put keeps a value, of most at a time. edits were counted before it was made.
func (k *keeper[K, V]) put(key K, value V, edits int64, now time.Time, most int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		k.kept = map[K]made[V]{}
	}
	for other := range k.kept {
		if len(k.kept) < most {
			break
		}
		delete(k.kept, other)
	}
	k.kept[key] = made[V]{value, now, edits}
}

// settled is how long after its hour an issue that holds nothing is known to hold nothing for good.
const settled = time.Hour

// What is kept: public issues of some 50 KB, and what there was to choose from, of a day or two's stories.
const (
	issuesKept    = 200
	hindsightKept = 24
)

// issueLanguages are those that an edition has issues in, the default first.
func (p *Pages) issueLanguages(e *schedule.Edition) []string {
	own := p.Config.Publication.Language
	if len(e.Languages) == 0 {
		return []string{own}
	}
	list := slices.Clone(e.Languages)
	if i := slices.Index(list, own); i > 0 {
		list = slices.Insert(slices.Delete(list, i, i+1), 0, own)
	}
	return list
}

// place is where the public issues of an edition are at home: the zone, and the hour as
// [schedule.Edition.Next] wants it.
func (p *Pages) place(e *schedule.Edition) (*time.Location, int) {
	if e.Zone != schedule.ReaderZone {
		return p.zone(e.Zone), -1
	}
	return p.zone(""), e.ReaderHour(-1)
}

// slotOf is the slot of that key at the edition's own place.
func (p *Pages) slotOf(e *schedule.Edition, key string) (schedule.Slot, bool) {
	zone, hour := p.place(e)
	at, err := time.ParseInLocation("2006-01-02 15:04", key, zone)
	if err != nil {
		if at, err = time.ParseInLocation(time.DateOnly, key, zone); err != nil {
			return schedule.Slot{}, false
		}
	}
	end := at.Add(50 * time.Hour) // a gap in the clock may have moved it into the next day
	for s, ok := e.Next(zone, hour, at.Add(-2*time.Hour)); ok && s.Due.Before(end); s, ok = e.Next(zone, hour, s.Due) {
		if s.Key == key {
			return s, true
		}
	}
	return schedule.Slot{}, false
}

// cutoff is what the issue of a slot at the edition's own place may show. Where no reader is, there
// is no such issue, and what had arrived in time counts.
func (p *Pages) cutoff(ctx context.Context, e *schedule.Edition, s schedule.Slot) (digest.Issue, error) {
	i, err := p.Slots.IssueBySlot(ctx, e.Name, s.Key, s.Zone, s.Hour)
	if !errors.Is(err, subscribers.ErrNotFound) {
		return i, err
	}
	zone, hour := p.place(e)
	i = digest.NewIssue(e, zone, hour, s, s.Due)
	i.Cutoff, err = p.Slots.ArrivalAt(ctx, s.Due)
	return i, err
}

// publicKeys lists the slots of an edition whose hour has come at its own place, the latest first.
func (p *Pages) publicKeys(ctx context.Context, e *schedule.Edition, before string, limit int) ([]string, error) {
	const ahead = 4 // slots that have come further east
	keys, err := p.Slots.SlotKeys(ctx, e.Name, before, limit+ahead)
	if err != nil {
		return nil, err
	}
	now := p.Now()
	keys = slices.DeleteFunc(keys, func(key string) bool {
		s, ok := p.slotOf(e, key)
		return !ok || s.Due.After(now)
	})
	return keys[:min(len(keys), limit)], nil
}

// publicIssue makes an issue, or finds it. The error is [subscribers.ErrNotFound] if the public may
// not see one there, or there is nothing in it.
func (p *Pages) publicIssue(ctx context.Context, e *schedule.Edition, key, language string) (*publicIssue, error) {
	k := issueKey{e.Name, key, language}
	if _, ok := p.empty.Load(k); ok {
		return nil, subscribers.ErrNotFound
	}
	edits, err := p.Slots.StoryEdits(ctx)
	if err != nil {
		return nil, err
	}
	one, ok := p.issues.get(k, edits, p.Now())
	if !ok {
		done := p.making.take(ctx)
		if done == nil {
			return nil, ctx.Err()
		}
		defer done()
		if one, ok = p.issues.get(k, edits, p.Now()); !ok { // else it was made while this one waited
			if one, err = p.makeIssue(ctx, e, key, language); err != nil {
				return nil, err
			}
			p.issues.put(k, one, edits, p.Now(), issuesKept)
			if one.Page == nil && p.Now().Sub(one.Issue.Due) > settled {
				p.empty.Store(k, struct{}{})
			}
		}
	}
	if one.Page == nil {
		return nil, subscribers.ErrNotFound
	}
	return one, nil
}

func (p *Pages) makeIssue(ctx context.Context, e *schedule.Edition, key, language string) (*publicIssue, error) {
	keys, err := p.Slots.SlotKeys(ctx, e.Name, key+"\x01", 2) // it and the one before
	if err != nil {
		return nil, err
	}
	s, ok := p.slotOf(e, key)
	if len(keys) == 0 || keys[0] != key || !ok || s.Due.After(p.Now()) {
		return nil, subscribers.ErrNotFound
	}
	i, err := p.cutoff(ctx, e, s)
	if err != nil {
		return nil, err
	}
	one := &publicIssue{Issue: i}
	since := int64(-1)
	if len(keys) > 1 {
		if before, ok := p.slotOf(e, keys[1]); ok {
			last, err := p.cutoff(ctx, e, before)
			if err != nil {
				return nil, err
			}
			since = last.Cutoff
		}
	}
	if i.Cutoff == 0 || i.Cutoff == since { // no story came
		return one, nil
	}
	d, err := p.Opener(e).Public(ctx, i, language, since)
	if errors.Is(err, digest.ErrNothingNew) {
		return one, nil
	}
	if err != nil {
		return nil, err
	}
	story, gone, err := p.addresses(ctx, d.Items, language)
	if err != nil {
		return nil, err
	}
	if one.Page, err = digest.BrowserPage(d, story, gone); err != nil {
		return nil, err
	}
	var revisions []int64
	for _, item := range d.Items {
		revisions = append(revisions, item.Revision)
	}
	one.Lines, err = p.lines(ctx, p.texts.set.Words(language), p.zone(d.Zone), i.Due, revisions)
	return one, err
}

// issuePath is the path of a public issue, behind the base.
func issuePath(edition, key string) string {
	return "/e/" + edition + "/" + strings.Replace(key, " ", "T", 1)
}
