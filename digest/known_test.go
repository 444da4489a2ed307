package digest

import "testing"

// TestKnown: what is asked for stays, the rest is forgotten, and there is a bound.
func TestKnown(t *testing.T) {
	k := func(n int) key { return key{byte(n), byte(n >> 8)} }
	m := known{max: 50}
	if m.id(k(1)) != 0 {
		t.Error("an empty one knows something")
	}
	for n := 1; n <= 1000; n++ {
		m.add(k(n), int64(n))
		m.trim()
		if m.id(k(1)) != 1 || m.id(k(n)) != int64(n) {
			t.Fatalf("%d: %d and %d", n, m.id(k(1)), m.id(k(n)))
		}
		if len(m.young)+len(m.old) > 110 {
			t.Fatalf("%d and %d are known", len(m.young), len(m.old))
		}
	}
	if m.id(k(500)) != 0 {
		t.Error("nothing was forgotten")
	}
}
