package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"broadsheet/operators"
)

// Backup is a backup that was made and checked.
type Backup struct {
	Path       string        `json:"path"`
	At         time.Time     `json:"at"`
	Size       int64         `json:"size"` // octets
	Took       time.Duration `json:"-"`
	Seconds    float64       `json:"seconds"`
	Readers    int           `json:"readers"`
	Issues     int           `json:"issues"`
	Deliveries int           `json:"deliveries"`
	Journals   int           `json:"journals"` // copied beside it
}

// PartSuffix is what a backup's name ends with while it is made.
const PartSuffix = ".part"

// ErrExists says that a file is there that would be overwritten.
var ErrExists = errors.New("there is such a file, and nothing is overwritten")

// Backup copies the database into a file while others read and write: the copy is how everything stood
// at one moment. It is written beside its place, synced and read through before it gets its name, and
// nobody but its owner may read it. Journals are copied beside it: they say what became of mails and
// readers since backups that are older. It is in the audit log with
// who made it. The error is [ErrExists] if the file is there. The file is SQLite's on either engine; of a
// PostgreSQL database there are no journals.
//
// The copy is one long read, which keeps no writer waiting; what is written meanwhile stays in the file
// of changes (WAL) until it is done, and PostgreSQL's vacuum waits for it.
func (db *DB) Backup(ctx context.Context, by operators.By, to string, now time.Time) (b Backup, err error) {
	began := time.Now()
	fail := func(err error) (Backup, error) {
		return Backup{}, fmt.Errorf("back up to %s: %w", to, full(explain(err)))
	}
	if _, err := os.Lstat(to); err == nil {
		return fail(ErrExists)
	}
	part := to + PartSuffix
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that was killed
		return fail(err)
	}
	defer os.Remove(part)
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // SQLite writes into an empty file that is there
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	if err := db.copyInto(ctx, part); err != nil {
		return fail(err)
	}
	if err := f.Sync(); err != nil {
		return fail(err)
	}
	if b, err = lookAt(ctx, part); err != nil {
		return fail(err)
	}
	switch err := os.Link(part, to); { // unlike a rename, it overwrites nothing
	case errors.Is(err, fs.ErrExist):
		return fail(ErrExists)
	case err != nil: // a file system without links
		if err := os.Rename(part, to); err != nil {
			return fail(err)
		}
	}
	if err := syncFolder(to); err != nil {
		return fail(err)
	}
	if b.Journals, err = copyJournals(db.path, to); err != nil {
		return fail(err)
	}
	b.Path, b.At, b.Took = to, now.UTC(), time.Since(began)
	b.Seconds = b.Took.Seconds()
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO backups (at, path, size, took, readers, issues, deliveries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
			us(now), b.Path, b.Size, b.Took.Microseconds(), b.Readers, b.Issues, b.Deliveries)
		if err != nil {
			return err
		}
		return t.audit(ctx, by, "backup", "database", b.Path, now)
	})
	if err != nil {
		return b, fmt.Errorf("record backup: %w", err)
	}
	return b, nil
}

// copyInto copies the database as it stands into an empty file, over a connection of its own.
func (db *DB) copyInto(ctx context.Context, to string) error {
	if db.path == "" {
		return db.snapshotInto(ctx, to)
	}
	pool, err := sql.Open("sqlite", db.source(""))
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.ExecContext(ctx, `VACUUM INTO ?1`, to)
	return err
}

// frozen opens a file that nobody writes.
func frozen(path string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", "file:"+(&url.URL{Path: abs}).EscapedPath()+"?mode=ro&immutable=1")
}

