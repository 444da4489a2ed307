package commands

import (
	"bytes"
	"os"
	"testing"
)

// TestProgressElsewhere makes sure that nothing but a terminal is drawn on.
func TestProgressElsewhere(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	for _, bar := range []*bar{progress(f, "mails", 10), progress(&b, "mails", 0), {}} {
		bar.step()
		bar.set(7)
		bar.done()
	}
	if info, err := f.Stat(); err != nil || info.Size() > 0 || b.Len() > 0 {
		t.Errorf("%v, %d octets in a file, %q in a buffer", err, info.Size(), &b)
	}
}
