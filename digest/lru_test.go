package digest

import "testing"

// TestLRU: what waits to be got outlives what was got once, what is got again and again outlives both, and the weight
// is kept to.
func TestLRU(t *testing.T) {
	l := newLRU[int, int](100)
	gone := map[int]bool{}
	l.gone = func(v int) { gone[v] = true }
	here := func(k int) bool {
		_, ok := l.byKey[k]
		return ok
	}
	l.put(1, 1, 10) // the favourite
	for n := 2; n < 200; n++ {
		l.put(n, n, 10)
		l.get(1)
		if n > 5 {
			if _, ok := l.get(n - 5); !ok { // prepared five ahead
				t.Fatalf("%d is gone before it was got", n-5)
			}
		}
		if l.weight > 100 || l.weight != 10*len(l.byKey) {
			t.Fatalf("%d entries weigh %d", len(l.byKey), l.weight)
		}
		if !here(1) || !here(n) || n > 13 && here(n-12) {
			t.Fatalf("at %d these are kept: %v", n, l.byKey)
		}
	}
	for n := range 200 {
		if n > 0 && here(n) == gone[n] {
			t.Errorf("%d is kept: %v, and told as gone: %v", n, here(n), gone[n])
		}
	}
	l.remove(1)
	l.put(500, 500, 1000) // heavier than all that may be kept
	if !gone[1] || len(l.byKey) != 1 || !here(500) {
		t.Errorf("kept: %v", l.byKey)
	}
	for _, e := range l.byKey { // all in use: something goes all the same
		e.uses = 9
	}
	l.put(501, 501, 1)
	if l.weight != 1 || !here(501) {
		t.Errorf("kept: %v", l.byKey)
	}
}
