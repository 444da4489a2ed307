package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/store"
	"broadsheet/stories"

	"github.com/google/go-cmp/cmp"
)

func testStories(t *testing.T, w *world) {
	ctx := t.Context()
	s := stories.Story{GUID: "https://news.example/1", URL: "https://news.example/1?utm_source=x", Canonical: "https://news.example/1",
		Headline: "Harbour opens", Sections: []string{"world", "business"}, SectionRaw: "World", Byline: "By A. Writer", Desk: "Foreign",
		City: "Port", Agencies: []string{"AG"}, Authors: []string{"A. Writer"}, Published: w.now().Add(-time.Hour), PublishedRaw: "an hour ago",
		Updated: w.now(), Lead: "It opens.", Blocks: []stories.Block{{Type: "p", Text: "Text \u200e with marks."}}, Crossheads: []string{"So"},
		Tags: []string{"sea"}, TagsRaw: "sea", Masthead: "M", EditionCities: []string{"Port"}, PageClock: w.now(), Extra: []string{"?"},
		Language: "en", Words: 3, Image: &stories.Image{URL: "https://news.example/1.jpg", Width: 3}, Source: "feed", Scope: "scope", Warnings: []string{"odd"}}
	add := func(s stories.Story, want stories.Added) {
		t.Helper()
		got, err := w.db.AddStories(ctx, []stories.Story{s}, w.now())
		w.must(err)
		if got != want {
			t.Fatalf("added %+v, want %+v", got, want)
		}
	}
	add(s, stories.Added{New: 1})
	add(s, stories.Added{Known: 1})
	got, err := w.db.Story(ctx, 1)
	w.must(err)
	want := s
	want.ID, want.Revision = 1, 1
	if d := cmp.Diff(want, got.Story); d != "" {
		t.Fatal(d)
	}
	if got.Arrival != 1 || !got.Arrived.Equal(w.now()) {
		t.Fatalf("arrival %d at %v", got.Arrival, got.Arrived)
	}
	s.Headline = "Harbour open"
	s.Sections = []string{"sport"}
	w.pass(time.Hour)
	add(s, stories.Added{Revised: 1, Placed: 1})

	pool, err := w.db.Pool(ctx, w.now(), 3) // the story entered sport just now: its older sections come with it
	w.must(err)
	var found []string
	for _, c := range pool {
		found = append(found, fmt.Sprintln(c.Arrival, c.Section, c.Story, c.Revision, c.Headline))
	}
	if d := cmp.Diff([]string{"1 world 1 2 Harbour open\n", "2 business 1 2 Harbour open\n", "3 sport 1 2 Harbour open\n"}, found); d != "" {
		t.Fatal(d)
	}
	if pool, err = w.db.Pool(ctx, w.now(), 2); err != nil || len(pool) != 0 {
		t.Fatalf("pool behind the cut-off: %v, %v", pool, err)
	}
	revisions, err := w.db.Stories(ctx, []int64{1, 2, 99})
	w.must(err)
	if len(revisions) != 2 || revisions[1].Headline != "Harbour opens" || !slices.Equal(revisions[2].Sections, []string{"world", "business", "sport"}) {
		t.Fatalf("revisions %+v", revisions)
	}
	if url, headline, err := w.db.StoryLink(ctx, 1); err != nil || url != s.URL || headline != "Harbour open" {
		t.Fatalf("link %q %q %v", url, headline, err)
	}
	if url, _, err := w.db.StoryLink(ctx, 2); err != nil || url != "" {
		t.Fatalf("link of no story: %q %v", url, err)
	}
	w.tell("world", 600) // more than a page
	n := 0
	for row, err := range w.db.ListStories(ctx, store.StoryFilter{Section: "world"}) {
		w.must(err)
		n++
		if row.ID != int64(n) {
			t.Fatalf("story %d at place %d", row.ID, n)
		}
	}
	if n != 601 {
		t.Fatalf("listed %d", n)
	}
}

