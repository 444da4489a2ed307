package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/stories"
)

// feedItem is what [world.tell] told as the nth story, as its feed shows it.
func feedItem(n string, headline string) []stories.Story {
	return []stories.Story{{GUID: "g" + n, Headline: headline, Lead: "Lead.", Sections: []string{"world"}, Source: "https://news.example/feed"}}
}

func testCorrect(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 2)
	ids := w.readers(4)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	w.must(w.try(w.db, b, &b.Deliveries[0], accepted))
	w.must(w.try(w.db, b, &b.Deliveries[1], w.unanswered))
	w.must(Intend(ctx, w.db, b, &b.Deliveries[2], "k1", w.now()))
	reword := func(s *stories.Story) error { s.Headline = "The right name"; return nil }
	revision, err := w.db.CorrectStory(ctx, editor, 1, reword, w.now())
	w.must(err)
	if err := Hand(ctx, w.db, b, &b.Deliveries[2], w.now()); !errors.Is(err, mailer.ErrLost) {
		t.Fatalf("handed with the old words: %v", err)
	}
	w.must(w.db.Release(ctx, b, w.now()))
	w.recast()
	revisionOf := func(i digest.Issue, reader int64) int64 {
		g, err := w.db.Digest(ctx, w.row(i, reader).Digest)
		w.must(err)
		return g.Items[0].Revision
	}
	for n, id := range ids {
		if has := revisionOf(i, id) == revision; has != (n > 1) {
			t.Errorf("delivery %d has the correction: %v", n, has)
		}
	}
	w.pass(2 * time.Minute)
	if n := w.sendAll(accepted); n != 3 { // the copy that was not answered goes once more as it was
		t.Errorf("sent %d", n)
	}
	// The feed says what it always said: nothing changes. Then it says something else.
	s, err := w.db.Story(ctx, 1)
	w.must(err)
	if s.Corrected.IsZero() || s.Headline != "The right name" {
		t.Errorf("corrected %+v", s)
	}
	for _, tc := range []struct {
		says, want string
		added      stories.Added
	}{{"Headline 1", "The right name", stories.Added{Known: 1}}, {"Headline 1, updated", "Headline 1, updated", stories.Added{Revised: 1}}} {
		got, err := w.db.AddStories(ctx, feedItem("1", tc.says), w.now())
		w.must(err)
		s, err := w.db.Story(ctx, 1)
		if err != nil || got != tc.added || s.Headline != tc.want || s.Corrected.IsZero() != (tc.says == tc.want) {
			t.Errorf("the feed says %q: %+v, %+v, %v", tc.says, got, s, err)
		}
	}
	if _, err := w.db.CorrectStory(ctx, editor, 1, func(*stories.Story) error { return nil }, w.now()); !errors.Is(err, store.ErrUnchanged) {
		t.Errorf("a correction of nothing: %v", err)
	}
	w.withdraw(2)
	if _, err := w.db.CorrectStory(ctx, editor, 2, reword, w.now()); !errors.Is(err, stories.ErrWithdrawn) {
		t.Errorf("of a withdrawn story: %v", err)
	}
}

// testHoldBack: a story that has arrived is taken out of what is to go, and comes again by a new number.
func testHoldBack(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 2)
	ids := w.readers(3)
	i := w.openIssue("morning", "2026-04-02")
	b := w.lease()
	w.must(w.try(w.db, b, &b.Deliveries[0], accepted))
	w.must(w.db.HoldStory(ctx, editor, 1, w.now().Add(30*time.Hour), w.now()))
	w.must(w.db.Release(ctx, b, w.now()))
	w.recast()
	if n := w.sendAll(accepted); n != 2 {
		t.Fatalf("sent %d", n)
	}
	if !w.shows(i, ids[0], 1) || w.shows(i, ids[1], 1) || !w.shows(i, ids[1], 2) {
		t.Error("the wrong digests show it")
	}
	row, err := w.db.Story(ctx, 1)
	if err != nil || row.Arrival != 0 || !row.Held.Equal(w.now().Add(30*time.Hour)) {
		t.Fatalf("held: %+v, %v", row, err)
	}
	_, err = w.db.AddStories(ctx, feedItem("1", "Headline 1"), w.now()) // a fetch does not free it
	w.must(err)
	w.pass(24 * time.Hour)
	w.tell("world", 1)
	second := w.openIssue("morning", "2026-04-03")
	w.sendAll(accepted)
	w.pass(24 * time.Hour)
	third := w.openIssue("morning", "2026-04-04")
	for n, id := range ids {
		if w.shows(second, id, 1) || w.shows(third, id, 1) != (n > 0) {
			t.Errorf("reader %d has it in the wrong issue", n)
		}
	}
	w.tell("world", 1)
	w.must(w.db.HoldStory(ctx, editor, 4, w.now().Add(time.Hour), w.now()))
	w.must(w.db.ReleaseStory(ctx, editor, 4, w.now()))
	if err := w.db.ReleaseStory(ctx, editor, 4, w.now()); !errors.Is(err, store.ErrUnchanged) {
		t.Errorf("released again: %v", err)
	}
	if row, err := w.db.Story(ctx, 4); err != nil || row.Arrival == 0 || !row.Held.IsZero() {
		t.Errorf("released %+v, %v", row, err)
	}
}

