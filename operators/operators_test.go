package operators

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCodesOfRFC6238 holds the codes against the RFC's own table (appendix B, SHA-1), and their last six
// digits, which are ours.
func TestCodesOfRFC6238(t *testing.T) {
	secret := CodeSecret("12345678901234567890")
	for at, want := range map[int64]string{59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130"} {
		if got := hotp(secret, uint64(at/30), 8); got != want {
			t.Errorf("%d: %s, want %s", at, got, want)
		}
		if got := secret.At(time.Unix(at, 0)); got != want[2:] {
			t.Errorf("%d: %s, want %s", at, got, want[2:])
		}
	}
	if got, want := secret.URI("Ink & Tide", "ada@desk"), "otpauth://totp/Ink%20&%20Tide:ada@desk?issuer=Ink%20%26%20Tide&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if again, err := ParseCodeSecret(strings.ToLower(secret.String())); err != nil || string(again) != string(secret) {
		t.Errorf("read again: %q, %v", again, err)
	}
}

// TestCodeOnce: a code is good in its own step and the two beside it, and once.
func TestCodeOnce(t *testing.T) {
	secret, now := NewCodeSecret(), time.Unix(1_700_000_000, 0)
	code := secret.At(now)
	for off, want := range map[time.Duration]bool{-60 * time.Second: false, -30 * time.Second: true, 0: true, 30 * time.Second: true, 60 * time.Second: false} {
		if _, ok := secret.Step(code, now.Add(off), 0); ok != want {
			t.Errorf("%s off: %v", off, ok)
		}
	}
	step, ok := secret.Step(code[:3]+" "+code[3:], now, 0)
	if !ok {
		t.Fatal("with a blank in its middle it is refused")
	}
	if _, ok := secret.Step(code, now.Add(20*time.Second), step); ok {
		t.Error("it is good twice")
	}
	if _, ok := secret.Step(secret.At(now.Add(-30*time.Second)), now, step); ok {
		t.Error("an older one is good after it")
	}
	if _, ok := secret.Step(secret.At(now.Add(30*time.Second)), now, step); !ok {
		t.Error("the next one is not good")
	}
	for _, bad := range []string{"", "0", code + "0", "abcdef"} {
		if _, ok := secret.Step(bad, now, 0); ok {
			t.Errorf("%q is good", bad)
		}
	}
}

