package secrets

import (
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"
)

// info is a file with an owner, which only root can make for real.
type info struct {
	fs.FileInfo
	mode  fs.FileMode
	owner uint32
}

func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) Sys() any           { return &syscall.Stat_t{Uid: i.owner} }
func (i info) ModTime() time.Time { return time.Time{} }

func TestPrivate(t *testing.T) {
	me, other := uint32(os.Geteuid()), uint32(4711)
	for _, c := range []struct {
		mode  fs.FileMode
		owner uint32
		want  bool
	}{
		{0o600, me, true}, {0o400, me, true}, {0o000, me, true}, {0o600, other, true},
		{0o640, other, false}, {0o604, other, false}, {0o644, 0, false}, {0o660, 0, false}, {0o700, me, false}, {0o750, 0, false},
		{0o440, 0, me != 0}, {0o640, 0, me != 0}, // by a group, and only root says who is in it
	} {
		if got := Private(info{mode: c.mode, owner: c.owner}); got != c.want {
			t.Errorf("mode %04o of user %d: %v", c.mode, c.owner, got)
		}
	}
}