func testPushed(t *testing.T, w *world) {
	ctx := t.Context()
	s := stories.Story{Headline: "From the desk", Sections: []string{"world"}, URL: "https://news.example/desk", Canonical: "https://news.example/desk"}
	id, added, err := w.db.PushStory(ctx, editor, "cms-17", s, w.now())
	if want := (stories.Added{New: 1}); err != nil || added != want || id != 1 {
		t.Fatalf("%d %+v %v", id, added, err)
	}
	if again, added, err := w.db.PushStory(ctx, editor, "cms-17", s, w.now()); err != nil || again != id || added.Known != 1 {
		t.Fatalf("once more: %+v %v", added, err)
	}
	s.Headline = "From the desk, improved"
	if _, added, err := w.db.PushStory(ctx, editor, "cms-17", s, w.now()); err != nil || added.Revised != 1 {
		t.Fatalf("changed: %+v %v", added, err)
	}
	if found, err := w.db.PushedStory(ctx, "cms-17"); err != nil || found != id {
		t.Fatalf("found %d, %v", found, err)
	}
	if _, err := w.db.PushedStory(ctx, "cms-18"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("of nobody: %v", err)
	}
	s.URL, s.Canonical, s.Language, s.Sections = "https://news.example/desk-2", "https://news.example/desk-2", "en", []string{"sport"}
	push := func(want stories.Added) store.StoryRow {
		t.Helper()
		w.pass(time.Minute)
		again, added, err := w.db.PushStory(ctx, editor, "cms-17", s, w.now())
		if err != nil || again != id || added != want {
			t.Fatalf("pushed: %d %+v %v", again, added, err)
		}
		row, err := w.db.Story(ctx, id)
		w.must(err)
		return row
	}
	if row := push(stories.Added{Revised: 1, Placed: 1}); row.URL != s.URL || row.Language != "en" || !slices.Equal(row.Sections, s.Sections) {
		t.Fatalf("after another address and section %+v", row)
	}
	push(stories.Added{Known: 1})
	s.Published = w.now().Add(time.Hour)
	if row := push(stories.Added{Revised: 1, Placed: 1}); row.Arrival != 0 || !row.Held.Equal(s.Published) {
		t.Fatalf("with a date to come %+v", row)
	}
	s.Published = w.now().Add(-time.Hour)
	if row := push(stories.Added{Revised: 1}); row.Arrival == 0 || !row.Published.Equal(s.Published) {
		t.Fatalf("with a date that is past %+v", row)
	}
	w.reader(settings(1))
	w.openIssue("morning", "2026-04-01")
	s.Published = w.now().Add(time.Hour)
	if row := push(stories.Added{Revised: 1}); row.Arrival == 0 {
		t.Fatalf("an issue has it, and it is held back: %+v", row)
	}
	w.withdraw(id)
	if _, _, err := w.db.PushStory(ctx, editor, "cms-17", s, w.now()); !errors.Is(err, stories.ErrWithdrawn) {
		t.Fatalf("after it was withdrawn: %v", err)
	}
	var acts []string
	for _, e := range auditOf(w, "story 1") {
		acts = append(acts, e.Act)
	}
	if want := append([]string{"withdraw story"}, slices.Repeat([]string{"push story"}, 6)...); !slices.Equal(acts, want) {
		t.Fatalf("audit %q", acts)
	}
}

func testPins(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 2)
	w.must(w.db.PinStory(ctx, editor, 2, "", 3, w.now()))
	top := digest.Top{Edition: "morning", Until: w.now().Add(time.Hour)}
	w.must(w.db.LeadStory(ctx, editor, 1, top, w.now()))
	w.must(w.db.LeadStory(ctx, editor, 2, digest.Top{Section: "world", Until: top.Until}, w.now()))
	pool, err := w.db.Pool(ctx, time.Time{}, 9)
	w.must(err)
	if len(pool) != 2 || pool[0].Pin != 0 || pool[1].Pin != 3 || len(pool[0].Tops) != 1 || pool[0].Tops[0] != top || pool[1].Tops[0].Section != "world" {
		t.Fatalf("pool %+v", pool)
	}
	w.must(w.db.LeadStory(ctx, editor, 1, digest.Top{Edition: "morning"}, w.now()))
	if err := w.db.LeadStory(ctx, editor, 1, digest.Top{Edition: "morning"}, w.now()); !errors.Is(err, store.ErrUnchanged) {
		t.Errorf("taken down again: %v", err)
	}
	if err := w.db.PinStory(ctx, editor, 1, "sport", 1, w.now()); err == nil {
		t.Error("pinned where it is not")
	}
	w.withdraw(2)
	if pool, err = w.db.Pool(ctx, time.Time{}, 9); err != nil || !pool[1].Withdrawn || len(pool[1].Tops)+len(pool[0].Tops) != 0 {
		t.Errorf("after it was withdrawn: %+v, %v", pool, err)
	}
}
