package digest

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"

	"broadsheet/stories"
)

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 60, "short"},
		{"exactly ten", 11, "exactly ten"},
		{"one two three", 12, "one two…"},
		{"one two, three", 9, "one two…"},
		{"onetwothreefour", 6, "onetwo…"},
		{"a verylongwordthatgoeson", 12, "a verylongwo…"},
		{"e\u0301e\u0301e\u0301 e\u0301", 3, "e\u0301e\u0301e\u0301…"},
		{"👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 2, "👩‍👩‍👧‍👦👩‍👩‍👧‍👦…"},
		{"عنوان طويل جدًا هنا", 12, "عنوان طويل…"},
		{"one two", 3, "one…"},
	} {
		if got := cut(tc.in, tc.n); got != tc.want {
			t.Errorf("cut(%q, %d) is %q, want %q", tc.in, tc.n, got, tc.want)
		}
	}
}

func TestSentences(t *testing.T) {
	for _, tc := range []struct {
		in   string
		n    int
		want string
	}{
		{"One. Two. Three.", 1, "One."},
		{"One. Two. Three.", 2, "One. Two."},
		{"No end", 1, "No end"},
		{"Mr. Smith and Dr. Jones of the U.S. Senate met. Then they left.", 1, "Mr. Smith and Dr. Jones of the U.S. Senate met."},
		{"Prices rose 3.5 per cent. Wages fell.", 1, "Prices rose 3.5 per cent."},
		{"“It is over.” She left.", 1, "“It is over.”"},
		{"J. K. Mumbai wrote it. Nobody read it.", 1, "J. K. Mumbai wrote it."},
		{"هل انتهى؟ نعم. لا.", 2, "هل انتهى؟ نعم."},
		{"Wait… what? Yes!", 1, "Wait… what?"},
		{"终于结束了。大家回家了。", 1, "终于结束了。"},
		{"What?! No.", 1, "What?!"},
	} {
		if got := sentences(tc.in, tc.n, 240); got != tc.want {
			t.Errorf("%d of %q is %q, want %q", tc.n, tc.in, got, tc.want)
		}
	}
}

func TestSubject(t *testing.T) {
	_, d := compose(t, morning)
	if want := "Coastal towns win a say over the harbour plan after a night… + 7 more"; d.Subject != want {
		t.Errorf("got %q, want %q", d.Subject, want)
	}
	raw, d := compose(t, arabic)
	if want := "\u2068المدن الساحلية تنال حق الاعتراض على خطة الميناء بعد ليلة…\u2069 و٣ أخبار أخرى"; d.Subject != want {
		t.Errorf("got %q, want %q", d.Subject, want)
	}
	if got := decoded(t, read(t, raw).header.Get("Subject")); got != d.Subject {
		t.Errorf("header says %q", got)
	}
	s, sel := morning()
	sel.Sections = sel.Sections[3:]
	one, err := samplePress(t, sampleConfig(), sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
	if err != nil || one.Subject != "Late try sends Porthaven through" {
		t.Errorf("got %q, %v", one.Subject, err)
	}
	if !strings.Contains(string(read(t, raw).html), "<title>"+d.Subject+"</title>") {
		t.Error("the title is not the subject")
	}
}

// TestPreheader: 40 to 130 characters, from the next headlines, never the subject again.
func TestPreheader(t *testing.T) {
	long := strings.Repeat("A long headline goes on and on ", 8)
	for _, headlines := range [][]string{
		{"One"}, {"One", "Two"}, {"One", "Two", "Three"}, {"One", long, long + "2"}, {long}, {"One", "One", "One"},
		{"First of all", "Second comes the harbour and its plan", "Third is the ferry levy that is no more"},
	} {
		s, sel := shelf{}, &Selection{Language: "en", Zone: "UTC", Sections: []Picked{{Section: "politics"}}}
		for _, h := range headlines {
			sel.Sections[0].Stories = append(sel.Sections[0].Stories, s.put(stories.Story{Headline: h, Lead: "The lead of the story goes on in this way for a while."}))
		}
		p := samplePress(t, sampleConfig(), sampleEdition())
		d, err := p.Layout(t.Context(), sampleIssue(), sel, s.story)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(d.Pieces, func(p Piece) bool {
			return len(p.Values) > headCities && strings.Contains(string(p.Fragment.Body), "<title>")
		})
		got := string(unquote(t, []byte(d.Pieces[i].Values[headPreheader])))
		n := 0
		for it := graphemes.FromString(got); it.Next(); {
			n++
		}
		if n < 40 || n > 130 || !utf8.ValidString(got) {
			t.Errorf("%q: %d characters: %q", headlines, n, got)
		}
		if strings.Contains(got, d.Subject) || strings.HasPrefix(got, strings.TrimSuffix(cut(headlines[0], 60), "…")+" ·") {
			t.Errorf("preheader %q says the subject %q again", got, d.Subject)
		}
	}
}