// lookAt reads a copy of a database through and counts what it holds.
func lookAt(ctx context.Context, path string) (b Backup, err error) {
	pool, err := frozen(path)
	if err != nil {
		return b, err
	}
	defer pool.Close()
	var found string
	if err := pool.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&found); err != nil {
		return b, err
	}
	if found != "ok" {
		return b, fmt.Errorf("%w: %s", ErrDamaged, found)
	}
	for query, to := range map[string]*int{`SELECT count(*) FROM subscribers`: &b.Readers, `SELECT count(*) FROM issues`: &b.Issues,
		`SELECT count(*) FROM deliveries`: &b.Deliveries} {
		if err := pool.QueryRowContext(ctx, query).Scan(to); err != nil {
			return b, err
		}
	}
	info, err := os.Stat(path)
	if err == nil {
		b.Size = info.Size()
	}
	return b, err
}

// copyJournals copies those journals of a database beside a copy of it that are not there whole, under
// the copy's folder and the database's name, and says how many are there then.
func copyJournals(path, beside string) (n int, err error) {
	if path == "" {
		return 0, nil
	}
	names, err := journalFiles(path)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		from := path + journalInfix + name
		to := filepath.Join(filepath.Dir(beside), filepath.Base(from))
		if from == to {
			n++
			continue
		}
		was, err := os.Stat(to)
		is, statErr := os.Stat(from)
		switch {
		case errors.Is(statErr, fs.ErrNotExist): // dropped meanwhile
			continue
		case statErr != nil:
			return n, statErr
		case err == nil && was.Size() >= is.Size():
		default:
			if err := copyFile(from, to); err != nil {
				return n, err
			}
		}
		n++
	}
	return n, syncFolder(beside)
}

// copyFile copies a file beside its place, syncs it and gives it its name. It keeps the time: by that it
// is known when a journal says nothing new any more.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := os.Chtimes(out.Name(), info.ModTime(), info.ModTime()); err != nil {
		return err
	}
	return os.Rename(out.Name(), to)
}

// Backups lists those that were made, the latest first, whether or not their files are still there.
func (db *DB) Backups(ctx context.Context, most int) ([]Backup, error) {
	list, err := selectAll(ctx, db.read(), `SELECT path, at, size, took, readers, issues, deliveries FROM backups WHERE id > 0 ORDER BY id DESC LIMIT ?1`, args{most},
		func(r *sql.Rows) (b Backup, err error) {
			var at, took int64
			err = r.Scan(&b.Path, &at, &b.Size, &took, &b.Readers, &b.Issues, &b.Deliveries)
			b.At, b.Took = fromUS(at), time.Duration(took)*time.Microsecond
			b.Seconds = b.Took.Seconds()
			return b, err
		})
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	return list, nil
}

// PruneBackups deletes all but the latest backups in a folder, of those that are on record and lie there,
// and says which.
func (db *DB) PruneBackups(ctx context.Context, folder string, keep int) (gone []string, err error) {
	list, err := db.Backups(ctx, 10_000)
	if err != nil {
		return nil, err
	}
	var here []string
	for _, b := range list {
		if _, err := os.Stat(b.Path); err == nil && filepath.Dir(b.Path) == folder && !slices.Contains(here, b.Path) {
			here = append(here, b.Path)
		}
	}
	for _, path := range here[min(keep, len(here)):] {
		if err := os.Remove(path); err != nil {
			return gone, fmt.Errorf("delete old backup: %w", err)
		}
		gone = append(gone, path)
	}
	if db.path == "" {
		return gone, nil
	}
	// Journals that the database has dropped are of no use to any backup that is left after their time.
	names, err := journalFiles(filepath.Join(folder, filepath.Base(db.path)))
	for _, name := range names {
		file := filepath.Base(db.path) + journalInfix + name
		copied := filepath.Join(folder, file)
		if _, err := os.Stat(filepath.Join(filepath.Dir(db.path), file)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if info, err := os.Stat(copied); err == nil && db.real().Sub(info.ModTime()) > keepLeaves {
			if err := os.Remove(copied); err != nil {
				return gone, fmt.Errorf("delete old journal: %w", err)
			}
		}
	}
	return gone, err
}
