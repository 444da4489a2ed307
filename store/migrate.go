package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// newestSchema is the version that this program's schema has.
func (d dialect) newestSchema() (newest int64, err error) {
	files, err := fs.Sub(migrations, d.migrations)
	if err != nil {
		return 0, err
	}
	names, err := fs.Glob(files, "*.sql")
	for _, name := range names {
		if v, parseErr := strconv.ParseInt(name[:5], 10, 64); parseErr == nil {
			newest = max(newest, v)
		}
	}
	return newest, err
}

// Old and new programs work on one database side by side while an upgrade rolls (CONTRIBUTING.md has the rules
// for migrations). So a program works on a schema that is newer than its own, unless a migration said which is the
// oldest one that programs must know to go on: the line "oldest" of meta.
const metaOldest = "oldest"

const (
	// schemaWait is how long a step of a migration waits for a table on PostgreSQL. Whatever comes after it waits too,
	// so it rather comes again.
	schemaWait  = 500 * time.Millisecond
	schemaPause = 1500 * time.Millisecond
	// schemaPatience is how long it comes again.
	schemaPatience = 5 * time.Minute
)

// migrate brings the schema up to date. Several processes may do so at once: one does, and the others wait.
func (db *DB) migrate(ctx context.Context, pool *sql.DB) error {
	files, err := fs.Sub(migrations, db.dialect.migrations)
	if err != nil {
		return err
	}
	if db.opts.migrations != nil {
		files = db.opts.migrations
	}
	if db.path == "" {
		pool = db.schemaPool()
		defer pool.Close()
	}
	p, err := goose.NewProvider(db.dialect.goose, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	began := time.Now()
	for try := 0; ; try++ {
		var have, want int64
		if have, want, err = p.GetVersions(ctx); err == nil {
			switch {
			case have > want:
				return allowed(ctx, pool, have, want)
			case have == want:
				return nil
			}
			if err = db.upgrade(ctx, pool, p); err == nil {
				return nil
			}
		}
		switch e, _ := errors.AsType[*pgconn.PgError](err); {
		case e != nil && e.Code == "55P03" && time.Since(began) < schemaPatience: // somebody reads a table for long
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(schemaPause):
			}
		case e != nil && e.Code == "42P01" && inRecovery(ctx, pool): // undefined_table: nothing is there, and nothing can be made
			return ErrStandby
		case try > 0 && known(explain(err)) || try > 10:
			return fmt.Errorf("migrate: %w", err)
		}
		// Another process may have been quicker with the same step; then the next look finds it done.
	}
}

// inRecovery says whether a PostgreSQL server is a standby.
func inRecovery(ctx context.Context, pool *sql.DB) (is bool) {
	return pool.QueryRowContext(ctx, `SELECT pg_is_in_recovery()`).Scan(&is) == nil && is
}

// schemaPool is connections for migrations of PostgreSQL.
func (db *DB) schemaPool() *sql.DB {
	cfg := db.config.Copy()
	for name, value := range map[string]string{"lock_timeout": strconv.FormatInt(schemaWait.Milliseconds(), 10), "statement_timeout": "0",
		"idle_in_transaction_session_timeout": strconv.FormatInt(schemaPatience.Milliseconds(), 10)} {
		cfg.RuntimeParams[name] = value
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(2)
	return pool
}

// upgrade takes the steps that are missing. On PostgreSQL it holds a row meanwhile that every process takes which
// would do the same.
func (db *DB) upgrade(ctx context.Context, pool *sql.DB, p *goose.Provider) error {
	if db.path == "" {
		t, err := pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = t.Rollback() }() // it has changed nothing
		if _, err := t.ExecContext(ctx, `SET LOCAL lock_timeout = '`+strconv.FormatInt(schemaPatience.Milliseconds(), 10)+`'`); err != nil {
			return err
		}
		// The list of steps is a table that no step changes: a row of another one would be in the way of a step that does.
		if _, err := t.ExecContext(ctx, `SELECT 1 FROM goose_db_version ORDER BY id LIMIT 1 FOR UPDATE`); err != nil {
			return err
		}
	}
	_, err := p.Up(ctx) // what is done by now is not done again
	return err
}

// allowed is an error unless a program that knows a schema may work on a newer one.
func allowed(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, have, know int64) error {
	var text string
	err := q.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = '`+metaOldest+`'`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	oldest, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("read oldest schema: %w", err)
	}
	if know < oldest {
		return fmt.Errorf("%w: its schema is %d, for programs that know %d or later, and this one knows %d: run a newer program", ErrNewer, have, oldest, know)
	}
	return nil
}
