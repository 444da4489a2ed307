package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// IsServer says whether dsn names a database of a server, not a file.
func IsServer(dsn string) bool { return isPostgres(dsn) }

// Scratch finds an empty database for a trial on the server that dsn names. That of dsn serves if it has no tables
// and is not the server's own; it stays then. Else one is made, and drop drops it.
func Scratch(ctx context.Context, dsn string) (scratch string, drop func() error, err error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "", nil, fmt.Errorf("make scratch database: %w: give it as postgres://USER@HOST:PORT/NAME", err)
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return "", nil, fmt.Errorf("make scratch database: %w", explain(err))
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var empty bool
	if err := conn.QueryRow(ctx, `SELECT current_database() <> 'postgres' AND NOT EXISTS (SELECT 1 FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema')`).Scan(&empty); err != nil {
		return "", nil, fmt.Errorf("make scratch database: %w", explain(err))
	}
	if empty {
		return dsn, func() error { return nil }, nil
	}
	name := "broadsheet_scratch_" + strings.ToLower(rand.Text()[:10])
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+name); err != nil {
		return "", nil, fmt.Errorf("make scratch database: %w", explain(err))
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", nil, fmt.Errorf("make scratch database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err == nil {
			_, err = conn.Exec(ctx, `DROP DATABASE `+name+` WITH (FORCE)`)
			err = errors.Join(err, conn.Close(ctx))
		}
		if err != nil {
			return fmt.Errorf("drop scratch database %s: %w", name, explain(err))
		}
		return nil
	}, nil
}

// Sizes is what tables take in octets, with their indexes. What is not known is 0.
type Sizes struct {
	Deliveries int64 // the rows of deliveries
	Ledger     int64 // with all that is kept beside them: batches, digests, attempts, books, counts
	Database   int64 // the whole
}

// ledgerTables are those of [Sizes.Ledger] beside deliveries.
const ledgerTables = `'slots', 'issues', 'batches', 'digests', 'fragments', 'attempts', 'reply_texts', 'relay_days', 'domain_days', 'issue_states',
	'issue_minutes', 'issue_proofs', 'dropped_states', 'marks', 'waves', 'events', 'queue_ids'`

// Sizes tells how large the database is. Files tell no more than the whole.
func (db *DB) Sizes(ctx context.Context) (s Sizes, err error) {
	if db.dialect.name != postgresDialect.name {
		for _, name := range []string{db.path, db.path + "-wal"} {
			if info, err := os.Stat(name); err == nil {
				s.Database += info.Size()
			}
		}
		return s, nil
	}
	err = db.read().scan(ctx, `SELECT (SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('deliveries')),
		(SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relname IN (`+ledgerTables+`)
			AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'deliveries'::regclass)),
		pg_database_size(current_database())`, nil, &s.Deliveries, &s.Ledger, &s.Database)
	if err != nil {
		return s, fmt.Errorf("read sizes: %w", err)
	}
	s.Ledger += s.Deliveries
	return s, nil
}

// Backend is the process number, on its machine, of one that serves us; 0 = there is none.
func (db *DB) Backend(ctx context.Context) (pid int, err error) {
	if db.dialect.name != postgresDialect.name {
		return 0, nil
	}
	if err := db.read().scan(ctx, `SELECT pg_backend_pid()`, nil, &pid); err != nil {
		return 0, fmt.Errorf("find the server's process: %w", err)
	}
	return pid, nil
}
