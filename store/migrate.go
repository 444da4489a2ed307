package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"

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

// migrate brings the schema up to date. Several processes may do so at once.
func (db *DB) migrate(ctx context.Context, pool *sql.DB) error {
	files, err := fs.Sub(migrations, db.dialect.migrations)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(db.dialect.goose, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	for try := range 10 {
		var have, want int64
		if have, want, err = p.GetVersions(ctx); err == nil {
			switch {
			case have > want:
				return fmt.Errorf("%w: its schema is %d and this program knows %d: run a newer program", ErrNewer, have, want)
			case have == want:
				return nil
			}
			if _, err = p.Up(ctx); err == nil {
				return nil
			}
		}
		// Another process may have been quicker with the same step; then the next look finds it done.
		if try > 0 && known(explain(err)) {
			break
		}
	}
	return fmt.Errorf("migrate: %w", err)
}
