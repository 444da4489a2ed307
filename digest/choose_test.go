package digest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/schedule"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// wide is a window that holds every arrival.
var wide = Window{End: 1 << 40}

func testConfig(sections ...string) *schedule.Config {
	c := &schedule.Config{Publication: schedule.Publication{Language: "en"}}
	for _, s := range sections {
		c.Sections = append(c.Sections, schedule.Section{ID: s, Weight: 1})
	}
	return c
}

// item is a candidate with a wording of its own, arrived n minutes before noon less the number.
func item(number int64, story int64, section string) Candidate {
	at := noon.Add(time.Duration(number-1000) * time.Minute)
	return Candidate{Story: story, Revision: story * 10, Section: section, Arrival: number, Arrived: at, First: at,
		Headline: fmt.Sprintf("h%d a%d b%d c%d", story, story, story, story)}
}

func follow(sections string) []Follow {
	var out []Follow
	for _, s := range strings.Fields(sections) {
		id := strings.TrimLeft(s, "~-")
		out = append(out, Follow{Section: id, Less: s[0] == '~', Muted: s[0] == '-'})
	}
	return out
}

// written shows a selection in one line: "world: 3 1 +2 | arts: 7".
func written(s Selection) string {
	var parts []string
	for _, p := range s.Sections {
		line := p.Section + ":"
		for _, pick := range p.Stories {
			line += fmt.Sprint(" ", pick.Story)
		}
		if p.More > 0 {
			line += fmt.Sprintf(" +%d", p.More)
		}
		parts = append(parts, line)
	}
	return strings.Join(parts, " | ")
}

