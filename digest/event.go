package digest

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// eventSpan is how far apart two stories may arrive and still tell one event.
const eventSpan = 48 * time.Hour

// SameEvent reports whether two stories are versions of one event: they arrived within 48 hours of each other, and
// title and lead of each consist by at least 60 % of word triples which the other has too. Where one of them has
// fewer than three words, only equal titles count. To lose a story is worse than to show two versions of it, so
// there are two exceptions, for what only a newsroom's forms have in common: titles of which no word stands in the
// other story (an opening above every live page), and titles that differ in figures alone (results, part 2 of 5).
// A better rule can take this one's place here: nothing else decides it, and [sameEvents] only saves asking about
// pairs that cannot agree.
func SameEvent(a, b *Candidate) bool {
	x, y := newWording(a), newWording(b)
	return x.same(&y)
}

// wording is what of a story is compared: its words, without case, marks and punctuation.
type wording struct {
	first    time.Time
	title    string
	triples  []uint64 // sorted, each once
	headline string   // as given, with lead for formal
	lead     string
}

// The seed is fixed for the life of the process; hashes are compared within it and never stored.
var seed = maphash.MakeSeed()

func newWording(c *Candidate) wording {
	title := words(c.Headline)
	all := append(slices.Clip(title), words(c.Lead)...)
	w := wording{first: c.First, title: strings.Join(title, " "), headline: c.Headline, lead: c.Lead}
	for i := 0; i+3 <= len(all); i++ {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, word := range all[i : i+3] {
			h.WriteString(word)
			h.WriteByte(0)
		}
		w.triples = append(w.triples, h.Sum64())
	}
	slices.Sort(w.triples)
	w.triples = slices.Compact(w.triples)
	return w
}

func (a *wording) same(b *wording) bool {
	if d := a.first.Sub(b.first); d > eventSpan || d < -eventSpan {
		return false
	}
	if len(a.triples) == 0 || len(b.triples) == 0 {
		return a.title != "" && a.title == b.title
	}
	shared := 0
	for i, j := 0, 0; i < len(a.triples) && j < len(b.triples); {
		switch x, y := a.triples[i], b.triples[j]; {
		case x < y:
			i++
		case x > y:
			j++
		default:
			shared, i, j = shared+1, i+1, j+1
		}
	}
	return shared >= needed(max(len(a.triples), len(b.triples))) && (a.title == b.title || !a.formal(b))
}

// formal reports whether it may be the form alone that a and b share: their titles differ in figures only, or
// neither title has a word that stands anywhere in the other story.
func (a *wording) formal(b *wording) bool {
	x, y := words(a.headline), words(b.headline)
	return figuresAside(x) == figuresAside(y) || !mentions(b, x) && !mentions(a, y)
}

// figuresAside joins words, those with a digit all alike.
func figuresAside(title []string) string {
	var b strings.Builder
	for _, word := range title {
		if strings.ContainsFunc(word, unicode.IsNumber) {
			word = "#"
		}
		b.WriteString(word + " ")
	}
	return b.String()
}

// mentions reports whether one of names, of three letters or more where there are spaces, stands in w. Names
// that are all too short count as mentioned.
func mentions(w *wording, names []string) bool {
	text := append(words(w.headline), words(w.lead)...)
	long := false
	for _, name := range names {
		if utf8.RuneCountInString(name) < 3 && name[0] < utf8.RuneSelf {
			continue
		}
		long = true
		if slices.Contains(text, name) {
			return true
		}
	}
	return !long
}

// needed is 60 % of n, rounded up.
func needed(n int) int { return (3*n + 4) / 5 }

// words splits s at everything that is neither letter nor digit. Case, accents, vowel signs and the Arabic
// stretching sign do not count, nor does an apostrophe; a character of a script that sets no spaces is a word.
func words(s string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, b.String())
			b.Reset()
		}
	}
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r), r == '\u0640', r == '\'', r == '\u2019':
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao,
			unicode.Khmer, unicode.Myanmar):
			flush()
			out = append(out, string(r))
		case unicode.IsLetter(r), unicode.IsNumber(r):
			b.WriteRune(unicode.ToLower(r))
		default:
			flush()
		}
	}
	flush()
	return out
}

// sameEvents lists for each wording the others that tell the same event, in rising order. ws must be in order of
// time.
//
// Two sets that share 60 % of the larger share at least one of the 40 % rarest triples of each, whatever the order
// of rarity. So only those are indexed: a phrase that stands in every story is in nobody's, and costs nothing.
func sameEvents(ws []wording) map[int32][]int32 {
	often := map[uint64]int32{}
	for i := range ws {
		for _, t := range ws[i].triples {
			often[t]++
		}
	}
	twins := map[int32][]int32{}
	link := func(a, b int32) {
		twins[a] = append(twins[a], b)
		twins[b] = append(twins[b], a)
	}
	byTriple := map[uint64][]int32{} // stories of the last 48 h by their rare triples
	byTitle := map[string][]int32{}
	tried := make([]int32, len(ws)) // the story, plus one, that was last compared with this one
	var rare []uint64
	for i := range ws {
		w, n := &ws[i], int32(i)
		compare := func(with []int32) []int32 {
			with = recent(ws, with, w.first)
			for _, m := range with {
				if tried[m] != n+1 {
					tried[m] = n + 1
					if w.same(&ws[m]) {
						link(m, n)
					}
				}
			}
			return append(with, n)
		}
		rare = append(rare[:0], w.triples...)
		slices.SortFunc(rare, func(a, b uint64) int {
			if often[a] != often[b] {
				return int(often[a] - often[b])
			}
			if a < b {
				return -1
			}
			return 1
		})
		for _, t := range rare[:len(rare)-needed(len(rare))+min(1, len(rare))] {
			if often[t] > 1 {
				byTriple[t] = compare(byTriple[t])
			}
		}
		if w.title != "" {
			byTitle[w.title] = compare(byTitle[w.title])
		}
	}
	for _, list := range twins {
		slices.Sort(list)
	}
	return twins
}

// recent cuts off the stories that are too old to be one event with one of time now.
func recent(ws []wording, list []int32, now time.Time) []int32 {
	i := 0
	for i < len(list) && now.Sub(ws[list[i]].first) > eventSpan {
		i++
	}
	return list[i:]
}
