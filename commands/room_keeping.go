package commands

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/web/room"
)

// roomKeeping meets [room.Keeping].
type roomKeeping struct{ *engine }

// backupAge is how old the latest backup may be before somebody is told.
const backupAge = 3 * 24 * time.Hour

// adoptRisk says what may go wrong if a copy that differs is adopted.
const adoptRisk = "If another copy of this database still sends, every reader is mailed twice. What was done after this copy was made, " +
	"and is in none of its journals, is not known here: mails that left may go again, and who left since may be mailed."

// Standing meets [room.Keeping].
func (w roomKeeping) Standing(ctx context.Context) (out room.CopyStanding, err error) {
	s, why, err := w.standing(ctx)
	if err != nil {
		return out, err
	}
	out = room.CopyStanding{Path: s.Path, Database: s.Database, Instance: s.Instance().ID, PublicURL: w.cfg.Publication.PublicURL,
		Accounts: list(w.accounts()), Differs: list(why), OnlyTo: list(w.cfg.OnlyTo), Adoptions: []room.Adoption{}, PutBack: []room.PutBack{}}
	if len(why) > 0 {
		out.Risk = adoptRisk
	}
	adopted, err := w.db.Adoptions(ctx)
	if err != nil {
		return out, err
	}
	for _, a := range adopted {
		out.Adoptions = append(out.Adoptions, room.Adoption{At: a.At, Who: a.By.Who, Why: a.By.Why, PublicURL: a.PublicURL, Accounts: list(a.Accounts)})
	}
	back, err := w.db.PutBacks(ctx, 20)
	for _, b := range back {
		out.PutBack = append(out.PutBack, room.PutBack{At: b.At, What: putBackWords(&b)})
	}
	return out, err
}

// putBackWords says what journals said anew.
func putBackWords(b *store.PutBack) string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{b.Mails, "mails had left and do not go again"}, {b.Gone, "readers have left again"}, {b.Erased, "readers are erased again"},
		{b.Complaints, "addresses are barred again for a complaint"}, {b.Barred, "addresses are barred again"}, {b.Lifted, "suppressions are lifted again"},
		{b.Paused, "readers are paused again"}, {b.Withdrawn, "stories are withdrawn again"}, {b.Confirmed, "sign-ups were confirmed since and are lost: those readers must sign up again"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return fmt.Sprintf("since %s: %s", b.Since.Format("2006-01-02 15:04:05 UTC"), strings.Join(parts, "; "))
}

// Backups meets [room.Keeping].
func (w roomKeeping) Backups(ctx context.Context) ([]room.Backup, error) {
	list, err := w.db.Backups(ctx, 30)
	out := []room.Backup{}
	for _, b := range list {
		_, err := os.Stat(b.Path)
		out = append(out, room.Backup{Path: b.Path, At: b.At, Size: octets(uint64(b.Size)), Readers: b.Readers, Issues: b.Issues, There: err == nil})
	}
	return out, err
}

// Backup meets [room.Keeping]. The backup is made after the request.
func (w roomKeeping) Backup(_ context.Context, by operators.By) (said string, err error) {
	to, err := backupPlace(w.db, "", w.cfg.File, w.now())
	if err != nil {
		return "", err
	}
	size, err := w.db.Size()
	if err != nil {
		return "", err
	}
	if !w.jobs.backup.begin(to, size, w.now()) {
		return "", fmt.Errorf("%w: a backup is being made already", room.ErrRefused)
	}
	w.jobs.begin(func(ctx context.Context) {
		b, err := w.db.Backup(ctx, by, to, w.now())
		switch {
		case ctx.Err() != nil:
		case err != nil:
			w.log.Error("back up", slog.Any("error", err))
		default:
			w.log.Info("backed up", slog.String("to", b.Path), slog.Float64("seconds", b.Seconds))
		}
		w.jobs.backup.end(err)
	})
	return fmt.Sprintf("A backup is being made: %s.", to), nil
}

// BackingUp meets [room.Keeping].
func (w roomKeeping) BackingUp(context.Context) (room.BackupRun, error) {
	return w.jobs.backup.look(), nil
}

// backupRun is the backup that a page began last. The zero value is none.
type backupRun struct {
	mu      sync.Mutex
	running bool
	to      string
	size    int64 // of the database
	began   time.Time
	err     error
}

// begin reports whether none was running.
func (r *backupRun) begin(to string, size int64, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running {
		return false
	}
	r.running, r.to, r.size, r.began, r.err = true, to, size, now, nil
	return true
}

func (r *backupRun) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running, r.err = false, err
}

