package subscribers

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// TestSealIsHMAC: the MACs are those of the standard library, whatever the length, and also if
// the state of its hash should look different one day.
func TestSealIsHMAC(t *testing.T) {
	if !readable() {
		t.Error("the state of SHA-256 is not where it was: MACs take longer")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	defer func(was func() bool) { readable = was }(readable)
	for _, fast := range []bool{true, false} {
		readable = func() bool { return fast }
		for range 20 {
			secret := make([]byte, keySize)
			for i := range secret {
				secret[i] = byte(rnd.Uint32())
			}
			s, other := newSealer(secret, labelLink), newSealer(secret, labelAddress)
			m := s.get()
			for n := range 400 {
				payload := bytes.Repeat([]byte{byte(rnd.Uint32())}, n)
				std := hmac.New(sha256.New, derive(secret, labelLink))
				std.Write(payload)
				want := std.Sum(nil)
				if got := m.seal(s, payload, 32); !bytes.Equal(got, want) {
					t.Fatalf("MAC of %d octets is %x, want %x", n, got, want)
				}
				if !s.verify(payload, want[:16]) || other.verify(payload, want[:16]) {
					t.Fatalf("MAC of %d octets is not judged right", n)
				}
			}
		}
	}
}

// TestPen: a pen writes what AppendToken writes, reader after reader.
func TestPen(t *testing.T) {
	k := testKeys(t)
	var p Pen
	if _, err := p.AppendToken(nil, Read, 1, ""); err == nil {
		t.Error("a pen that was not taken writes")
	}
	for _, id := range []string{"a", "b"} {
		for _, a := range someActions {
			want, err := k.Token(id, a)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Take(k, id, a.Edition, a.Slot, a.Subscriber); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got, err := p.AppendToken(nil, a.Kind, a.Story, a.Section); err != nil || string(got) != want {
					t.Errorf("pen writes %s, %v, want %s", got, err, want)
				}
			}
		}
	}
	if err := p.Take(k, "unknown", 1, 1, 1); err == nil {
		t.Error("an unknown key was taken")
	}
	if _, err := p.AppendToken(nil, Read, 1, ""); err == nil {
		t.Error("a pen with an unknown key writes")
	}
}
