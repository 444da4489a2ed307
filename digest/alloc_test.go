//go:build !race

package digest

import "testing"

// TestComposeDoesNotAllocate: but for the block that return paths are cut from, once in some sixty mails. Not under
// the race detector, where sync.Pool forgets at random.
func TestComposeDoesNotAllocate(t *testing.T) {
	a := &drawer{issue: *sampleIssue()}
	p := samplePress(t, sampleConfig(), sampleEdition())
	a.file(5, laidOut(t, p, morning))
	a.file(6, laidOut(t, p, arabic))
	c := NewComposer(a, sampleKeys(t), "meridian.example")
	d := sampleDelivery()
	var buf []byte
	n := testing.AllocsPerRun(600, func() {
		d.Subscriber++
		d.Digest = 5 + d.Subscriber%2
		m, err := c.Compose(t.Context(), d, buf)
		if err != nil {
			t.Fatal(err)
		}
		buf = m.Body
	})
	if n != 0 {
		t.Errorf("%v allocations a mail", n)
	}
}
