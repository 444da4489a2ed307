package digest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// picky cannot lay out one story.
type picky struct {
	listing
	bad     int64
	laidOut *int
}

func (p picky) Layout(ctx context.Context, i *digest.Issue, s *digest.Selection, story func(int64) (*stories.Story, error)) (*digest.Digest, error) {
	for _, picked := range s.Sections {
		for _, pick := range picked.Stories {
			if pick.Revision == p.bad {
				return nil, &digest.StoryError{Revision: p.bad, Err: errors.New("no such field")}
			}
			if _, err := story(pick.Revision); err != nil {
				return nil, err
			}
		}
	}
	*p.laidOut++
	return p.listing.Layout(ctx, i, s, story)
}

func TestOpen(t *testing.T) {
	m := newModel()
	now := time.Date(2026, 3, 2, 7, 31, 0, 0, time.UTC)
	for _, r := range []struct {
		id       int64
		sections string
		barred   string
		hour     int
	}{{1, "world city", "", -1}, {2, "world city", "complaint", -1}, {3, "world city", "", -1}, {4, "food", "", -1}, {5, "city world", "", -1}} {
		s := subscribers.Settings{Status: subscribers.Active, Editions: []string{"morning"}, Hour: r.hour}
		for _, id := range strings.Fields(r.sections) {
			s.Sections = append(s.Sections, subscribers.Follow{Section: id, Level: subscribers.Normal})
		}
		m.settings(now, r.id, s, r.barred)
	}
	for i, section := range []string{"world", "city", "world"} {
		m.intake(now.Add(-time.Hour), []stories.Story{{ID: int64(i + 1), Sections: []string{section}, Headline: section + " " + strings.Repeat("news ", i+1)}})
	}
	e, err := schedule.NewEdition(schedule.Edition{Name: "morning", Cron: "30 7 * * *", Zone: "Europe/London"})
	if err != nil {
		t.Fatal(err)
	}
	config := &schedule.Config{Publication: schedule.Publication{Language: "en"},
		Sections: []schedule.Section{{ID: "world"}, {ID: "city"}, {ID: "food"}}}
	var log bytes.Buffer
	laidOut, chunks := 0, 0
	o := &digest.Opener{Ledger: rough{world: m}, Layout: picky{bad: 3, laidOut: &laidOut}, Config: config, Edition: &e,
		Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Progress: func(*digest.Issue) { chunks++ },
		Routes:   digest.NewRoutes([]schedule.Relay{{Name: "main", Weight: 1}})}
	due, err := (&digest.Finder{Diary: m, Config: config}).Due(t.Context(), &e, now)
	if err != nil || len(due) != 1 {
		t.Fatalf("due %v, %v", due, err)
	}

	r, err := o.Rehearse(t.Context(), due[0].Issue, 1, true)
	if err != nil || r.Digest == nil || len(r.Verdicts) == 0 || r.WindowEnd != 3 {
		t.Fatalf("rehearsal %+v, %v", r, err)
	}
	if len(m.rows) != 0 {
		t.Fatal("a rehearsal wrote deliveries")
	}
	log.Reset()
	laidOut = 0

	i, err := o.Open(t.Context(), due[0])
	if err != nil {
		t.Fatal(err)
	}
	if i.State != digest.Open || i.Audience != 5 || i.Digests != 2 || laidOut != 2 || chunks != 3 {
		t.Errorf("state %s, audience %d, digests %d, laid out %d, chunks %d", i.State, i.Audience, i.Digests, laidOut, chunks)
	}
	if n := strings.Count(log.String(), "story left out"); n != 1 {
		t.Errorf("told of the bad story %d times:\n%s", n, log.String())
	}
	want := []struct {
		state   mailer.State
		stories []int64
	}{{mailer.Queued, []int64{1, 2}}, {mailer.Suppressed, nil}, {mailer.Queued, []int64{1, 2}}, {mailer.Skipped, nil}, {mailer.Queued, []int64{2, 1}}}
	for n, w := range want {
		if r := m.rows[n]; r.state != w.state || !slices.Equal(r.stories, w.stories) {
			t.Errorf("reader %d: %s %v, want %s %v", r.subscriber, r.state, r.stories, w.state, w.stories)
		}
	}
	if again, err := o.Open(t.Context(), due[0]); err != nil || again.ID != i.ID || len(m.rows) != 5 {
		t.Errorf("opening once more: issue %d, %v, %d deliveries", again.ID, err, len(m.rows))
	}
}

// An issue left half open is closed with the readers it has once its life is over.
func TestOpenTooLate(t *testing.T) {
	l := newLife(t, newModel(), 3)
	m := l.world.(*model)
	l.intake()
	l.now = time.Date(2026, 3, 23, 3, 31, 0, 0, time.UTC)
	due, err := l.finder.Due(t.Context(), l.editions[0], l.now)
	if err != nil || len(due) == 0 {
		t.Fatal(due, err)
	}
	if _, err := m.BeginIssue(t.Context(), due[0].Issue, l.now); err != nil {
		t.Fatal(err)
	}
	o := &digest.Opener{Ledger: m, Layout: listing{}, Config: l.config, Edition: l.editions[0],
		Now: func() time.Time { return due[0].Issue.Ends }}
	if i, err := o.Open(t.Context(), due[0]); err != nil || i.State != digest.Open || len(m.rows) != 0 {
		t.Errorf("issue %+v, %v, %d deliveries", i, err, len(m.rows))
	}
}
