package subscribers

import (
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var someActions = []Action{
	{Kind: Read, Edition: 1, Slot: 200, Subscriber: 123_456, Story: 98_765},
	{Kind: SectionMute, Edition: 3, Slot: 7_000, Subscriber: 12, Section: "middle-east"},
	{Kind: OneClick, Subscriber: math.MaxInt64, Edition: math.MaxInt64, Slot: math.MaxInt64, Story: math.MaxInt64, Section: strings.Repeat("s", 255)},
	{Kind: Why},
}

func TestTokenOpens(t *testing.T) {
	k := testKeys(t)
	safe := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	for kind := Read; kind < endKind; kind++ {
		for _, a := range someActions {
			a.Kind = kind
			for _, id := range []string{"a", "b"} {
				token, err := k.Token(id, a)
				if err != nil {
					t.Fatal(err)
				}
				if again, _ := k.Token(id, a); again != token {
					t.Errorf("two tokens for %+v", a)
				}
				if got, err := k.Open(token); err != nil || got != a {
					t.Errorf("Open = %+v, %v, want %+v", got, err, a)
				}
				if !safe.MatchString(token) {
					t.Errorf("token %q is not safe in a URL", token)
				}
				if in := Inert(a); len(in) != len(token) {
					t.Errorf("inert form has %d characters, the true one %d", len(in), len(token))
				} else if _, err := k.Open(in); err != ErrToken {
					t.Errorf("inert token opens: %v", err)
				}
			}
		}
	}
	for _, a := range []Action{{}, {Kind: endKind}, {Kind: Read, Story: -1}, {Kind: Read, Slot: -1},
		{Kind: Read, Edition: -1}, {Kind: Read, Subscriber: -1}, {Kind: SectionLess, Section: strings.Repeat("s", 256)}} {
		if token, err := k.Token("b", a); err == nil || token != "" {
			t.Errorf("signed %+v", a)
		}
	}
	if _, err := k.Token("nobody", someActions[0]); err == nil {
		t.Error("signed under an unknown key")
	}
}

func TestTokenRefusesEveryChange(t *testing.T) {
	k := testKeys(t)
	refused := func(what, token string) {
		if a, err := k.Open(token); err != ErrToken || a != (Action{}) {
			t.Errorf("%s: Open = %+v, %v", what, a, err)
		}
	}
	for _, a := range someActions {
		token, err := k.Token("b", a)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := link.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range len(raw) * 8 {
			raw[bit/8] ^= 1 << (bit % 8)
			refused("flipped bit", link.EncodeToString(raw))
			raw[bit/8] ^= 1 << (bit % 8)
		}
		for i := range len(token) { // also the spare bits of the last character
			for bit := range 8 {
				b := []byte(token)
				b[i] ^= 1 << bit
				refused("flipped bit of the text", string(b))
			}
			refused("cut", token[:i])
			refused("cut", token[i+1:])
			refused("line break", token[:i]+"\n"+token[i:])
		}
		refused("padded", token+"=")
		refused("longer", token+"AAAA")
		other := testKeys(t, entry("b", 9), entry("a", 8))
		if _, err := other.Open(token); err != ErrToken {
			t.Errorf("opens under other keys: %v", err)
		}
	}
}

// A token of one purpose must not serve another: each has its own derived key.
func TestPurposesAreApart(t *testing.T) {
	k := testKeys(t, entry("a", 1))
	seen := make(map[string]string)
	for name, s := range map[string]*sealer{"link": k.byID["a"].link, "message": k.messageID, "address": k.address, "return": k.returnPath} {
		sum := string(s.get().seal(s, []byte("the same"), 32))
		if seen[sum] != "" {
			t.Errorf("%s and %s have one key", name, seen[sum])
		}
		seen[sum] = name
	}
}

func TestMessageID(t *testing.T) {
	k := testKeys(t)
	seen := make(map[string]bool)
	for _, edition := range []string{"morning", "morning1", "m"} {
		for _, slot := range []string{"2026-11-23", "12026-11-23", "orning2026-11-23"} {
			for _, subscriber := range []int64{0, 1, 2, math.MaxInt64} {
				id := k.MessageID(edition, slot, subscriber)
				if seen[id] || !regexp.MustCompile(`^[a-z2-7]{26}$`).MatchString(id) {
					t.Errorf("id %q for %s %s %d", id, edition, slot, subscriber)
				}
				seen[id] = true
			}
		}
	}
}

// What is written down here is in mails and databases: a change of it breaks links, lifts
// suppressions of erased readers and sends second copies under another name.
func TestWhatNeverChanges(t *testing.T) {
	k := testKeys(t)
	if got := k.MessageID("morning", "2026-11-23", 7); got != goldenMessageID {
		t.Errorf("MessageID = %s, was %s", got, goldenMessageID)
	}
	if got := k.AddressHash("nadia@reader.example").String(); got != goldenHash {
		t.Errorf("AddressHash = %s, was %s", got, goldenHash)
	}
	if got := k.ReturnPath(3, 4_000, 500_000); got != goldenReturnPath {
		t.Errorf("ReturnPath = %s, was %s", got, goldenReturnPath)
	}
	if got, _ := k.Token("a", someActions[1]); got != goldenToken {
		t.Errorf("Token = %s, was %s", got, goldenToken)
	}
	for n, kind := range []Kind{0, Read, ViewInBrowser, Preferences, Pause, LeaveEdition, LeaveAll, OneClick,
		SectionLess, SectionMute, SectionUp, SectionMore, Why, Confirm, Resume} {
		if int(kind) != n {
			t.Errorf("kind %d was %d", kind, n)
		}
	}
	if got := k.Fingerprint(); got != goldenFingerprint {
		t.Errorf("Fingerprint = %s, was %s", got, goldenFingerprint)
	}
}

func TestReturnPath(t *testing.T) {
	k := testKeys(t)
	form := regexp.MustCompile(`^[a-z2-7]{1,50}$`)
	for _, ids := range [][3]int64{{0, 0, 0}, {1, 2, 3}, {1<<21 - 1, 1<<49 - 1, 1<<56 - 1}, {12, 1 << 30, 1 << 40}} {
		token := k.ReturnPath(ids[0], ids[1], ids[2])
		if !form.MatchString(token) {
			t.Errorf("token %q of %d characters", token, len(token))
		}
		for _, s := range []string{token, strings.ToUpper(token)} {
			if e, slot, sub, ok := k.OpenReturnPath(s); !ok || [3]int64{e, slot, sub} != ids {
				t.Errorf("%v opens as %d %d %d %v", ids, e, slot, sub, ok)
			}
		}
		for i := range len(token) {
			for _, c := range "abcdefghijklmnopqrstuvwxyz234567=01-\n" {
				if changed := token[:i] + string(c) + token[i+1:]; changed != token {
					if _, _, _, ok := k.OpenReturnPath(changed); ok {
						t.Errorf("%q opens, and so does %q", token, changed)
					}
				}
			}
			if _, _, _, ok := k.OpenReturnPath(token[:i]); ok {
				t.Errorf("%q opens when cut to %d", token, i)
			}
		}
		if _, _, _, ok := testKeys(t, entry("a", 5)).OpenReturnPath(token); ok {
			t.Error("opens under another key")
		}
	}
}

func TestKeysFromManyGoroutines(t *testing.T) {
	k := testKeys(t)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 500 {
				a := Action{Kind: Read, Subscriber: int64(g), Story: int64(i)}
				token, err := k.Token("b", a)
				if err != nil {
					t.Error(err)
				}
				if got, err := k.Open(token); err != nil || got != a {
					t.Errorf("Open = %+v, %v", got, err)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkAppendToken(b *testing.B) {
	k := testKeys(b)
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = k.AppendToken(buf[:0], "b", someActions[0])
	}
}

func BenchmarkOpen(b *testing.B) {
	k := testKeys(b)
	token, err := k.Token("b", someActions[0])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMessageID(b *testing.B) {
	k := testKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		k.MessageID("morning", "2026-11-23", 7)
	}
}

func FuzzOpen(f *testing.F) {
	k := testKeys(f)
	known := make(map[string]bool)
	for _, a := range someActions {
		token, err := k.Token("a", a)
		if err != nil {
			f.Fatal(err)
		}
		known[token] = true
		f.Add(token)
		f.Add(Inert(a))
		f.Add(k.ReturnPath(a.Edition, a.Slot, a.Subscriber))
	}
	f.Add("")
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		b := make([]byte, r.IntN(60))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(link.EncodeToString(b))
	}
	f.Fuzz(func(t *testing.T, token string) {
		if a, err := k.Open(token); err == nil && !known[token] {
			t.Errorf("%q opens as %+v", token, a)
		}
		k.OpenReturnPath(token)
		if len(token) > 0 {
			if a, err := readAction([]byte(token + "??")); err == nil && a.Kind == 0 {
				t.Errorf("read %+v", a)
			}
		}
	})
}

const (
	goldenMessageID   = "m7nspwoi4hp6al5up7fv7oglkm"
	goldenHash        = "ce02d3eda719019859a2a4c3432c60fc"
	goldenReturnPath  = "aab2ah5ayipkmy7ny3eo7gvzv43bfmi"
	goldenToken       = "CdED2DYMAG1pZGRsZS1lYXN0eveujK19J1utqmfn7NDKgg"
	goldenFingerprint = "3fe7c461938ffa66da13ac3f6f2267fd"
)