func TestPassword(t *testing.T) {
	const good = "Grüße vom Hafen"
	hash, err := HashPassword(t.Context(), good)
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(hash, err)
	}
	for password, want := range map[string]bool{good: true, "Gru\u0308ße vom Hafen": true, "grüße vom hafen": false, "": false, strings.Repeat("a", 5000): false} {
		if got, err := VerifyPassword(t.Context(), hash, password); err != nil || got != want {
			t.Errorf("%q: %v, %v", password, got, err)
		}
	}
	if got, err := VerifyPassword(t.Context(), "", good); got || err != nil {
		t.Errorf("nobody: %v, %v", got, err)
	}
	for _, bad := range []string{"x", "$argon2id$v=19$m=19456,t=2,p=1$AAAA", "$argon2id$v=19$m=4000000000,t=2,p=1$AAAA$AAAA", "$argon2id$v=19$m=19456,t=0,p=1$AAAA$AAAA"} {
		if _, err := VerifyPassword(t.Context(), bad, good); err == nil {
			t.Errorf("%q is taken for a hash", bad)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	hashing <- struct{}{}
	hashing <- struct{}{}
	if _, err := HashPassword(ended, good); err == nil {
		t.Error("it waits for its turn though nobody waits for it")
	}
	<-hashing
	<-hashing
	for password, fine := range map[string]bool{"short": false, "twelve chars": true, "adaadaadaada": false, "abcdefghijklmnop": false, "987654321098": false,
		"the words of grace": false, strings.Repeat("longer ", 60): false, "\xff\xfe invalid text": false, "four tall ships": true} {
		if err := CheckPassword("grace", password); (err == nil) != fine {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// TestNobodyCostsTheSame: a name that nobody has takes as long as a wrong password.
func TestNobodyCostsTheSame(t *testing.T) {
	hash, err := HashPassword(t.Context(), "four tall ships")
	if err != nil {
		t.Fatal(err)
	}
	var took [2][]time.Duration
	for range 7 {
		for n, h := range []string{hash, ""} {
			began := time.Now()
			if ok, err := VerifyPassword(t.Context(), h, "four small ships"); ok || err != nil {
				t.Fatal(ok, err)
			}
			took[n] = append(took[n], time.Since(began))
		}
	}
	for n := range took {
		slices.Sort(took[n])
	}
	if known, nobody := took[0][3], took[1][3]; nobody < known/2 || nobody > known*2 {
		t.Errorf("a wrong password takes %s, a wrong name %s", known, nobody)
	}
}

// TestDelays: who fails waits longer and longer, and nobody else does.
func TestDelays(t *testing.T) {
	var d Delays
	now := time.Unix(1_700_000_000, 0)
	tries := func(client, name string, n int) (last time.Duration) {
		for range n {
			if last = d.Wait(client, name, now); last > 0 {
				return last
			}
		}
		return 0
	}
	if w := tries("evil", "ada", freeFailures); w != 0 {
		t.Fatalf("the first tries wait %s", w)
	}
	sum := time.Duration(0)
	for range 12 {
		w := d.Wait("evil", "ada", now)
		if w <= 0 || w > longestDelay {
			t.Fatalf("wait %s", w)
		}
		sum += w
		now = now.Add(w)
		if w := d.Wait("evil", "ada", now); w != 0 {
			t.Fatalf("after its wait it waits %s", w)
		}
	}
	if sum < 5*time.Minute {
		t.Errorf("twelve failures cost %s", sum)
	}
	if w := d.Wait("home", "ada", now); w != 0 {
		t.Errorf("the real one waits %s", w)
	}
	d.Passed("home", "ada")
	if w := tries("home", "ada", freeFailures); w != 0 {
		t.Errorf("after a good try the failures before it count: %s", w)
	}
	for n := range clientFailures + 1 { // many names from one place
		if w := d.Wait("spray", fmt.Sprint(n), now); (w > 0) != (n == clientFailures) {
			t.Fatalf("name %d: %s", n, w)
		}
	}
	now = now.Add(failuresForget)
	if w := tries("evil", "ada", freeFailures); w != 0 {
		t.Errorf("an hour later it waits %s", w)
	}
	for n := range 3 * failuresTracked {
		now = now.Add(time.Millisecond)
		d.Wait(fmt.Sprint("botnet", n), "ada", now)
	}
	if len(d.by) > failuresTracked+1 {
		t.Errorf("it remembers %d", len(d.by))
	}
}

func TestSecrets(t *testing.T) {
	a, hash := NewSecret(TokenPrefix)
	b, _ := NewSecret(TokenPrefix)
	if a == b || len(a) != len(TokenPrefix)+43 || !IsToken(a) || IsToken(a[len(TokenPrefix):]) || string(HashSecret(a)) != string(hash) || strings.Contains(string(hash), a) {
		t.Errorf("%q, %q, %x", a, b, hash)
	}
	for name, fine := range map[string]bool{"Ada.L-1@desk": true, "": false, "a b": false, "a/b": false, strings.Repeat("a", 65): false, "أ": false} {
		if got, err := ParseName(name); (err == nil) != fine || fine && got != "ada.l-1@desk" {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for _, c := range []struct {
		have, want Role
		ok         bool
	}{{Look, Look, true}, {Look, Act, false}, {Act, Look, true}, {Act, Manage, false}, {Manage, Act, true}, {"", Look, false}, {Manage, "x", false}} {
		if c.have.Holds(c.want) != c.ok {
			t.Errorf("%q holds %q: %v", c.have, c.want, !c.ok)
		}
	}
}
