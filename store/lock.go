package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// LockSender makes this process the one that sends from the database, by a lock on a file
// beside it that the system gives up when the process dies, however it dies. If another has
// it, the error is [ErrLocked], or with wait it waits as long as ctx lasts. Having it means
// that the earlier sender is gone, so [DB.Recover] is what comes next. A PostgreSQL database
// takes any number of senders, and there is no lock.
func (db *DB) LockSender(ctx context.Context, wait bool) (unlock func(), err error) {
	if db.path == "" {
		return func() {}, nil
	}
	return lockSender(ctx, db.path, wait)
}

func lockSender(ctx context.Context, path string, wait bool) (unlock func(), err error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock sender: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { f.Close() }, nil // the file stays: taking it away would let two in
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			f.Close()
			return nil, fmt.Errorf("lock sender: %s: %w", name, err)
		case errors.Is(err, syscall.EWOULDBLOCK) && !wait:
			f.Close()
			return nil, ErrLocked
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// CheckKey makes sure that the database is used with one key only: it keeps the fingerprint
// the first time and refuses another with [ErrKey].
func (db *DB) CheckKey(ctx context.Context, fingerprint string) error {
	var have string
	err := db.read().scan(ctx, `SELECT value FROM meta WHERE name = 'key'`, nil, &have)
	if errors.Is(err, sql.ErrNoRows) {
		err = db.keepKey(ctx, fingerprint, &have)
	}
	switch {
	case err != nil:
		return fmt.Errorf("check key: %w", err)
	case have != fingerprint:
		return ErrKey
	}
	return nil
}

// keepKey keeps the first fingerprint that comes, and says which that is.
func (db *DB) keepKey(ctx context.Context, fingerprint string, have *string) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES ('key', ?1) ON CONFLICT (name) DO NOTHING`, fingerprint); err != nil {
			return err
		}
		return t.scan(ctx, `SELECT value FROM meta WHERE name = 'key'`, nil, have)
	})
}