func TestChoose(t *testing.T) {
	tests := []struct {
		name     string
		sections string
		items    []Candidate
		edit     func(*schedule.Config, *schedule.Edition, *Reader, *Window)
		seen     []int64
		want     string
	}{
		{name: "reader's order, newest first", sections: "b a",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "b"), item(3, 3, "a"), item(4, 4, "b")},
			want:  "b: 4 2 | a: 3 1"},
		{name: "every section with news has a place", sections: "a b c",
			items: []Candidate{item(1, 1, "c"), item(2, 2, "b"), item(3, 3, "a"), item(4, 4, "a"), item(5, 5, "a"), item(6, 6, "a")},
			edit:  func(_ *schedule.Config, e *schedule.Edition, _ *Reader, _ *Window) { e.Stories = 4 },
			want:  "a: 6 5 +2 | b: 2 | c: 1"},
		{name: "more sections than places", sections: "a b c",
			items: []Candidate{item(1, 1, "c"), item(2, 2, "b"), item(3, 3, "a"), item(4, 4, "a")},
			edit:  func(_ *schedule.Config, e *schedule.Edition, _ *Reader, _ *Window) { e.Stories = 2 },
			want:  "a: 4 +1 | b: 2"},
		{name: "less is one", sections: "~a b",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "a"), item(3, 3, "b"), item(4, 4, "b")},
			want:  "a: 2 +1 | b: 4 3"},
		{name: "muted wins over another section", sections: "a -gossip",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "a"), item(3, 2, "gossip")},
			want:  "a: 1"},
		{name: "muted before the window", sections: "a -gossip",
			items: []Candidate{item(1, 2, "gossip"), item(5, 1, "a"), item(6, 2, "a")},
			edit:  func(_ *schedule.Config, _ *schedule.Edition, _ *Reader, w *Window) { w.Start = 3 },
			want:  "a: 1"},
		{name: "muted after the cut-off", sections: "a -gossip",
			items: []Candidate{item(5, 1, "a"), item(6, 2, "a"), item(9, 2, "gossip")},
			edit:  func(_ *schedule.Config, _ *schedule.Edition, _ *Reader, w *Window) { w.End = 7 },
			want:  "a: 2 1"},
		{name: "once, in the reader's first section", sections: "b a",
			items: []Candidate{item(1, 1, "a"), item(2, 1, "b"), item(3, 2, "a")},
			want:  "b: 1 | a: 2"},
		{name: "the first section that has it in the window", sections: "b a",
			items: []Candidate{item(1, 1, "b"), item(5, 1, "a")},
			edit:  func(_ *schedule.Config, _ *schedule.Edition, _ *Reader, w *Window) { w.Start = 3 },
			want:  "a: 1"},
		{name: "window", sections: "a",
			items: []Candidate{item(3, 3, "a"), item(4, 4, "a"), item(5, 5, "a"), item(6, 6, "a")},
			edit:  func(_ *schedule.Config, _ *schedule.Edition, _ *Reader, w *Window) { w.Start, w.End = 3, 5 },
			want:  "a: 5 4"},
		{name: "too old", sections: "a",
			items: []Candidate{item(3, 3, "a"), item(4, 4, "a")},
			edit: func(_ *schedule.Config, _ *schedule.Edition, _ *Reader, w *Window) {
				w.Oldest = item(4, 0, "").Arrived
			},
			want: "a: 4"},
		{name: "seen", sections: "a", seen: []int64{2, 77},
			items: []Candidate{item(1, 1, "a"), item(2, 2, "a")},
			want:  "a: 1"},
		{name: "the lead and its section come first", sections: "a b",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "a"), onTop(item(3, 3, "b"), Top{Edition: "e", Until: noon.Add(1)}), item(4, 4, "b")},
			want:  "b: 3 4 | a: 2 1"},
		{name: "no longer the lead, or in another edition", sections: "a b",
			items: []Candidate{item(1, 1, "a"), onTop(item(2, 2, "b"), Top{Edition: "e", Until: noon}), onTop(item(3, 3, "b"), Top{Edition: "f", Until: noon.Add(1)}), item(4, 4, "b")},
			want:  "a: 1 | b: 4 3 2"},
		{name: "on top of a section", sections: "a b",
			items: []Candidate{item(1, 1, "a"), onTop(item(2, 2, "b"), Top{Section: "b", Until: noon.Add(1)}), item(4, 4, "b"), item(5, 5, "a")},
			edit:  func(_ *schedule.Config, e *schedule.Edition, _ *Reader, _ *Window) { e.Stories = 2 },
			want:  "a: 5 +1 | b: 2 +1"},
		{name: "a lead that is not eligible", sections: "a -b", seen: []int64{3},
			items: []Candidate{item(1, 1, "a"), onTop(item(2, 2, "b"), Top{Edition: "e", Until: noon.Add(1)}), onTop(item(3, 3, "a"), Top{Edition: "e", Until: noon.Add(1)})},
			want:  "a: 1"},
		{name: "withdrawn", sections: "a",
			items: []Candidate{item(1, 1, "a"), withdrawn(item(2, 2, "a"))},
			want:  "a: 1"},
		{name: "the same event as one that was sent and withdrawn", sections: "a", seen: []int64{2},
			items: []Candidate{titled(item(1, 1, "a"), "Harbour bridge closes for the night after storm"), withdrawn(titled(item(2, 2, "a"), "Harbour bridge closes for the night after storm"))},
			want:  "a: 1"},
		{name: "rolled over stands behind fresh", sections: "a b",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "b"), item(8, 8, "b"), item(9, 9, "b"), pinned(item(3, 3, "b"), 5)},
			edit: func(_ *schedule.Config, e *schedule.Edition, _ *Reader, w *Window) {
				e.Stories, w.Fresh = 4, 5
			},
			want: "a: 1 | b: 9 8 3 +1"},
		{name: "pin before age", sections: "a",
			items: []Candidate{item(1, 1, "a"), pinned(item(2, 2, "a"), 1), item(3, 3, "a"), pinned(item(1, 4, "a"), 2)},
			want:  "a: 4 2 3 1"},
		{name: "weight", sections: "a b",
			items: []Candidate{item(900, 1, "a"), item(890, 2, "a"), item(880, 3, "b"), item(850, 4, "b"), item(700, 5, "b")},
			edit: func(c *schedule.Config, e *schedule.Edition, _ *Reader, _ *Window) {
				c.Sections[1].Weight, e.Stories = 2, 3
			},
			want: "a: 1 +1 | b: 3 4 +1"},
		{name: "per section", sections: "a b",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "a"), item(3, 3, "a"), item(4, 4, "b")},
			edit:  func(_ *schedule.Config, e *schedule.Edition, _ *Reader, _ *Window) { e.PerSection = 2 },
			want:  "a: 3 2 +1 | b: 4"},
		{name: "edition draws from some sections", sections: "a b",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "b")},
			edit:  func(_ *schedule.Config, e *schedule.Edition, _ *Reader, _ *Window) { e.Sections = []string{"b"} },
			want:  "b: 2"},
		{name: "section moved", sections: "old b",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "b"), item(3, 3, "old")},
			edit: func(c *schedule.Config, _ *schedule.Edition, _ *Reader, _ *Window) {
				c.Sections = append(c.Sections, schedule.Section{ID: "old", MovedTo: "older"},
					schedule.Section{ID: "older", MovedTo: "a"})
			},
			want: "a: 3 1 | b: 2"},
		{name: "section retired", sections: "a b",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "b")},
			edit: func(c *schedule.Config, _ *schedule.Edition, _ *Reader, _ *Window) {
				c.Sections[0].Retired = true
			},
			want: "b: 2"},
		{name: "unknown sections", sections: "nowhere a -nothing",
			items: []Candidate{item(1, 1, "a"), item(2, 2, "nowhere"), item(3, 3, "a"), item(4, 3, "nothing")},
			want:  "a: 1"},
		{name: "language of the publication", sections: "a",
			items: []Candidate{item(1, 1, "a"), in(item(2, 2, "a"), "en-GB"), in(item(3, 3, "a"), "ar")},
			want:  "a: 2 1"},
		{name: "language of the reader", sections: "a",
			items: []Candidate{item(1, 1, "a"), in(item(2, 2, "a"), "AR")},
			edit:  func(_ *schedule.Config, _ *schedule.Edition, r *Reader, _ *Window) { r.Language = "ar-AE" },
			want:  "a: 2"},
		{name: "language the edition does not have", sections: "a",
			items: []Candidate{item(1, 1, "a"), in(item(2, 2, "a"), "ar")},
			edit: func(_ *schedule.Config, e *schedule.Edition, r *Reader, _ *Window) {
				r.Language, e.Languages = "ar", []string{"en"}
			},
			want: ""},
		{name: "one version of an event", sections: "a b",
			items: []Candidate{
				told(item(1, 1, "a"), "Harbour bridge closed after storm damages two of its pillars"),
				told(item(2, 2, "b"), "Harbour bridge closed after storm damages two of its pillars overnight"),
				item(3, 3, "b")},
			want: "a: 1 | b: 3"},
		{name: "event seen before", sections: "a", seen: []int64{1},
			items: []Candidate{
				told(item(1, 1, "a"), "Harbour bridge closed after storm damages two of its pillars"),
				told(item(2, 2, "a"), "Harbour bridge closed after storm damages two of its pillars overnight")},
			want: ""},
		{name: "more counts events, not versions", sections: "a",
			items: []Candidate{
				told(item(1, 1, "a"), "Harbour bridge closed after storm damages two of its pillars"),
				told(item(2, 2, "a"), "Harbour bridge closed after storm damages two of its pillars overnight"),
				told(item(3, 3, "a"), "Ferry crews vote on a new contract with the port"),
				told(item(4, 4, "a"), "Ferry crews vote today on a new contract with the port")},
			edit: func(_ *schedule.Config, e *schedule.Edition, _ *Reader, _ *Window) { e.Stories = 1 },
			want: "a: 4 +1"},
		{name: "cap of 20", sections: "a", items: many(25, "a"),
			edit: func(_ *schedule.Config, e *schedule.Edition, _ *Reader, _ *Window) { e.Stories = 50 },
			want: "a: 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 +5"},
		{name: "default of 12", sections: "a", items: many(14, "a"),
			want: "a: 14 13 12 11 10 9 8 7 6 5 4 3 +2"},
		{name: "a section followed twice", sections: "a a", items: many(2, "a"), want: "a: 2 1"},
		{name: "nothing", sections: "", items: many(2, "a"), want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, e, r, w := testConfig("a", "b", "c", "gossip"), &schedule.Edition{Name: "e"}, &Reader{Sections: follow(tt.sections)}, wide
			if tt.edit != nil {
				tt.edit(c, e, r, &w)
			}
			var first Selection
			for n := range 10 { // the order in which things are given must not matter
				items, seen := slices.Clone(tt.items), slices.Clone(tt.seen)
				rnd := rand.New(rand.NewPCG(uint64(n), 0))
				if n > 0 {
					rnd.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
					rnd.Shuffle(len(seen), func(i, j int) { seen[i], seen[j] = seen[j], seen[i] })
				}
				chooser := NewChooser(NewPool(items, c, e, noon))
				got := chooser.Choose(r, w, seen)
				if written(got) != tt.want {
					t.Fatalf("chose %q\nwant  %q", written(got), tt.want)
				}
				if n == 0 {
					first = got
				}
				if again := chooser.Choose(r, w, seen); !cmp.Equal(again, first) || again.key() != first.key() {
					t.Fatalf("second time chose %q, first %q", written(again), written(first))
				}
			}
		})
	}
}

