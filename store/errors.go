package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

var (
	// ErrFull says that the database or its disk is full. What was being written is not
	// there; nothing else is harmed, and writing goes on once there is space.
	ErrFull = errors.New("database or disk is full: free some space")
	// ErrBusy says that another process held the database for longer than the busy timeout.
	ErrBusy error = passingError("database is locked: another program has been writing for too long")
	// ErrNoDatabase says that there is no file, where none was to be made.
	ErrNoDatabase = errors.New("there is no database")
	// ErrDamaged says that the file is no SQLite database or is damaged.
	ErrDamaged = errors.New("database is damaged or no SQLite database: restore a backup")
	// ErrReadOnly says that the file cannot be written.
	ErrReadOnly = errors.New("database cannot be written: look at the rights of the file and its folder")
	// ErrAway says that the server cannot be reached just now: it is down, starting, shutting down or full.
	ErrAway error = passingError("database server cannot be reached")
	// ErrStandby says that the server only takes reads: it is a standby.
	ErrStandby error = passingError("database only takes reads, it is a standby: name the primary in the postgres:// URL, or all servers with target_session_attrs=read-write")
	// ErrLogin says that the server does not let this user in.
	ErrLogin error = passingError("database server refuses the log-in: look at user and password of the postgres:// URL, and at the server's pg_hba.conf")
	// ErrCut says that the server cut a statement short.
	ErrCut error = passingError("database cut a statement short: the user's statement_timeout is too short (ALTER ROLE ... SET statement_timeout, or statement_timeout=0 in the postgres:// URL), or somebody cancelled it")
	// ErrNewer says that a newer program made the database, which this one cannot work on any more.
	ErrNewer = errors.New("database is newer than this program")
	// ErrLocked says that another sender is at work on the database.
	ErrLocked = errors.New("another sender is at work on this database")
	// ErrKey says that the database belongs to another key.
	ErrKey = errors.New("the key is not this database's: its oldest key must stay the last one in BROADSHEET_KEY or the key file")
	// ErrNoKey says that suppressions cannot be looked up without a key.
	ErrNoKey = errors.New("no key: suppressions are found by a keyed hash, set BROADSHEET_KEY or BROADSHEET_KEY_FILE")
	// ErrNotFound says that there is no such row.
	ErrNotFound = subscribers.ErrNotFound
	// ErrErased says that the owner of an address had everything about it erased.
	ErrErased = errors.New("this reader had everything erased: only a sign-up that is confirmed from the address brings it back")
	// ErrTaken says that the address belongs to another reader.
	ErrTaken = subscribers.ErrTaken
)

// passingError is what keeps everything from the database for a while, and is nobody's fault but the database's.
type passingError string

func (e passingError) Error() string { return string(e) }

// Is has a sender wait instead of taking it for the end of a delivery.
func (e passingError) Is(target error) bool { return target == mailer.ErrLater }

// Away says whether err is that the server cannot be reached, or takes nothing just now.
func Away(err error) bool {
	return errors.Is(err, ErrAway) || errors.Is(err, ErrStandby) || errors.Is(err, ErrLogin)
}

// explain puts the words for people in front of the engine's own.
func explain(err error) error {
	if known(err) {
		return err
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return explainPostgres(err)
	}
	if e.Code() == codes.SQLITE_IOERR_SHMSIZE { // no room for the file beside the database
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	switch e.Code() & 0xff {
	case codes.SQLITE_FULL:
		return fmt.Errorf("%w (%w)", ErrFull, err)
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return fmt.Errorf("%w (%w)", ErrBusy, err)
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	case codes.SQLITE_READONLY, codes.SQLITE_CANTOPEN, codes.SQLITE_PERM:
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	}
	return err
}

// known says whether err already has its words.
func known(err error) bool {
	for _, e := range []error{ErrFull, ErrBusy, ErrDamaged, ErrReadOnly, ErrAway, ErrStandby, ErrLogin, ErrCut, ErrNoDatabase} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// ofRow says whether err is about what was to be written and not about the database, so that something
// else may well be written.
func ofRow(err error) bool {
	if err = explain(err); known(err) || spoilt(err) || errors.Is(err, ErrNoKey) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23") // data, integrity constraints
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return true
	}
	switch e.Code() & 0xff {
	case codes.SQLITE_CONSTRAINT, codes.SQLITE_MISMATCH, codes.SQLITE_TOOBIG, codes.SQLITE_RANGE:
		return true
	}
	return false
}

// spoilt says whether a connection is not to be trusted after err: SQLite has been seen to
// report a full disk only once on a connection.
func spoilt(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || lostConnection(err) || stale(err) {
		return true
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	code := e.Code() & 0xff
	return code == codes.SQLITE_FULL || code == codes.SQLITE_IOERR
}
