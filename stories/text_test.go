package stories

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nBcc: x":                      "a Bcc: x",
		" a\u2028b\u2029c\u0085d\ve":       "a b c d e",
		"\u202eevil\u202c":                 "evil",
		"\u2066a\u2069":                    "a",
		"a\u200bb\ufeff\u00adc\x00":        "abc",
		"می\u200cخواهم":                    "می\u200cخواهم",
		"👩\u200d🚀":                         "👩\u200d🚀",
		"🏴󠁧󠁢󠁳󠁣󠁴󠁿 x":                        "🏴󠁧󠁢󠁳󠁣󠁴󠁿 x",
		"a\U000E0041b":                     "ab",
		"a" + strings.Repeat("\u0301", 50): "a" + strings.Repeat("\u0301", 8),
		"$500\u00a0million":                "$500 million",
	} {
		if got := line(in); got != want {
			t.Errorf("line(%+q) = %+q, want %+q", in, got, want)
		}
	}
}

// oneLine fails unless s may stand in a mail header.
func oneLine(t testing.TB, field, s string) {
	t.Helper()
	for _, r := range s {
		if unicode.IsControl(r) || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			t.Fatalf("%s holds %U: %+q", field, r, s)
		}
	}
}

func TestNaughtyStrings(t *testing.T) {
	var list []string
	if err := json.Unmarshal(read(t, data(t, "strings", "blns.json")), &list); err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		oneLine(t, "line", line(s))
		oneLine(t, "plain", plain(s))
		for _, n := range []int{1, 10, 60} {
			if got := Excerpt(s, n); utf8.RuneCountInString(got) > n {
				t.Errorf("Excerpt(%q, %d) = %q", s, n, got)
			}
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"<b>Tide</b> turns":           "Tide turns",
		"AT&amp;T rises":              "AT&T rises",
		"List<T> explained":           "List<T> explained",
		"1 < 2 and 3 > 2":             "1 < 2 and 3 > 2",
		"Profit <expected":            "Profit <expected",
		"Tide <a href='x":             "Tide",
		"One<br>two":                  "One two",
		"<script>alert(1)</script>Ok": "Ok",
		"Caf&eacute; &#8212; open":    "Café — open",
		"&lt;b&gt; is a tag":          "<b> is a tag",
		"A<B":                         "A<B",
		"If a <b and c> d":            "If a <b and c> d",
		"What is <object>?":           "What is <object>?",
		"<style> guide":               "<style> guide",
		"The <TITLE> of <b>it</b>":    "The <TITLE> of it",
		`<img src="x" alt="Quay">`:    "Quay",
		"<!-- x -->Tide":              "Tide",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	for _, c := range []struct {
		in   string
		max  int
		want string
	}{
		{"Short.", 40, "Short."},
		{"The tide turned at noon. Nobody had expected it so early in the year.", 40, "The tide turned at noon."},
		{"The tide turned. Nobody had expected it so early in the whole of the year.", 60, "The tide turned. Nobody had expected it so early in the…"},
		{"U.S. forces met Mr. Hale of No. 4 dock at 3.5 knots on the way home tonight.", 40, "U.S. forces met Mr. Hale of No. 4 dock…"},
		{`"It is over." He left. Then everything went on as it had for many years.`, 30, `"It is over." He left.`},
		{"ارتفع المد عند الظهر. لم يتوقع أحد ذلك في هذا الوقت من السنة على الإطلاق.", 40, "ارتفع المد عند الظهر."},
		{"هل انتهى الأمر؟ لا أحد يعرف ذلك حتى الآن في المدينة كلها.", 30, "هل انتهى الأمر؟"},
		{"潮が変わった。誰もそれを予想していなかったという。町は静かだった。", 20, "潮が変わった。"},
		{strings.Repeat("a", 50), 10, "aaaaaaaaa…"},
		{"anything", 0, ""},
	} {
		if got := Excerpt(c.in, c.max); got != c.want {
			t.Errorf("Excerpt(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
		}
	}
}

func TestCountWords(t *testing.T) {
	for s, want := range map[string]int{"one two, three-four don't 3.5": 5, "": 0, "潮が変わった": 3, "ارتفع المد": 2} {
		if got := countWords(s); got != want {
			t.Errorf("countWords(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestDates(t *testing.T) {
	for in, want := range map[string]string{
		"Wed, 24 Apr 2019 17:44:00 GMT":          "2019-04-24T17:44:00Z",
		"Wed, 24 Apr 2019 17:44 +0400":           "2019-04-24T13:44:00Z",
		"24 Apr 19 17:44 EST":                    "2019-04-24T22:44:00Z",
		"Wed, 24 April 2019, 5:44 PM PDT":        "2019-04-25T00:44:00Z",
		"2019-04-24T17:44:00.123+02:00":          "2019-04-24T15:44:00Z",
		"2019-04-24T17:44:00Z":                   "2019-04-24T17:44:00Z",
		"2019-04-24 17:44:00":                    "2019-04-24T17:44:00Z",
		"2019-04-24":                             "2019-04-24T00:00:00Z",
		"20190424":                               "2019-04-24T00:00:00Z",
		"2019-04":                                "2019-04-01T00:00:00Z",
		"Wed Apr 24 17:44:00 CEST 2019":          "2019-04-24T15:44:00Z",
		"April 24, 2019":                         "2019-04-24T00:00:00Z",
		"Mercredi 24 avril 2019 17:44:00 +0200":  "2019-04-24T15:44:00Z",
		"Mi, 24 Mai 2019 17:44:00 +0200":         "2019-05-24T15:44:00Z",
		"24/04/2019 17:44":                       "2019-04-24T17:44:00Z",
		"4/24/2019 5:44 PM":                      "2019-04-24T17:44:00Z",
		"04/05/2019 17:44":                       "2019-05-04T17:44:00Z",
		"04.05.2019":                             "2019-05-04T00:00:00Z",
		"04-05-2019":                             "2019-05-04T00:00:00Z",
		"4/5/2019 5:44 PM":                       "2019-04-05T17:44:00Z",
		"20190424T174400Z":                       "2019-04-24T17:44:00Z",
		"2019-04-24T1744+0200":                   "2019-04-24T15:44:00Z",
		"2019-04-24T17:44:00+02:00[Europe/Rome]": "2019-04-24T15:44:00Z",
		"Thu, 04 Jul 1968 10:00:00 GMT":          "1968-07-04T10:00:00Z",
		"1556127840":                             "2019-04-24T17:44:00Z",
		"Thu, 24 Apr 2019 24:00:00 GMT":          "2019-04-25T00:00:00Z",
		"Wed, 24 Apr 2019 17:44:00 GMT+0200":     "2019-04-24T15:44:00Z",
		"Wed, 24 Apr 2019 17:44:00 -0500 (CDT)":  "2019-04-24T22:44:00Z",
	} {
		got, ok := parseDate(in)
		if !ok || got.Format(time.RFC3339) != want {
			t.Errorf("parseDate(%q) = %v %v, want %s", in, got.Format(time.RFC3339), ok, want)
		}
	}
	for _, in := range []string{"", "yesterday", "Wed, 31 Feb 2019 00:00:00 GMT", "Wed, 24 Apr 2019 25:00:00 GMT", "Wed, 24 Apr 2019 17:44:00 XYZ", "0001-01-01", "2019-13-01"} {
		if got, ok := parseDate(in); ok {
			t.Errorf("parseDate(%q) = %v", in, got)
		}
	}
}