func pinned(c Candidate, pin int) Candidate       { c.Pin = pin; return c }
func in(c Candidate, language string) Candidate   { c.Language = language; return c }
func told(c Candidate, headline string) Candidate { c.Headline = headline; return c }
func many(n int, section string) (items []Candidate) {
	for i := range n {
		items = append(items, item(int64(i+1), int64(i+1), section))
	}
	return items
}

// Each candidate gets one verdict, and the verdicts agree with the selection.
func TestVerdicts(t *testing.T) {
	items := []Candidate{
		item(1, 1, "a"), item(2, 2, "a"), item(5, 5, "a"), item(6, 6, "a"), item(7, 7, "a"),
		item(8, 8, "c"), item(9, 9, "gossip"), item(10, 9, "a"), in(item(11, 11, "a"), "ar"),
		item(12, 7, "b"), item(13, 13, "b"), item(14, 14, "b"), item(15, 15, "d"), item(21, 21, "a"),
		told(item(16, 16, "a"), "Harbour bridge closed after storm damages two of its pillars"),
		told(item(17, 17, "a"), "Harbour bridge closed after storm damages two of its pillars overnight"),
		item(18, 18, "a"),
	}
	c := testConfig("a", "b", "c", "d", "gossip")
	e := &schedule.Edition{Stories: 3, Sections: []string{"a", "b", "c", "gossip"}}
	chooser := NewChooser(NewPool(items, c, e, noon))
	got := map[string]string{}
	chooser.Told = func(v Verdict) {
		k := fmt.Sprintf("%d %s", v.Story, v.Section)
		if got[k] != "" {
			t.Errorf("two verdicts on %s: %q and %q", k, got[k], v.Reason)
		}
		got[k] = string(v.Reason)
		if v.Of != 0 {
			got[k] += fmt.Sprint(" of ", v.Of)
		}
	}
	w := Window{Start: 1, End: 20, Fresh: 1, Oldest: item(5, 0, "").Arrived}
	s := chooser.Choose(&Reader{Sections: follow("a ~b -gossip d")}, w, []int64{6})
	if want := "a: 18 17 +2 | b: 14 +1"; written(s) != want {
		t.Errorf("chose %q, want %q", written(s), want)
	}
	want := map[string]string{
		"1 a": "in an earlier issue", "2 a": "too old", "5 a": "over the cap", "6 a": "seen before", "7 a": "over the cap",
		"8 c": "not in your sections", "9 gossip": "muted", "9 a": "muted", "11 a": "other language",
		"7 b": "under another section", "13 b": "less", "14 b": "sent", "15 d": "not in this edition",
		"21 a": "in a later issue", "16 a": "duplicate of 17", "17 a": "sent", "18 a": "sent",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// recounts: what is counted later of a selection is what was counted when it was made.
func recounts(t *testing.T, c *Chooser, s Selection, r *Reader, w Window, seen []int64) {
	t.Helper()
	told := c.Told
	defer func() { c.Told = told }()
	count := func(by map[Reason]int) func(Verdict) { return func(v Verdict) { by[v.Reason]++ } }
	first, second := map[Reason]int{}, map[Reason]int{}
	c.Told = count(first)
	c.Choose(r, w, seen)
	var shown []Item
	for _, p := range s.Sections {
		for _, pick := range p.Stories {
			shown = append(shown, Item{Story: pick.Story, Revision: pick.Revision, Section: p.Section})
		}
	}
	c.Told = count(second)
	left := c.recount(r, w, seen, shown)
	if d := cmp.Diff(first, second); d != "" {
		t.Fatalf("%s: verdicts differ: %s", written(s), d)
	}
	for _, p := range s.Sections {
		if len(left[p.Section]) != p.More {
			t.Fatalf("%s: %d are left in %s", written(s), len(left[p.Section]), p.Section)
		}
	}
}

// Rules that hold for any pool and any reader.
func TestChooseAlways(t *testing.T) {
	for n := range 300 {
		rnd := rand.New(rand.NewPCG(7, uint64(n)))
		sections := []string{"a", "b", "c", "d", "e", "f"}
		var items []Candidate
		for i := range rnd.IntN(120) {
			c := item(int64(i+1), int64(i+1), sections[rnd.IntN(len(sections))])
			if rnd.IntN(3) == 0 {
				c.Headline = fmt.Sprintf("Event number %d of the day goes on", rnd.IntN(12))
			}
			c.Pin = max(0, rnd.IntN(12)-10)
			items = append(items, c)
			if rnd.IntN(4) == 0 && len(items) > 1 {
				other := c
				if other.Section = sections[rnd.IntN(len(sections))]; other.Section != c.Section {
					items = append(items, other)
				}
			}
		}
		e := &schedule.Edition{Stories: 1 + rnd.IntN(15), PerSection: rnd.IntN(4)}
		r := &Reader{}
		for _, i := range rnd.Perm(len(sections))[:rnd.IntN(len(sections)+1)] {
			r.Sections = append(r.Sections, Follow{sections[i], rnd.IntN(4) == 0, rnd.IntN(5) == 0})
		}
		w := Window{Start: int64(rnd.IntN(40)), Fresh: int64(rnd.IntN(60)), End: 1000}
		var seen []int64
		for i := range rnd.IntN(20) {
			seen = append(seen, int64(1+i*3))
		}
		pool := NewPool(items, testConfig(sections...), e, noon)
		chooser := NewChooser(pool)
		verdicts := map[Reason][]Verdict{}
		all := 0
		chooser.Told = func(v Verdict) { verdicts[v.Reason] = append(verdicts[v.Reason], v); all++ }
		s := chooser.Choose(r, w, seen)
		recounts(t, chooser, s, r, w, seen)

		if all != len(items) {
			t.Fatalf("%d: %d verdicts on %d candidates", n, all, len(items))
		}
		if s.Stories() > e.Stories || len(verdicts[Sent]) != s.Stories() {
			t.Fatalf("%d: %d stories, %d said to be sent, cap %d", n, s.Stories(), len(verdicts[Sent]), e.Stories)
		}
		byID := map[int64]*Candidate{}
		for i := range items {
			byID[items[i].Story] = &items[i]
		}
		var shown []*Candidate
		more := 0
		for _, p := range s.Sections {
			more += p.More
			at := slices.IndexFunc(r.Sections, func(f Follow) bool { return f.Section == p.Section })
			if f := r.Sections[at]; f.Muted || f.Less && len(p.Stories) > 1 || e.PerSection > 0 && len(p.Stories) > e.PerSection {
				t.Fatalf("%d: section %+v has %d stories", n, f, len(p.Stories))
			}
			for _, pick := range p.Stories {
				shown = append(shown, byID[pick.Story])
			}
		}
		for i, a := range shown {
			for _, b := range shown[:i] {
				if a.Story == b.Story || SameEvent(a, b) {
					t.Fatalf("%d: stories %d and %d tell one event", n, a.Story, b.Story)
				}
			}
			for _, id := range seen {
				if b := byID[id]; b != nil && (a.Story == id || SameEvent(a, b)) {
					t.Fatalf("%d: story %d, of an event seen in %d", n, a.Story, id)
				}
			}
		}
		over := slices.Concat(verdicts[OverCap], verdicts[LessLimit])
		for _, v := range over {
			if e.Stories > s.Stories() && v.Reason == OverCap && e.PerSection == 0 {
				t.Fatalf("%d: story %d is over a cap of %d with %d chosen", n, v.Story, e.Stories, s.Stories())
			}
		}
		if hidden := len(r.Sections) - len(s.Sections); hidden == 0 && more != len(over) {
			t.Fatalf("%d: N more adds up to %d of %d", n, more, len(over))
		}
		if len(over) > 0 && s.Stories() == e.Stories {
			continue
		}
		for _, v := range over { // no section with news goes without, unless the places ran out
			if !slices.ContainsFunc(s.Sections, func(p Picked) bool { return p.Section == v.Section }) {
				t.Fatalf("%d: section %s has news and no place", n, v.Section)
			}
		}
	}
}

func onTop(c Candidate, t Top) Candidate {
	c.Tops = append(c.Tops, t)
	return c
}

func titled(c Candidate, title string) Candidate {
	c.Headline = title
	return c
}

func withdrawn(c Candidate) Candidate {
	c.Withdrawn = true
	return c
}
