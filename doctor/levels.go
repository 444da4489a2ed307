package doctor

import (
	"fmt"
	"path/filepath"
	"syscall"
	"time"
)

// From which on things are amber or red, for examinations and for whoever watches all the time.
const (
	spaceAmber, spaceAmberShare = 1 << 30, 0.10
	spaceRed, spaceRedShare     = 200 << 20, 0.02

	certificateAmber = 14 * 24 * time.Hour
	certificateRed   = 3 * 24 * time.Hour

	clockAmber = 5 * time.Second
	clockRed   = 30 * time.Second // codes of second factors are for half a minute

	// WakeLate is the age from which on the last wake says that nothing looks for due issues: it comes every
	// half minute.
	WakeLate = 2 * time.Minute
	// WakeWanted is that age while mail is due and no sender is seen either.
	WakeWanted = 45 * time.Second
)

// Space is the room on a disk, in octets.
type Space struct{ Free, Size uint64 }

// SpaceBeside looks at the disk where a file lies.
func SpaceBeside(path string) (Space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &s); err != nil {
		return Space{}, fmt.Errorf("look at the disk of %s: %w", path, err)
	}
	unit := uint64(s.Bsize)
	return Space{uint64(s.Bavail) * unit, uint64(s.Blocks) * unit}, nil
}

// Level says how grave it is that so much is free.
func (s Space) Level() Level {
	share := float64(s.Free) / float64(max(s.Size, 1))
	switch {
	case s.Free < spaceRed || share < spaceRedShare:
		return Red
	case s.Free < spaceAmber || share < spaceAmberShare:
		return Amber
	}
	return Green
}

// CertificateLevel says how grave it is that a certificate ends in so long.
func CertificateLevel(left time.Duration) Level {
	switch {
	case left < certificateRed:
		return Red
	case left < certificateAmber:
		return Amber
	}
	return Green
}

// Asleep reports whether what opens issues ran and does so no more. Zero is never; who opened an issue
// after the last wake does so by cron. stands says that mail is due and that no sender is seen.
func Asleep(wake, opened, now time.Time, stands bool) bool {
	late := WakeLate
	if stands {
		late = WakeWanted
	}
	return !wake.IsZero() && now.Sub(wake) > late && !opened.After(wake)
}
