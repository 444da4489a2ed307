package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// snapshotInto copies a PostgreSQL database as it stands at one moment into an empty SQLite file, so that the copy
// can be opened, checked and restored on either engine.
func (db *DB) snapshotInto(ctx context.Context, to string) error {
	copied := newDB(Options{BusyTimeout: db.opts.BusyTimeout}, sqliteDialect)
	copied.path, copied.place = to, to
	// Nobody else has the file, and what breaks off is thrown away.
	pool, err := sql.Open("sqlite", copied.source("", "journal_mode(OFF)", "synchronous(OFF)", "foreign_keys(0)", "cache_size(-65536)"))
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	if err := copied.migrate(ctx, pool); err != nil {
		return err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	target := &end{dialect: sqliteDialect, conn: conn}
	if target.tables, err = sqliteDialect.tables(ctx, conn); err != nil {
		return err
	}
	source, free, err := db.newEnd(ctx)
	if err != nil {
		return err
	}
	defer free()
	if err := sameTables(source.tables, target.tables); err != nil {
		return err
	}
	if err := source.exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"); err != nil {
		return err
	}
	if err := target.wipe(ctx); err != nil {
		return err
	}
	var differ []string
	for _, t := range target.tables {
		c := &carrier{from: source, to: target}
		is, err := c.table(ctx, t, nil)
		if err != nil {
			return err
		}
		got, err := target.sumOf(ctx, t, nil)
		if err != nil {
			return fmt.Errorf("check table %s: %w", t.name, err)
		}
		if !is.same(&got) {
			differ = append(differ, t.name)
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("%w: table %s", ErrDiffers, strings.Join(differ, ", "))
	}
	return errors.Join(source.exec(ctx, "COMMIT"), conn.Close(), pool.Close())
}