func testHeld(t *testing.T, w *world) {
	ctx := t.Context()
	s := stories.Story{GUID: "tomorrow", Headline: "Embargo", Sections: []string{"world"}, Source: "feed", Published: w.now().Add(2 * time.Hour)}
	got, err := w.db.AddStories(ctx, []stories.Story{s}, w.now())
	w.must(err)
	if want := (stories.Added{New: 1, Held: 1}); got != want {
		t.Fatalf("added %+v", got)
	}
	before, err := w.db.BeginIssue(ctx, w.issue("morning", "2026-04-02"), w.now())
	if err != nil || before.Cutoff != 0 {
		t.Fatalf("cut-off %d, %v", before.Cutoff, err)
	}
	embargoed := func(i *digest.Issue, want ...digest.Candidate) {
		t.Helper()
		list, err := w.db.Embargoed(ctx, i)
		if d := cmp.Diff(want, list); err != nil || d != "" {
			t.Fatalf("%v\n%s", err, d)
		}
	}
	held := digest.Candidate{Story: 1, Revision: 1, Section: "world", Published: s.Published}
	embargoed(&digest.Issue{}, held)
	embargoed(&before, held)
	w.pass(3 * time.Hour)
	i, err := w.db.BeginIssue(ctx, w.issue("morning", "2026-04-03"), w.now())
	w.must(err)
	if row, err := w.db.Story(ctx, 1); err != nil || row.Arrival != 1 || i.Cutoff != 1 || !row.Arrived.Equal(w.now()) {
		t.Fatalf("after its hour: %+v, cut-off %d, %v", row, i.Cutoff, err)
	}
	embargoed(&digest.Issue{})
	embargoed(&i)
	embargoed(&before, held) // and that stays so
	if list, err := w.db.Headlines(ctx, []int64{1, 99}); err != nil || len(list) != 1 || list[1] != "Embargo" {
		t.Fatalf("headlines %v, %v", list, err)
	}
	// One that is brought forward while it is held comes out with the fetch that says so.
	s.GUID, s.Published = "later", w.now().Add(48*time.Hour)
	_, err = w.db.AddStories(ctx, []stories.Story{s}, w.now())
	w.must(err)
	s.Published = w.now()
	_, err = w.db.AddStories(ctx, []stories.Story{s}, w.now())
	w.must(err)
	if row, err := w.db.Story(ctx, 2); err != nil || row.Arrival != 2 || !row.Held.IsZero() {
		t.Fatalf("brought forward: %+v, %v", row, err)
	}
}

func testTitleWindow(t *testing.T, w *world) {
	s := stories.Story{Headline: "Weather", Sections: []string{"world"}, Source: "feed"}
	for k, want := range []stories.Added{{New: 1}, {Known: 1}, {Known: 1}, {New: 1}} {
		got, err := w.db.AddStories(t.Context(), []stories.Story{s}, w.now())
		w.must(err)
		if got != want {
			t.Fatalf("sighting %d: %+v, want %+v", k, got, want)
		}
		w.pass(40 * time.Hour) // seen every other day it stays the same story
		if k == 2 {
			w.pass(40 * time.Hour)
		}
	}
}

