package templates

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/feature/plural"
)

func load(t *testing.T, dir string) *Set {
	t.Helper()
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOwnTemplate(t *testing.T) {
	s := load(t, write(t, "contents.txt", "only {{len .Sections}}"))
	var b strings.Builder
	if err := s.Text(&b, "contents", map[string]any{"Sections": []int{1, 2}}); err != nil || b.String() != "only 2" {
		t.Errorf("got %q, %v", b.String(), err)
	}
	b.Reset()
	if err := s.HTML(&b, "contents", map[string]any{"Sections": []string{"Sport 2"}}); err != nil || !strings.Contains(b.String(), "Sport 2") {
		t.Errorf("the shipped contents.html gave %q, %v", b.String(), err)
	}
}

func TestBadFiles(t *testing.T) {
	english, err := shipped.ReadFile("words/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	arabic, err := shipped.ReadFile("words/ar.yaml")
	if err != nil {
		t.Fatal(err)
	}
	without := func(text []byte, pattern string) string {
		return regexp.MustCompile(pattern).ReplaceAllString(string(text), "")
	}
	for name, tc := range map[string]struct{ file, text, want string }{
		"no such piece":      {"story-crad.html", "x", "story-crad.html replaces no shipped file"},
		"broken template":    {"head.html", "{{if}}", "head.html"},
		"missing key":        {"words/en.yaml", without(english, `(?m)^pause: .*\n`), `words/en.yaml: key "pause" is missing`},
		"unknown key":        {"words/en.yaml", string(english) + "\npawse: x\n", "pawse"},
		"missing form":       {"words/ar.yaml", without(arabic, `(?m)^  two: "خبران"\n`), `words/ar.yaml: key "stories" lacks the plural form "two"`},
		"bad direction":      {"words/en.yaml", strings.Replace(string(english), "direction: ltr", "direction: up", 1), `"direction" is "up"`},
		"bad digits":         {"words/en.yaml", strings.Replace(string(english), "digits: latn", "digits: roman", 1), `"digits" is "roman"`},
		"six days":           {"words/en.yaml", strings.Replace(string(english), "Mon, ", "", 1), `"weekdays_short" has 6 entries`},
		"bad language":       {"words/english!.yaml", string(english), "english!.yaml"},
		"missing notice":     {"words/ar.yaml", strings.Replace(string(arabic), "\n  left_all:", "\n  left_al:", 1), `words/ar.yaml: key "notices.left_all" is missing`},
		"silent notice":      {"words/en.yaml", strings.Replace(string(english), "    button: Undo and stay\n", "", 1), `key "notices.left" needs subject`},
		"incomplete further": {"words/fr.yaml", "direction: ltr\n", "fr.yaml"},
	} {
		_, err := Load(write(t, tc.file, tc.text))
		if err == nil || !strings.Contains(filepath.ToSlash(err.Error()), tc.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tc.want)
		}
	}
	if _, err := Load("no/such/folder"); err == nil {
		t.Error("a folder that is not there is no error")
	}
}

func TestFurtherLanguage(t *testing.T) {
	english, err := shipped.ReadFile("words/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, write(t, "words/de.yaml", strings.Replace(string(english), "pause: Pause", "pause: Pausieren", 1)))
	for lang, want := range map[string]string{"de": "de", "de-AT": "de", "ar-AE": "ar", "en-GB": "en", "ja": "en", "": "en", "!!": "en"} {
		if got := s.Words(lang).Language; got != want {
			t.Errorf("words for %q are %q, want %q", lang, got, want)
		}
	}
	if s.Words("de").Pause != "Pausieren" {
		t.Error("words/de.yaml was not read")
	}
}

// TestPlurals: Arabic has six forms, and each number takes the one CLDR gives it.
func TestPlurals(t *testing.T) {
	w := load(t, "").Words("ar")
	if n := len(w.forms()); n != 6 {
		t.Errorf("%d forms, want 6", n)
	}
	for n, want := range map[int]string{0: "لا أخبار", 1: "خبر واحد", 2: "خبران", 3: "٣ أخبار", 10: "١٠ أخبار", 11: "١١ خبرًا", 99: "٩٩ خبرًا",
		100: "١٠٠ خبر", 101: "١٠١ خبر", 103: "١٠٣ أخبار", 111: "١١١ خبرًا"} {
		if got := w.Count(w.Stories, n); got != want {
			t.Errorf("%d: %q, want %q (%v)", n, got, want, plural.Cardinal.MatchPlural(w.tag, n, 0, 0, 0, 0))
		}
	}
	en := load(t, "").Words("en")
	for n, want := range map[int]string{1: "1 story", 2: "2 stories", 0: "0 stories"} {
		if got := en.Count(en.Stories, n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestFill(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		pairs   []string
		want    string
	}{
		{"{a} and {b}", []string{"a", "{b}", "b", "{a}"}, "{b} and {a}"},
		{"plain", []string{"a", "x"}, "plain"},
		{"{unknown} {a}", []string{"a", "x"}, "{unknown} x"},
		{"open {a", []string{"a", "x"}, "open {a"},
		{"} {a}", []string{"a", "x"}, "} x"},
		{"", nil, ""},
	} {
		if got := Fill(tc.pattern, tc.pairs...); got != tc.want {
			t.Errorf("Fill(%q) is %q, want %q", tc.pattern, got, tc.want)
		}
	}
}

func TestWhen(t *testing.T) {
	s := load(t, "")
	ref := time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		lang, zone, city string
		at               time.Duration // before ref
		want             string
	}{
		{"en", "Europe/Berlin", "", 20 * time.Minute, "07:40 CEST"},
		{"en", "Asia/Dubai", "Abu Dhabi", 140 * time.Minute, "07:40, Abu Dhabi"},
		{"en", "Asia/Dubai", "", 140 * time.Minute, "07:40, Dubai"},
		{"en", "America/Argentina/Buenos_Aires", "", 0, "03:00, Buenos Aires"},
		{"en", "Asia/Kathmandu", "", 0, "11:45, Kathmandu"},
		{"en", "Etc/GMT+4", "", 0, "02:00, UTC-4:00"},
		{"en", "Asia/Kolkata", "", 0, "11:30 IST"},
		{"en", "UTC", "", 6 * time.Hour, "00:00 UTC"},
		{"en", "UTC", "", 7 * time.Hour, "Wed 23:00 UTC"},
		{"en", "UTC", "", 24 * time.Hour, "Wed 06:00 UTC"},
		{"en", "UTC", "", 24*time.Hour + time.Second, "Wed 05:59 UTC"},
		{"en", "UTC", "", 6 * 24 * time.Hour, "Fri 06:00 UTC"},
		{"en", "UTC", "", 7 * 24 * time.Hour, "26 March, 06:00 UTC"},
		{"en", "UTC", "", -48 * time.Hour, "4 April, 06:00 UTC"},
		{"ar", "Europe/Berlin", "", 20 * time.Minute, "٠٧:٤٠ CEST"},
		{"ar", "Asia/Dubai", "Abu Dhabi", 140 * time.Minute, "٠٧:٤٠ بتوقيت أبوظبي"},
		{"ar", "Asia/Dubai", "", 140 * time.Minute, "٠٧:٤٠ بتوقيت دبي"},
		{"ar", "Asia/Kathmandu", "", 0, "١١:٤٥ بتوقيت Kathmandu"},
		{"ar", "UTC", "", 26 * time.Hour, "الأربعاء ٠٤:٠٠ UTC"},
	} {
		loc, err := time.LoadLocation(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Words(tc.lang).When(ref.Add(-tc.at).In(loc), ref, tc.city); got != tc.want {
			t.Errorf("%s in %s, %s before: %q, want %q", tc.lang, tc.zone, tc.at, got, tc.want)
		}
	}
	if got, want := s.Words("en").Day(ref), "Thursday 2 April 2026"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := s.Words("ar").Day(ref), "الخميس ٢ أبريل ٢٠٢٦"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := s.Words("en").DayTime(ref, ""), "Thursday 2 April 06:00 UTC"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestScript(t *testing.T) {
	for lang, want := range map[string]Script{
		"ar": {"ar", "rtl"}, "fa-IR": {"fa-IR", "rtl"}, "he": {"he", "rtl"}, "ur": {"ur", "rtl"}, "az-Arab": {"az-Arab", "rtl"},
		"en": {"en", "ltr"}, "fr_CA": {"fr-CA", "ltr"}, "": {"", "ltr"}, `en"><script>`: {"", "ltr"},
	} {
		if got := ScriptOf(lang); got != want {
			t.Errorf("%q: %+v, want %+v", lang, got, want)
		}
	}
}

// TestArabicType: no letter-spacing, capitals or italics, at least 16 px and 1.6 lines.
func TestArabicType(t *testing.T) {
	s := ScriptOf("ar")
	for _, css := range []string{string(s.Small()), string(s.Label()), string(s.Text()), string(s.Big()), string(s.Head())} {
		m := regexp.MustCompile(`font-size:(\d+)px;line-height:([\d.]+)`).FindStringSubmatch(css)
		if m == nil || m[1] < "16" || m[2] < "1.6" || strings.Contains(css, "letter-spacing") || strings.Contains(css, "italic") || strings.Contains(css, "transform") {
			t.Errorf("%q does not suit Arabic", css)
		}
	}
}

func TestWrap(t *testing.T) {
	text := strings.Repeat("word ", 40) + strings.Repeat("x", 100)
	for line := range strings.Lines(Wrap("   ", text)) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "   ") || len(line) > columns && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("line %q", line)
		}
	}
	if got := Wrap("", " "); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestMarks(t *testing.T) {
	s := load(t, write(t, "contents.html", `<a {{href .}}>{{mark .}}</a>`))
	var b strings.Builder
	if err := s.HTML(&b, "contents", Mark("https://x.example/?a&b=\x01l1;2;\"\x02")); err != nil {
		t.Fatal(err)
	}
	if want := "<a href=\"https://x.example/?a&amp;b=\x01l1;2;&#34;\x02\">https://x.example/?a&amp;b=\x01l1;2;&#34;\x02</a>"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
