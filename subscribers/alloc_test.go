//go:build !race

package subscribers

import "testing"

// Not under the race detector, where sync.Pool forgets at random.
func TestAppendTokenDoesNotAllocate(t *testing.T) {
	k := testKeys(t)
	buf := make([]byte, 0, 256)
	a := someActions[0]
	if n := testing.AllocsPerRun(200, func() { buf, _ = k.AppendToken(buf[:0], "b", a) }); n >= 1 {
		t.Errorf("%v allocations a token", n)
	}
	if n := testing.AllocsPerRun(200, func() { k.Token("b", a) }); n > 2 {
		t.Errorf("%v allocations a token as a string", n)
	}
}
