package digest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSameEvent(t *testing.T) {
	const long = "Ten thousand people walked across the new harbour bridge on its first day"
	tests := []struct {
		name         string
		a, lead      string
		b, otherLead string
		apart        time.Duration
		want         bool
	}{
		{"equal", long, "", long, "", 0, true},
		{"case and punctuation", long, "", strings.ToUpper(long) + "!", "", 0, true},
		{"one word of fourteen changed", long, "", strings.Replace(long, "harbour", "western", 1), "", 0, true},
		{"another story", long, "", "Council puts off its vote on the tram line to the airport once more", "", 0, false},
		{"48 hours apart", long, "", long, "", 48 * time.Hour, true},
		{"more than 48 hours apart", long, "", long, "", 48*time.Hour + time.Second, false},
		{"title in the other's lead", "Ferry strike", long, long, "", 0, true},
		{"a form's opening", "Wildfire closes coast road", long, "Council puts off tram vote", long, 0, false},
		{"a form's title", "Results of round 7: " + long, long, "Results of round 8: " + long, long, 0, false},
		{"much more in one of them", long, "", long, "The ferries stayed in port, and the operator says that it will stop two of its lines for good.", 0, false},
		{"few words, equal title", "Weather", "", "weather:", "", 0, true},
		{"few words, equal title, one with a lead", "Live", "", "LIVE", long, 0, true},
		{"equal title, other leads", "Weather", "Rain in the north by noon and wind", "Weather", "Sun all day but for some fog at dawn", 0, false},
		{"few words, other title", "Weather", "", "Tides", "", 0, false},
		{"no words", "!!!", "", "???", "", 0, false},
		{"Arabic without its vowel signs", "افتتاح الجسر الجديد فوق الميناء أمام الزوار", "", "اِفتِتاح الجسر الجديد فوق الميناء امام الزوّار", "", 0, true},
		{"Arabic, another story", "افتتاح الجسر الجديد فوق الميناء أمام الزوار", "", "تأجيل التصويت على خط الترام إلى المطار مرة أخرى", "", 0, false},
		{"no spaces", "新しい港の橋が開通した", "", "新しい港の橋が開通しました", "", 0, true},
		{"typographic apostrophe", "The mayor's bridge opens at dawn", "", "The mayor’s bridge opens at dawn", "", 0, true},
	}
	for _, tt := range tests {
		a := Candidate{Story: 1, Headline: tt.a, Lead: tt.lead, First: noon}
		b := Candidate{Story: 2, Headline: tt.b, Lead: tt.otherLead, First: noon.Add(tt.apart)}
		if got := SameEvent(&a, &b); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if got := SameEvent(&b, &a); got != tt.want {
			t.Errorf("%s, the other way round: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// The index finds exactly the pairs that the rule names.
func TestSameEventsIndex(t *testing.T) {
	for n := range 12 {
		rnd := rand.New(rand.NewPCG(3, uint64(n)))
		var ws []wording
		var items []Candidate
		for i := range 120 {
			length := rnd.IntN(14)
			var text []string
			for w := range length { // the same few sentences with words changed here and there
				word := fmt.Sprintf("w%d-%d", i%6, w)
				if rnd.IntN(9) == 0 {
					word = fmt.Sprint("x", rnd.IntN(50))
				}
				text = append(text, strings.ReplaceAll(word, "-", ""))
			}
			cut := rnd.IntN(length + 1)
			items = append(items, Candidate{Story: int64(i), First: noon.Add(time.Duration(rnd.IntN(100)) * time.Hour),
				Headline: strings.Join(text[:cut], " "), Lead: strings.Join(text[cut:], " ")})
		}
		slices.SortFunc(items, func(a, b Candidate) int { return a.First.Compare(b.First) })
		for i := range items {
			ws = append(ws, newWording(&items[i]))
		}
		twins := sameEvents(ws)
		pairs := 0
		for i := range items {
			for j := range items {
				want := i != j && ws[i].same(&ws[j])
				if got := slices.Contains(twins[int32(i)], int32(j)); got != want {
					t.Fatalf("%d: %q + %q and %q + %q: index says %v, rule %v", n, items[i].Headline, items[i].Lead,
						items[j].Headline, items[j].Lead, got, want)
				}
				if want {
					pairs++
				}
			}
		}
		if pairs == 0 {
			t.Fatal("no pair to find")
		}
	}
}

func BenchmarkEvents(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	ws := make([]wording, 5000)
	for i := range ws {
		var text strings.Builder
		text.WriteString("Our reporters are on the scene and this story will be updated ")
		for range 30 {
			fmt.Fprintf(&text, "w%d ", int(rnd.ExpFloat64()*300))
		}
		ws[i] = newWording(&Candidate{Headline: text.String(), First: noon.Add(time.Duration(i) * time.Minute)})
	}
	for b.Loop() {
		sameEvents(ws)
	}
}
