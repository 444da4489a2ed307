package digest

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// fit is what a relay must get, in the words of RFC 5321 sections 2.3.8 and 4.5: only then may nobody look again.
func fit(body string) bool {
	text, ended := strings.CutSuffix(body, "\r\n")
	if !ended || strings.ContainsAny(strings.ReplaceAll(body, "\r\n", ""), "\r\n\x00") {
		return false
	}
	for i := range len(body) {
		if body[i] >= 0x80 {
			return false
		}
	}
	for _, line := range strings.Split(text, "\r\n") {
		if len(line) > 998 || strings.HasPrefix(line, ".") {
			return false
		}
	}
	return true
}

// TestClean: however text, values and marks meet, Clean says of a body what looking through all of it would.
func TestClean(t *testing.T) {
	// No CR stands at the end of one and no LF at the beginning of another: of those that meet, nobody knows in advance.
	bits := []string{"", "a", " ", "=\r\n", "\r\n", ".", "..\r\n", "\r\n.", "x\r\n\r\n", "From ", "~\x7f\t",
		strings.Repeat("y", 500), strings.Repeat("z", 990), strings.Repeat("z", 997) + "\r\n", strings.Repeat("z", 8)}
	rare := []string{"\rx", "x\n", "\x00", "é", strings.Repeat("z", 998), strings.Repeat("z", 999) + "\r\n", "\r\n" + strings.Repeat("z", 998) + "\r\n"}
	loose := []string{"\r", "\n", "\r\r\n", "\n\r"}
	marks := []string{"\x01v0\x02", "\x01v1\x02", "\x01s1\x02", "\x01t\x02", "\x01a\x02", "\x01d\x02", "\x01r\x02", "\x01i\x02",
		"\x01x\x02", "\x01l1;7;\x02", "\x01l1;7;\x02", "\x01l9;0;" + strings.Repeat("s", 200) + "\x02", "\x01u7;0;\x02"}
	addresses := []string{"ada@reader.example", ".dot@reader.example", "o'neil&sons@reader.example", "zoë@reader.example",
		strings.Repeat("long", 16) + "@" + strings.Repeat("domain.", 25) + "example"}
	rnd := rand.New(rand.NewPCG(1, 2))
	c := NewComposer(nil, sampleKeys(t), "meridian.example")
	var yes, no int
	for n := range 15_000 {
		straddles := n%10 == 0
		text := func() string {
			var b strings.Builder
			for range rnd.IntN(5) {
				switch k := rnd.IntN(60); {
				case k == 0:
					b.WriteString(rare[rnd.IntN(len(rare))])
				case k < 6 && straddles:
					b.WriteString(loose[rnd.IntN(len(loose))])
				default:
					b.WriteString(bits[rnd.IntN(len(bits))])
				}
			}
			return b.String()
		}
		d := &Digest{Zone: "UTC"}
		for range 1 + rnd.IntN(4) {
			body := text()
			for range rnd.IntN(4) {
				body += marks[rnd.IntN(len(marks))] + text()
			}
			if rnd.IntN(2) == 0 {
				body += "\r\n"
			}
			d.Pieces = append(d.Pieces, Piece{&Fragment{Body: []byte(body)}, []string{text(), text()}})
		}
		to := sampleDelivery()
		to.Address = addresses[rnd.IntN(len(addresses))]
		m, err := c.Message(d, sampleIssue(), to, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := fit(string(m.Body))
		if m.Clean && !want || !m.Clean && want && !straddles {
			t.Fatalf("Clean is %v of %q", m.Clean, m.Body)
		}
		if want {
			yes++
		} else {
			no++
		}
	}
	if yes < 1000 || no < 1000 {
		t.Errorf("%d fit and %d unfit bodies: too few of one kind", yes, no)
	}
}

// TestCleanMails: every mail of ours is clean, unless it needs SMTPUTF8.
func TestCleanMails(t *testing.T) {
	c := NewComposer(nil, sampleKeys(t), "meridian.example")
	for name, make := range map[string]func() (shelf, *Selection){"morning": morning, "arabic": arabic, "hostile": hostile} {
		d := laidOut(t, samplePress(t, sampleConfig(), sampleEdition()), make)
		for address, clean := range map[string]bool{"ada@reader.example": true, ".x'&\"@reader.example": false, "zoë@reader.example": false} {
			to := sampleDelivery()
			to.Address = address
			m, err := c.Message(d, sampleIssue(), to, nil)
			if strings.Contains(address, `"`) {
				if err == nil {
					t.Errorf("an address with a quote is composed")
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Clean != clean || fit(string(m.Body)) != clean || m.UTF8 == clean {
				t.Errorf("%s to %s: clean is %v, want %v", name, address, m.Clean, clean)
			}
			if test, err := c.Test(d, sampleIssue(), to, nil); err != nil || test.Clean != clean {
				t.Errorf("test copy of %s to %s: clean is %v, want %v (%v)", name, address, test.Clean, clean, err)
			}
		}
	}
}
