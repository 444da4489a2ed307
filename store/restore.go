package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	codes "modernc.org/sqlite/lib"

	"modernc.org/sqlite"
)

// Restored is what [Restore] did.
type Restored struct {
	Path  string `json:"database"`
	From  string `json:"from"`
	Aside string `json:"aside"` // where the database is now that was there; "" = there was none
	Backup
}

// ErrForeign says that a file is a copy of another database than the one that is there.
var ErrForeign = errors.New("it is a copy of another database than the one that is here: restore it into an empty folder")

// Restore puts a backup in the place of a database that nobody else has open. It reads the backup through
// first and refuses one that is damaged ([ErrDamaged]), of a newer program ([ErrNewer]), under another key
// ([ErrKey]) or of another database ([ErrForeign]). What was there is put aside and never deleted. Journals
// that lie beside the backup come too. The error is [ErrLocked] if a sender is at work and [ErrBusy]
// if another program has the database open. The caller opens the database then and has it recover, by which journals
// are replayed; unlock ends the lock of the sender, which it has until then.
func Restore(ctx context.Context, dsn, from, fingerprint string, now time.Time) (r Restored, unlock func(), err error) {
	path, err := sqlitePath(dsn)
	if err != nil {
		return r, nil, err
	}
	if unlock, err = lockSender(ctx, path, false); err != nil {
		return r, nil, err
	}
	r, err = restore(ctx, path, from, fingerprint, now)
	if err != nil {
		unlock()
		return r, nil, fmt.Errorf("restore %s: %w", from, full(explain(err)))
	}
	return r, unlock, nil
}

func restore(ctx context.Context, path, from, fingerprint string, now time.Time) (r Restored, err error) {
	r = Restored{Path: path, From: from}
	if changes, err := os.Stat(from + "-wal"); err == nil && changes.Size() > 0 {
		return r, fmt.Errorf("it has a file of changes beside it (%s-wal), and so is a database that was copied or is in use and no backup", from)
	}
	if is, err := os.Stat(path); err == nil {
		if info, err := os.Stat(from); err == nil && os.SameFile(is, info) {
			return r, errors.New("it is the database itself")
		}
	}
	database, err := examine(ctx, from, fingerprint)
	if err != nil {
		return r, err
	}
	if r.Backup, err = lookAt(ctx, from); err != nil {
		return r, err
	}
	f, _, err := readInstance(path)
	if err != nil {
		return r, err
	}
	if f != nil && f.Database != "" && f.Database != database {
		return r, ErrForeign
	}
	part := path + ".part"
	if err := copyFile(from, part); err != nil {
		return r, err
	}
	defer os.Remove(part)
	free, err := alone(ctx, path)
	if err != nil {
		return r, err
	}
	free()
	if r.Aside, err = putAside(path, now); err != nil {
		return r, err
	}
	if err := os.Rename(part, path); err != nil {
		return r, err
	}
	if err := syncFolder(path); err != nil {
		return r, err
	}
	return r, bringJournals(from, path, database)
}

// PutBack recovers a database that was just put back ([DB.RecoverOld]) and tells what its journals say that came
// after it; nil = nothing new.
func (db *DB) PutBack(ctx context.Context, now time.Time) (said *PutBack, err error) {
	before, err := db.PutBacks(ctx, 1)
	if err != nil {
		return nil, err
	}
	if _, err := db.RecoverOld(ctx, now); err != nil {
		return nil, err
	}
	after, err := db.PutBacks(ctx, 1)
	if err == nil && len(after) > 0 && (len(before) == 0 || after[0] != before[0]) {
		said = &after[0]
	}
	return said, err
}

// examine looks whether a file is a copy of a database that this program and key can use, and of which.
func examine(ctx context.Context, from, fingerprint string) (database string, err error) {
	info, err := os.Stat(from)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is no file")
	}
	pool, err := frozen(from)
	if err != nil {
		return "", err
	}
	defer pool.Close()
	var version int64
	if err := pool.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1`).Scan(&version); err != nil {
		if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == codes.SQLITE_ERROR {
			err = fmt.Errorf("it is no database of this program: %w", err)
		}
		return "", err
	}
	newest, err := sqliteDialect.newestSchema()
	if err != nil {
		return "", err
	}
	if version > newest {
		return "", fmt.Errorf("%w: its schema is %d and this program knows %d: run a newer program", ErrNewer, version, newest)
	}
	var key string
	if err := pool.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'key'`).Scan(&key); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	if key != "" && key != fingerprint {
		return "", ErrKey
	}
	err = pool.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'database'`).Scan(&database)
	if errors.Is(err, sql.ErrNoRows) { // of a time before databases had names
		err = nil
	}
	return database, err
}

// alone makes sure that nobody else has the database open, and has SQLite write all changes into it, so that no
// file of changes is left. A database that is damaged is nobody's.
func alone(ctx context.Context, path string) (free func(), err error) {
	if _, err := os.Stat(path); err != nil {
		return func() {}, nil //nolint:nilerr // there is none
	}
	pool, err := sql.Open("sqlite", (&DB{path: path, opts: Options{BusyTimeout: 2 * time.Second}}).source("", "locking_mode(EXCLUSIVE)"))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	_, err = pool.ExecContext(ctx, `BEGIN EXCLUSIVE; COMMIT`)
	if err = explain(err); errors.Is(err, ErrBusy) {
		pool.Close()
		return nil, fmt.Errorf("%w: another program has it open", ErrBusy)
	}
	return func() { pool.Close() }, nil
}

// putAside gives a database another name, with the files of changes that SQLite did not take in. At no
// moment is there none: a program that starts in between would make a new one.
func putAside(path string, now time.Time) (aside string, err error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		aside = ""
	} else {
		for n := 0; ; n++ {
			aside = path + ".before-" + now.Add(time.Duration(n)*time.Second).UTC().Format("20060102T150405Z")
			if err = os.Link(path, aside); !errors.Is(err, fs.ErrExist) {
				break
			}
		}
		if err != nil { // a file system without links
			err = os.Rename(path, aside)
		}
		if err != nil {
			return "", err
		}
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if aside == "" {
			err = os.Remove(path + suffix)
		} else {
			err = os.Rename(path+suffix, aside+suffix)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return aside, err
		}
	}
	return aside, syncFolder(path)
}

// bringJournals copies journals that lie beside a backup to the database, where they are missing or shorter.
func bringJournals(from, path, database string) error {
	files, err := os.ReadDir(filepath.Dir(from))
	if err != nil {
		return err
	}
	for _, f := range files {
		_, name, ok := strings.Cut(f.Name(), journalInfix)
		if !ok || strings.HasSuffix(name, ".part") {
			continue
		}
		source, to := filepath.Join(filepath.Dir(from), f.Name()), path+journalInfix+name
		if ours, err := journalOf(source, database); err != nil || !ours {
			if err != nil {
				return err
			}
			continue
		}
		is, err := os.Stat(source)
		if err != nil {
			return err
		}
		if was, err := os.Stat(to); err == nil && was.Size() >= is.Size() {
			continue
		}
		if err := copyFile(source, to); err != nil {
			return err
		}
	}
	return syncFolder(path)
}

// journalOf reports whether a file is a journal of a database.
func journalOf(name, database string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, len(journalHead)+len(database)+1)
	n, _ := f.Read(head)
	return string(head[:n]) == journalHead+database+"\n", nil
}