// testLateCommit runs intake against openings: a story may not come in at or below a cut-off
// that was taken before it was there.
func testLateCommit(t *testing.T, w *world) {
	ctx := t.Context()
	others := []*store.DB{w.open(), w.open()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	wg.Go(func() {
		for n := range 150 {
			s := []stories.Story{{GUID: fmt.Sprint("a", n), Sections: []string{"world"}, Source: "feed"}}
			if _, err := others[0].AddStories(ctx, s, w.now()); err != nil {
				t.Error(err)
			}
		}
	})
	var cutoffs []int64
	found := make(map[int64][]int64) // what a pool held right after the cut-off
	wg.Go(func() {
		for n := range 40 {
			i, err := others[1].BeginIssue(ctx, w.issue("morning", fmt.Sprint("day ", n)), w.now())
			if err != nil {
				t.Error(err)
				return
			}
			pool, err := others[1].Pool(ctx, time.Time{}, i.Cutoff)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			cutoffs = append(cutoffs, i.Cutoff)
			found[i.Cutoff] = nil
			for _, c := range pool {
				found[i.Cutoff] = append(found[i.Cutoff], c.Arrival)
			}
			mu.Unlock()
		}
	})
	wg.Wait()
	if !slices.IsSorted(cutoffs) {
		t.Fatalf("cut-offs fall: %v", cutoffs)
	}
	for _, c := range slices.Compact(cutoffs) {
		if int64(len(found[c])) != c || c > 0 && slices.Max(found[c]) != c {
			t.Fatalf("below cut-off %d were %d stories", c, len(found[c]))
		}
	}
}

func testFeeds(t *testing.T, w *world) {
	ctx := t.Context()
	const url = "https://news.example/feed"
	take := func(db *store.DB, force bool) (stories.FeedState, bool) {
		f, taken, err := db.TakeFeed(ctx, url, force, w.now())
		w.must(err)
		return f, taken
	}
	f, taken := take(w.db, false)
	if d := cmp.Diff(stories.FeedState{URL: url, Fence: 1}, f); d != "" || !taken {
		t.Fatal(taken, d)
	}
	if list, err := w.db.Feeds(ctx); err != nil || len(list) != 0 {
		t.Fatalf("a feed that was never fetched is listed: %v %v", list, err)
	}
	f = stories.FeedState{URL: f.URL, ETag: `"x"`, LastModified: "then", Fetched: w.now(), OK: w.now(), Due: w.now().Add(time.Minute), Items: 3, Fence: 1}
	w.must(w.db.SaveFeed(ctx, f))
	f.Failures, f.Error = 2, "timeout"
	w.must(w.db.SaveFeed(ctx, f))
	list, err := w.db.Feeds(ctx)
	w.must(err)
	if d := cmp.Diff([]stories.FeedState{f}, list); d != "" {
		t.Fatal(d)
	}

	if got, taken := take(w.db, false); taken || !got.Due.Equal(f.Due) {
		t.Fatalf("a feed that is not due was taken: %+v", got)
	}
	late, taken := take(w.db, true)
	other := w.open()
	if _, again := take(other, true); again || !taken {
		t.Fatal("two processes have one feed")
	}
	w.must(w.db.LeaveFeed(ctx, late))
	if f, taken = take(other, true); !taken {
		t.Fatal("a feed that was left cannot be taken")
	}
	w.pass(10 * time.Minute) // whoever had it has died
	f, taken = take(w.db, false)
	if !taken {
		t.Fatal("a claim has no end")
	}
	late.ETag, late.Fetched = "late", w.now()
	if err := other.SaveFeed(ctx, late); !errors.Is(err, stories.ErrTaken) {
		t.Fatalf("a late fetch is saved: %v", err)
	}
	w.must(other.LeaveFeed(ctx, late))
	if _, taken := take(other, true); taken {
		t.Fatal("a late fetch ended another's claim")
	}
}

// testFeedOnce: of many processes that look for feeds in the same moment, again and again, one fetches each.
func testFeedOnce(t *testing.T, w *world) {
	const feeds, rounds = 5, 10
	dbs := []*store.DB{w.db}
	for len(dbs) < 8 {
		dbs = append(dbs, w.open())
	}
	for range rounds {
		var fetched [feeds]atomic.Int32
		var wg sync.WaitGroup
		for _, db := range dbs {
			wg.Go(func() {
				for n := range feeds {
					f, taken, err := db.TakeFeed(t.Context(), fmt.Sprint("https://news.example/", n), false, w.now())
					if err == nil && taken {
						fetched[n].Add(1)
						f.Fetched, f.Due = w.now(), w.now().Add(time.Minute)
						err = db.SaveFeed(t.Context(), f)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for n := range feeds {
			if k := fetched[n].Load(); k != 1 {
				t.Fatalf("feed %d was fetched %d times", n, k)
			}
		}
		w.pass(time.Minute)
	}
}

func testDigests(t *testing.T, w *world) {
	ctx := t.Context()
	w.tell("world", 2)
	ids := w.readers(7)
	i, err := w.write(w.db, w.issue("morning", "2026-04-02"), 3)
	w.must(err)
	if i.Digests != 1 || i.Audience != 7 {
		t.Fatalf("issue %+v", i)
	}
	got, err := w.db.Digest(ctx, w.row(i, ids[6]).Digest)
	w.must(err)
	if got.Subject != "S" || len(got.Items) != 2 || len(got.Pieces) != 2 || got.Pieces[0].Values[0] != "7" {
		t.Fatalf("digest %+v", got)
	}
	taken := 0
	w.must(w.db.Digests(ctx, []int64{1 << 40, got.ID}, func(id int64, p digest.Packed) error {
		taken++
		d := digest.Digest{Subject: string(p.Subject)}
		w.must(digest.Unpack(p.Body, &d))
		if id != got.ID || d.Subject != got.Subject || string(p.Zone) != got.Zone || !reflect.DeepEqual(d.Pieces, got.Pieces) {
			t.Fatalf("digest %d is %+v, want %+v", id, d, got)
		}
		return nil
	}))
	if taken != 1 {
		t.Fatalf("%d digests, want one", taken)
	}
	if err := w.db.Digests(ctx, []int64{got.ID}, func(int64, digest.Packed) error { return context.Canceled }); !errors.Is(err, context.Canceled) {
		t.Fatalf("an error of the taker became %v", err)
	}
	bodies, err := w.db.Fragments(ctx, []int64{got.Pieces[0].Fragment.ID, got.Pieces[1].Fragment.ID})
	w.must(err)
	if s := string(bodies[got.Pieces[1].Fragment.ID].Body); s != "story 2\r\n" {
		t.Fatalf("fragment %q", s)
	}
	// The same text in another issue is the same fragment, though its digest is another.
	w.tell("sport", 1)
	s := settings(99)
	s.Editions = []string{"evening"}
	r := w.reader(s)
	e := w.openIssue("evening", "2026-04-02")
	other, err := w.db.Digest(ctx, w.row(e, r.ID).Digest)
	w.must(err)
	if other.ID == got.ID || other.Pieces[0].Fragment.ID != got.Pieces[0].Fragment.ID {
		t.Fatalf("fragment kept twice: %+v, %+v", got, other)
	}
	// What a failed chunk gave out is taken back.
	i2, err := w.db.BeginIssue(ctx, w.issue("morning", "2026-04-03"), w.now())
	w.must(err)
	d := &digest.Digest{Key: "k", Pieces: []digest.Piece{{Fragment: &digest.Fragment{Body: []byte("new\r\n")}}}}
	_, err = w.db.WriteChunk(ctx, &i2, digest.Audience{}, 3, w.now(), func(c digest.Chunk) ([]digest.Planned, error) {
		p := digest.Planned{Subscriber: ids[0], Digest: d, State: "queued"}
		return []digest.Planned{p, p}, nil
	})
	if err == nil || d.ID != 0 || d.Pieces[0].Fragment.ID != 0 {
		t.Fatalf("ids stay after %v: %+v", err, d)
	}
}
