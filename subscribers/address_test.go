package subscribers

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// corpus opens a file of real input, or skips.
func corpus(t *testing.T, name string) *os.File {
	t.Helper()
	root := os.Getenv("BROADSHEET_DATA")
	if root == "" {
		t.Skip("set BROADSHEET_DATA to the folder with real input")
	}
	f, err := os.Open(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestParseAddress(t *testing.T) {
	for _, s := range []string{
		"nadia@reader.example", "n.o'brien+news@mail.reader.example", "UPPER@Reader.Example", "x@r.example",
		"a@xn--bcher-kva.example", "a@bücher.example", "a@مثال.example", "نادية@reader.example", "zoë@zoë.example",
		"a@r3---sn.example", "a@1.reader.example", "=1+1@reader.example", "-x@reader.example",
		strings.Repeat("l", 64) + "@reader.example",
		"l@" + strings.Repeat("d23456789.", 24) + "example", // 247 octets
	} {
		if got, err := ParseAddress(s); err != nil || got != s {
			t.Errorf("ParseAddress(%q) = %q, %v", s, got, err)
		}
	}
	for _, c := range []struct{ in, says string }{
		{"", "empty"}, {"nadia", "no @"}, {"@reader.example", "before the @"}, {"nadia@", "after the @"},
		{"nadia@reader", "no dot"}, {"nadia@10.0.0.1", "ends with a number"}, {"nadia@reader.123", "ends with a number"},
		{"nadia@[10.0.0.1]", "literal"}, {"a b@reader.example", "blank"}, {" a@reader.example", "blank"},
		{"a@reader.example\r\nBcc: b@reader.example", "blank or control"}, {"a\x00@reader.example", "control"},
		{"a@b@reader.example", "more than one @"}, {".a@reader.example", "dot"}, {"a..b@reader.example", "dot"},
		{"a@reader..example", "dot"}, {"a@reader.example.", "dot"}, {"a@-reader.example", "hyphen"},
		{"a@reader-.example", "hyphen"}, {`"a"@reader.example`, "bare address"}, {"<a@reader.example>", "bare address"},
		{"Nadia<a@reader.example>", "bare address"}, {"a(x)@reader.example", "bare address"},
		{"a;b@reader.example", "bare address"}, {"a@reader_.example", "form"}, {"a@reader.exa,mple", "form"},
		{strings.Repeat("l", 65) + "@reader.example", "64"}, {"l@" + strings.Repeat("d", 64) + ".example", "63"},
		{"l@" + strings.Repeat("d23456789.", 25) + "example", "253"},
		{strings.Repeat("l", 20) + "@" + strings.Repeat("d23456789.", 23) + "example", "254"},
		{"a@bü\u202echer.example", "international"}, {"a\u202e@reader.example", "invisible"},
		{"a@\xff.example", "UTF-8"}, {strings.Repeat("ü", 33) + "@reader.example", "64"}, {strings.Repeat("x", 2000), "254"},
		{"a@reader。", "dot"}, {"a@ü" + strings.Repeat("é", 60) + ".example", "63"},
	} {
		_, err := ParseAddress(c.in)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("ParseAddress(%q): %v, want something about %q", c.in, err, c.says)
		}
		if err != nil && len(c.in) > 2 && strings.Contains(err.Error(), c.in) {
			t.Errorf("ParseAddress(%q): the error repeats the address: %v", c.in, err)
		}
	}
}

func TestParseAddressCorpus(t *testing.T) {
	lines := bufio.NewScanner(corpus(t, "addresses/isemail.jsonl"))
	count := make(map[string][2]int)
	for lines.Scan() {
		var c struct{ Address, Category, Diagnosis string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		_, err := ParseAddress(c.Address)
		n := count[c.Category]
		n[0]++
		if err == nil {
			n[1]++
		}
		count[c.Category] = n
		switch c.Category {
		case "ISEMAIL_ERR", "ISEMAIL_CFWS", "ISEMAIL_DEPREC", "ISEMAIL_RFC5322":
			if err == nil {
				t.Errorf("accepted %q: %s", c.Address, c.Diagnosis)
			}
		case "ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN":
			if err != nil && strings.Contains(c.Address[strings.LastIndexByte(c.Address, '@'):], ".") {
				t.Errorf("refused %q: %v", c.Address, err)
			}
		}
	}
	for category, n := range count {
		t.Logf("%s: %d, accepted %d", category, n[0], n[1])
	}
	if len(count) == 0 {
		t.Error("the corpus is empty")
	}
}

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"nadia@reader.example", "Nadia@Reader.EXAMPLE", "NADIA@READER.example"},
		{"a@bücher.example", "A@BÜCHER.example", "a@xn--bcher-kva.example", "a@XN--BCHER-KVA.example", "a@bu\u0308cher.example"},
		{"zoë@reader.example", "ZOË@reader.example", "zoe\u0308@reader.example"},
		{"σας@reader.example", "ΣΑΣ@reader.example"},
	} {
		for _, s := range same {
			if Fold(s) != Fold(same[0]) {
				t.Errorf("Fold(%q) = %q, Fold(%q) = %q", s, Fold(s), same[0], Fold(same[0]))
			}
		}
	}
	for _, differ := range [][2]string{
		{"a@reader.example", "a@readers.example"}, {"straße@reader.example", "strasse@reader.example"}, {"a.b@reader.example", "ab@reader.example"},
	} {
		if Fold(differ[0]) == Fold(differ[1]) {
			t.Errorf("%q and %q fold to one", differ[0], differ[1])
		}
	}
}

func TestMask(t *testing.T) {
	for _, c := range []struct {
		in, want string
	}{
		{"nadia@reader.example", "n…@reader.example"},
		{"n@bücher.example", "n…@bücher.example"},
		{"نادية@مثال.example", "ن…@مثال.example"},
		{"nonsense", "…"}, {"@reader.example", "…"}, {"", "…"},
	} {
		if got := Mask(c.in); got != c.want {
			t.Errorf("Mask(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"nadia@reader.example", "a@bücher.example", `"a b"@reader.example`, "a@[10.0.0.1]", "İ@İ.example", "\xff@\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded := Fold(s)
		if again := Fold(folded); again != folded && utf8.ValidString(s) {
			t.Errorf("Fold(%q) = %q, and once more %q", s, folded, again)
		}
		if m := Mask(s); len(s) > 8 && strings.Contains(m, s) {
			t.Errorf("Mask(%q) = %q", s, m)
		}
		got, err := ParseAddress(s)
		if err != nil {
			return
		}
		if got != s || strings.ContainsAny(s, " \r\n\t\x00<>\"") || strings.Count(s, "@") != 1 {
			t.Errorf("accepted %q as %q", s, got)
		}
	})
}
