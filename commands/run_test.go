package commands

import (
	"broadsheet/store/storetest"
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// A program that was told to end says so in one word, not in the words of what it was doing.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	none := func(string) string { return "" }
	code := Run(ctx, []string{"issues", "list", "--db", storetest.At(t, filepath.Join(t.TempDir(), "b.db"))}, none, strings.NewReader(""), &out, &errs)
	if code != exitFailed || out.Len() > 0 || errs.String() != "broadsheet: interrupted\n" {
		t.Errorf("exit code %d, prints %q and %q", code, &out, &errs)
	}
}
