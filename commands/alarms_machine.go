package commands

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"broadsheet/store"
	"broadsheet/web/room"
)

// Names of what is found again and again (store.Finding).
const (
	findingPublic      = "public url"
	findingClock       = "clock"
	findingCertificate = "certificate " // + relay, or "public url"
	findingOpening     = "opening "     // + edition
	findingWake        = "wake"
)

// From which on free space is too little: a share of the disk, or octets.
const (
	diskAmber, diskAmberShare = 1 << 30, 0.10
	diskRed, diskRedShare     = 200 << 20, 0.02
)

// databaseAlarms tells what this process's last write met.
func (w roomToday) databaseAlarms(context.Context) ([]room.Alarm, error) {
	t := w.db.Trouble()
	if t == nil {
		return nil, nil
	}
	a := room.Alarm{Key: "database", Level: red, Since: t.Since, Do: "broadsheet check",
		What: fmt.Sprintf("The database cannot be written since %s: %s.", w.moment(t.Since), strings.TrimSuffix(t.Err.Error(), "."))}
	switch {
	case errors.Is(t.Err, store.ErrFull):
		a.Next = "Free some space on its disk; sending goes on by itself."
	case errors.Is(t.Err, store.ErrBusy):
		a.Next = "Find the program that holds it, a backup or a shell perhaps, and end that."
	case errors.Is(t.Err, store.ErrReadOnly):
		a.Next = "Look at the rights of the file and its folder."
	default:
		a.Next = "Stop the program and restore the last backup."
	}
	return []room.Alarm{a}, nil
}

// disk is the free space where the database lies, and the size of that disk.
func (e *engine) disk() (free, size uint64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(e.db.Path()), &fs); err != nil {
		return 0, 0, fmt.Errorf("look at the disk of %s: %w", e.db.Path(), err)
	}
	unit := uint64(fs.Bsize)
	return uint64(fs.Bavail) * unit, uint64(fs.Blocks) * unit, nil
}

func (w roomToday) diskAlarms(context.Context) ([]room.Alarm, error) {
	free, size, err := w.disk()
	if err != nil {
		return nil, err
	}
	level := diskLevel(free, size)
	if level == "" {
		return nil, nil
	}
	return []room.Alarm{{Key: "disk", Level: level, Since: w.now(), Do: "df " + shellWord(filepath.Dir(w.db.Path())),
		What: fmt.Sprintf("The database's disk has %s free of %s.", octets(free), octets(size)),
		Next: "Free some space or move the database to a larger disk: on a full one nothing can be sent."}}, nil
}

// diskLevel says how grave it is that so much is free.
func diskLevel(free, size uint64) string {
	share := float64(free) / float64(max(size, 1))
	switch {
	case free < diskRed || share < diskRedShare:
		return red
	case free < diskAmber || share < diskAmberShare:
		return amber
	}
	return ""
}

// octets is a size in the unit that fits.
func octets(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d kB", n>>10)
}

// wakeLate is the age from which on the last wake of the scheduler says that it does not run.
const wakeLate = 4 * wake

// wakeAlarms tells that serve has run here and does so no more. Who never ran it opens issues by send.
func (w roomToday) wakeAlarms(ctx context.Context) ([]room.Alarm, error) {
	last, err := w.lastWake(ctx)
	if err != nil || last.IsZero() || time.Since(last) <= wakeLate {
		return nil, err
	}
	for i, err := range w.db.Issues(ctx, store.IssueFilter{}) {
		if err != nil {
			return nil, err
		}
		if i.Opened.After(last) {
			return nil, nil // somebody opens them by send
		}
		break
	}
	return []room.Alarm{{Key: "wake", Level: red, Since: last, Do: "broadsheet serve",
		What: fmt.Sprintf("The scheduler has not woken since %s, %s ago: no issue opens by itself.", w.moment(last), duration(time.Since(last))),
		Next: "Start serve again, or look in its log why it hangs."}}, nil
}

// clockStep is how far the clock may go apart from the time that passed.
const clockStep = 5 * time.Second

// clockTold is for how long a step of the clock is worth a word.
const clockTold = 24 * time.Hour

func (w roomToday) clockAlarms(ctx context.Context) (list []room.Alarm, err error) {
	found, err := w.db.Findings(ctx)
	if err != nil {
		return nil, err
	}
	if f, ok := found[findingClock]; ok && !f.OK && time.Since(f.At) < clockTold {
		list = append(list, room.Alarm{Key: "clock", Level: amber, Since: f.At, What: "This machine's clock jumped " + f.Detail + ".",
			Next: "See that one program alone sets it (chrony or systemd-timesyncd).", Do: "timedatectl", Link: "/doctor"})
	}
	return list, nil
}

func (w roomToday) publicAlarms(ctx context.Context) ([]room.Alarm, error) {
	found, err := w.db.Findings(ctx)
	f, ok := found[findingPublic]
	if err != nil || !ok || f.OK || !w.probed() {
		return nil, err
	}
	return []room.Alarm{{Key: "public url", Level: red, Since: f.Since, Link: "/doctor", Do: "broadsheet check --public-url",
		What: fmt.Sprintf("Readers cannot leave or open links at %s since %s: %s.", w.cfg.Publication.PublicURL, w.moment(f.Since), f.Detail),
		Next: "Look at the web server in front of serve, its certificate and the name's DNS."}}, nil
}

// How long before its end a certificate is worth a word.
const (
	certificateAmber = 14 * 24 * time.Hour
	certificateRed   = 3 * 24 * time.Hour
)

func (w roomToday) certificateAlarms(ctx context.Context) (list []room.Alarm, err error) {
	found, err := w.db.Findings(ctx)
	if err != nil {
		return nil, err
	}
	tell := func(key, whose, next string) {
		f, ok := found[findingCertificate+key]
		end, err := time.Parse(time.RFC3339, f.Detail)
		if left := time.Until(end); ok && err == nil && left < certificateAmber {
			a := room.Alarm{Key: "certificate " + key, Level: amber, Since: f.At, Link: "/doctor", Do: "broadsheet check", Next: next,
				What: fmt.Sprintf("The certificate of %s ends in %s, on %s.", whose, duration(left), end.In(w.home()).Format("2 January"))}
			if left < 0 {
				a.What = fmt.Sprintf("The certificate of %s ended on %s.", whose, end.In(w.home()).Format("2 January"))
			}
			if left < certificateRed {
				a.Level = red
			}
			list = append(list, a)
		}
	}
	if w.probed() {
		tell(findingPublic, w.cfg.Publication.PublicURL, "Renew it, or see why your web server does not do so.")
	}
	for _, r := range w.cfg.Relays {
		if r.TLS != "none" {
			tell(r.Name, "relay "+r.Name, "Ask whoever runs the relay to renew it: mail stays here once it has ended.")
		}
	}
	return list, nil
}
