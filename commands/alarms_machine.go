package commands

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"broadsheet/doctor"
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

// errAfar says that the database lies on its server's disk, of which nothing is seen from here.
var errAfar = errors.New("the database's disk is its server's")

// disk is the space where the database lies, or [errAfar].
func (e *engine) disk() (doctor.Space, error) {
	if e.db.Path() == "" {
		return doctor.Space{}, errAfar
	}
	return doctor.SpaceBeside(e.db.Path())
}

func (w roomToday) diskAlarms(context.Context) ([]room.Alarm, error) {
	s, err := w.disk()
	if errors.Is(err, errAfar) {
		return nil, nil
	}
	if err != nil || s.Level() == doctor.Green {
		return nil, err
	}
	return []room.Alarm{{Key: "disk", Level: string(s.Level()), Since: w.now(), Do: "df " + shellWord(filepath.Dir(w.db.Path())),
		What: fmt.Sprintf("The database's disk has %s free of %s.", octets(s.Free), octets(s.Size)),
		Next: "Free some space or move the database to a larger disk: on a full one nothing can be sent."}}, nil
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

// lastOpened is when an issue was last opened; zero = none was.
func (e *engine) lastOpened(ctx context.Context) (time.Time, error) {
	for i, err := range e.db.Issues(ctx, store.IssueFilter{}) {
		return i.Opened, err
	}
	return time.Time{}, nil
}

// stands reports whether mail is due and no sender of any process was seen of late. What is on hold is not due.
func (e *engine) stands(ctx context.Context) (bool, error) {
	states, err := e.db.RelayStates(ctx)
	if err != nil || slices.ContainsFunc(states, func(s store.RelayState) bool { return time.Since(s.Seen) < 2*relaySeen }) {
		return false, err
	}
	for _, r := range e.cfg.Relays {
		due, ok, err := e.db.NextDue(ctx, r.Name)
		if err != nil || ok && !due.After(e.now()) {
			return err == nil, err
		}
	}
	return false, nil
}

// wakeAlarms tells that serve has run here and does so no more.
func (w roomToday) wakeAlarms(ctx context.Context) ([]room.Alarm, error) {
	last, err := w.lastWake(ctx)
	if err != nil || !doctor.Asleep(last, time.Time{}, time.Now(), true) {
		return nil, err
	}
	stands, err := w.stands(ctx)
	if err != nil {
		return nil, err
	}
	opened, err := w.lastOpened(ctx)
	if err != nil || !doctor.Asleep(last, opened, time.Now(), stands) {
		return nil, err
	}
	what := "no issue opens by itself"
	if stands {
		what += ", and mail that is due does not go"
	}
	return []room.Alarm{{Key: "wake", Level: red, Since: last, Do: "broadsheet serve",
		What: fmt.Sprintf("The scheduler has not woken since %s, %s ago: %s.", w.moment(last), duration(time.Since(last)), what),
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

func (w roomToday) certificateAlarms(ctx context.Context) (list []room.Alarm, err error) {
	found, err := w.db.Findings(ctx)
	if err != nil {
		return nil, err
	}
	tell := func(key, whose, next string) {
		f, ok := found[findingCertificate+key]
		end, err := time.Parse(time.RFC3339, f.Detail)
		if left := time.Until(end); ok && err == nil && doctor.CertificateLevel(left) != doctor.Green {
			a := room.Alarm{Key: "certificate " + key, Level: string(doctor.CertificateLevel(left)), Since: f.At, Link: "/doctor", Do: "broadsheet check", Next: next,
				What: fmt.Sprintf("The certificate of %s ends in %s, on %s.", whose, duration(left), end.In(w.home()).Format("2 January"))}
			if left < 0 {
				a.What = fmt.Sprintf("The certificate of %s ended on %s.", whose, end.In(w.home()).Format("2 January"))
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
