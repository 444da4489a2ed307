package digest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"broadsheet/schedule"
)

func TestAccount(t *testing.T) {
	verdicts := []Verdict{
		{Story: 1, Revision: 11, Section: "sport", Arrival: 1, Reason: NotFollowed},
		{Story: 1, Revision: 11, Section: "world", Arrival: 2, Reason: Sent},
		{Story: 2, Revision: 12, Section: "world", Arrival: 3, Reason: OverCap},
		{Story: 3, Revision: 13, Section: "arts", Arrival: 4, Reason: Muted},
		{Story: 3, Revision: 13, Section: "world", Arrival: 5, Reason: Earlier},
		{Story: 4, Revision: 14, Section: "world", Arrival: 6, Reason: Sent}, // too large for the mail in the end
		{Story: 5, Revision: 15, Section: "world", Arrival: 7, Reason: Duplicate, Of: 1},
		{Story: 5, Revision: 15, Section: "sport", Arrival: 8, Reason: NotFollowed},
		{Story: 7, Revision: 17, Section: "world", Arrival: 9, Reason: NotFollowed}, // today's configuration does not know why
	}
	items := []Item{{Story: 7, Revision: 16, Section: "old"}, {Story: 1, Revision: 10, Section: "world"}}
	want := []Verdict{
		{Story: 7, Revision: 16, Section: "old", Reason: Sent},
		{Story: 1, Revision: 10, Section: "world", Arrival: 2, Reason: Sent}, // the revision that was shown
		{Story: 4, Revision: 14, Section: "world", Arrival: 6, Reason: OverCap},
		{Story: 2, Revision: 12, Section: "world", Arrival: 3, Reason: OverCap},
		{Story: 5, Revision: 15, Section: "world", Arrival: 7, Reason: Duplicate, Of: 1},
		{Story: 3, Revision: 13, Section: "arts", Arrival: 4, Reason: Muted},
	}
	if d := cmp.Diff(want, Account(verdicts, items)); d != "" {
		t.Error(d)
	}
	for _, v := range Account(verdicts, nil) {
		if v.Reason == Sent || v.Reason == OverCap {
			t.Errorf("without a mail story %d is %s", v.Story, v.Reason)
		}
	}
	if list := Account(nil, nil); len(list) != 0 {
		t.Errorf("of nothing comes %v", list)
	}
}

// TestAccountIsOnePerStory: whatever there is to choose from, each story has exactly one reason, a known
// one, and what is chosen is what is said to be sent.
func TestAccountIsOnePerStory(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	sections := []string{"a", "b", "c", "d"}
	for n := range 200 {
		var items []Candidate
		stories := map[int64]bool{}
		for i := range 1 + rnd.IntN(40) {
			c := Candidate{Story: int64(i + 1), Revision: int64(100 + i), Arrival: int64(len(items) + 1), Arrived: noon, First: noon, Headline: string(rune('A' + i))}
			for _, s := range rnd.Perm(len(sections))[:1+rnd.IntN(3)] {
				c.Section, c.Arrival = sections[s], int64(len(items)+1)
				items = append(items, c)
			}
			stories[c.Story] = true
		}
		r := &Reader{}
		for _, i := range rnd.Perm(len(sections))[:rnd.IntN(len(sections)+1)] {
			r.Sections = append(r.Sections, Follow{sections[i], rnd.IntN(4) == 0, rnd.IntN(5) == 0})
		}
		e := &schedule.Edition{Stories: 1 + rnd.IntN(10)}
		chooser := NewChooser(NewPool(items, testConfig(sections...), e, noon))
		var verdicts []Verdict
		chooser.Told = func(v Verdict) { verdicts = append(verdicts, v) }
		s := chooser.Choose(r, Window{Start: int64(rnd.IntN(20)), End: 1000}, nil)
		var shown []Item
		for _, p := range s.Sections {
			for _, pick := range p.Stories {
				shown = append(shown, Item{Story: pick.Story, Revision: pick.Revision, Section: p.Section})
			}
		}
		account := Account(verdicts, shown)
		if len(account) != len(stories) {
			t.Fatalf("%d: %d stories have %d reasons", n, len(stories), len(account))
		}
		sent := 0
		for _, v := range account {
			if !stories[v.Story] || !slices.Contains(telling, v.Reason) {
				t.Fatalf("%d: %+v", n, v)
			}
			delete(stories, v.Story)
			if v.Reason == Sent {
				sent++
			}
		}
		if sent != len(shown) {
			t.Fatalf("%d: %d are said to be sent of %d", n, sent, len(shown))
		}
	}
}
