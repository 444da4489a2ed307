package digest

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzQuoted: whatever text and fillings are put together, what comes out at the other end is
// what went in, and no line is too long, begins with a dot or From, or ends in a blank.
func FuzzQuoted(f *testing.F) {
	for _, seed := range []string{"", ".", "From me", "a ", "a\t\nb", "=", "=\r\n.", strings.Repeat("x", 74) + ". .", strings.Repeat("x", 75) + "From x",
		strings.Repeat("ع", 60), "a\r\n.\r\nb", "\x7f\x80\xff", strings.Repeat(" ", 200), "a \r\n", "line\rline"} {
		f.Add(seed, seed, seed)
	}
	f.Add("", "\t\n", "")
	f.Fuzz(func(t *testing.T, before, value, after string) {
		noMarks := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r == markOpen || r == markClose || r == '\r' {
					return -1
				}
				return r
			}, strings.ToValidUTF8(s, "?"))
		}
		before, value, after = noMarks(before), noMarks(value), noMarks(after)
		body := quoteBody(before + string(valueMark(0)) + after)
		d := &Digest{Zone: "UTC", Pieces: []Piece{{&Fragment{Body: body}, []string{quoteValue(value)}}}}
		m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil)
		if err != nil {
			t.Fatal(err)
		}
		checkLines(t, append([]byte("X: y\r\n\r\n"), m.Body...))
		got := strings.ReplaceAll(string(unquote(t, m.Body)), "\r\n", "\n")
		want := before + value + after
		if !strings.HasSuffix(after, "\n") { // a fragment ends its last line
			want += "\n"
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// FuzzText: a story's text, cut and cleaned, holds no control character and no mark, is valid and
// not longer than it may be, whatever it was.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "One. Two. Three.", "\x01v0\x02", "A\u202eB", "Mr. Smith went. He", "e\u0301" + strings.Repeat("\u0301", 500), "\xff\xfe",
		"جملة أولى؟ جملة ثانية.", "“Quoted.” Next", "3.5 per cent. Then", "。。", "…", " ."} {
		f.Add(seed, 1, 40)
	}
	f.Fuzz(func(t *testing.T, s string, n, limit int) {
		limit, n = 1+abs(limit)%400, abs(n)%4
		for _, got := range []string{cut(clean(s), limit), sentences(clean(s), n, limit)} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || len(got) > 4*limit+64+len("…") {
				t.Errorf("%q gave %q", s, got)
			}
		}
		if c := clean(s); clean(c) != c {
			t.Errorf("cleaning twice changes %q", c)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}

// FuzzParse: a stored body that was damaged is an error, never a panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte("a\x01v0\x02b\x01l1;2;x\x02"))
	f.Add([]byte("\x01\x02\x01v"))
	f.Fuzz(func(t *testing.T, body []byte) {
		segs, err := parse(body)
		if err != nil {
			return
		}
		var text []byte
		for _, s := range segs {
			text = append(text, s.text...)
		}
		if bytes.IndexByte(text, markOpen) >= 0 {
			t.Errorf("%q left a mark", body)
		}
	})
}