// look says how far it is, by the file that grows. A copy is no larger than the database.
func (r *backupRun) look() (out room.BackupRun) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out = room.BackupRun{Running: r.running, Began: r.began, Path: r.to}
	if r.err != nil {
		out.Error = r.err.Error()
	}
	if info, err := os.Stat(r.to + store.PartSuffix); r.running && err == nil {
		out.Percent = int(min(100, 100*info.Size()/max(r.size, 1)))
	}
	return out
}

// backUp makes a backup in a file, a folder, or "" the usual folder.
func backUp(ctx context.Context, db *store.DB, by operators.By, to, config string, now time.Time) (store.Backup, error) {
	to, err := backupPlace(db, to, config, now)
	if err != nil {
		return store.Backup{}, err
	}
	return db.Backup(ctx, by, to, now)
}

// backupPlace is the file for a backup. A name that ends as those of folders do is a folder, which is made. What is
// beside the database is beside the configuration if that is on a server.
func backupPlace(db *store.DB, to, config string, now time.Time) (string, error) {
	beside := cmp.Or(db.Path(), filepath.Join(filepath.Dir(config), "broadsheet.db"))
	if to == "" {
		to = filepath.Join(filepath.Dir(beside), "backups") + string(filepath.Separator)
	}
	if strings.HasSuffix(to, string(filepath.Separator)) {
		if err := os.MkdirAll(to, 0o700); err != nil {
			return "", fmt.Errorf("make folder for backups: %w", err)
		}
	}
	to, err := filepath.Abs(to)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		name := strings.TrimSuffix(filepath.Base(beside), filepath.Ext(beside))
		to = filepath.Join(to, name+"-"+now.UTC().Format("20060102T150405Z")+".db")
	}
	return to, nil
}

// alarmAdopt is the key of the alarm that this copy may not mail.
const alarmAdopt = "adopt"

// alarms lists what is wrong here.
func (w roomKeeping) alarms(ctx context.Context) (all []room.Alarm, err error) {
	why, err := w.differs(ctx)
	if err != nil {
		return nil, err
	}
	if len(why) > 0 {
		all = append(all, room.Alarm{Key: alarmAdopt, Level: "red", What: "Sending is held: " + strings.Join(why, "; ") + ".",
			Next: "If this copy is the one that is to mail, and no other does, adopt it; for trials, use a relay on this machine.",
			Link: "/keeping", Do: "broadsheet adopt --why REASON"})
	}
	s, err := w.db.Standing(ctx)
	if err != nil || s.Fresh() {
		return all, err
	}
	list, err := w.db.Backups(ctx, 1)
	if err != nil {
		return all, err
	}
	adopted, err := w.db.Adoptions(ctx)
	if err != nil {
		return all, err
	}
	since, what := adopted[len(adopted)-1].At, "No backup of the database was ever made with the program."
	if len(list) > 0 {
		since, what = list[0].At, "The latest backup is of "+list[0].At.Format("2 January 15:04 UTC")+"."
	}
	if w.now().Sub(since) > backupAge {
		all = append(all, room.Alarm{Key: "backup", Level: "amber", What: what, Since: since,
			Next: "Back up every day, into a folder on another disk.", Link: "/keeping", Do: "broadsheet backup --to FOLDER --keep 14"})
	}
	return all, nil
}

// Retention meets [room.Keeping].
func (w roomKeeping) Retention(ctx context.Context) ([]room.Retention, error) {
	dropped, err := w.db.Dropped(ctx)
	if err != nil {
		return nil, err
	}
	k := &w.cfg.Retention
	list := []room.Retention{
		{What: "deliveries", Kept: keptFor(k.Deliveries), Note: "dropped with their digests; the books of their issues stay, and the latest of each reader"},
		{What: "attempts", Kept: keptFor(k.Attempts), Note: "dropped; the delivery keeps its last reply"},
		{What: "events", Kept: keptFor(k.Events), Note: "dropped; counts by day and domain stay"},
		{What: "inbound", Kept: keptFor(k.Inbound), Note: "text, sender and addresses of a message are deleted; that one came stays"},
		{What: "audit", Kept: keptFor(k.Audit), Note: "dropped"},
	}
	for n := range list {
		if d, ok := dropped[list[n].What]; ok {
			list[n].Last = fmt.Sprintf("%s, %d rows in all", d.At.Format("2006-01-02 15:04 UTC"), d.Rows)
		}
	}
	return append(list,
		room.Retention{What: "stories", Kept: "for ever", Note: "an old item that a feed still lists would come as a new one"},
		room.Retention{What: "subscribers, consents", Kept: "until erased", Note: "sign-ups that nobody confirms are forgotten by themselves"},
		room.Retention{What: "journals", Kept: "30 days, 90 where readers left in them", Note: "deleted"}), nil
}

// keptFor is a duration in days, for people.
func keptFor(d time.Duration) string {
	switch {
	case d == 0:
		return "for ever"
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.String()
}
