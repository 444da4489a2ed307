package store

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// birthOf is when a file was made, as its file system has it; "" if that keeps no such time. Nothing that a
// program may do to a file changes it, and no copy has it.
func birthOf(f *os.File) string {
	var s unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &s); err != nil || s.Mask&unix.STATX_BTIME == 0 {
		return ""
	}
	return strconv.FormatInt(s.Btime.Sec, 10) + "." + strconv.FormatUint(uint64(s.Btime.Nsec), 10)
}
