package storetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Raw opens the database of a path, as [Fresh] knows it, beside the program. SQL is written with ?1 ?2 for both
// engines. It is closed when the test ends.
func Raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := raw(Fresh(t, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func raw(dsn string) (*sql.DB, error) {
	if !OnPostgres() {
		return sql.Open("sqlite", "file:"+dsn+"?_pragma=busy_timeout(10000)")
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // many statements at once; values have the type that fits
	return sql.OpenDB(connector{stdlib.GetConnector(*config)}), nil
}

// connector makes connections that take ?1 for $1.
type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return rawConn{conn.(*stdlib.Conn)}, nil
}

type rawConn struct{ *stdlib.Conn }

var placeholder = regexp.MustCompile(`\?(\d+)`)

func (c rawConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.ExecContext(ctx, placeholder.ReplaceAllString(query, "$$$1"), args)
}

func (c rawConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.QueryContext(ctx, placeholder.ReplaceAllString(query, "$$$1"), args)
}

// Poison has every INSERT into table fail with word that brings a row for which when holds, until it is cured. In
// when the row is NEW.
func Poison(t testing.TB, path, table, when, word string) (cure func()) {
	t.Helper()
	db := Raw(t, path)
	do, undo := `CREATE TRIGGER `+word+` BEFORE INSERT ON `+table+` WHEN `+when+` BEGIN SELECT RAISE(ABORT, '`+word+`'); END`, `DROP TRIGGER `+word
	if OnPostgres() {
		do = `CREATE FUNCTION ` + word + `() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF ` + when + ` THEN RAISE '` + word + `' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;
			CREATE TRIGGER ` + word + ` BEFORE INSERT ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION ` + word + `()`
		undo += ` ON ` + table
	}
	if _, err := db.ExecContext(t.Context(), do); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), undo); err != nil {
			t.Fatal(err)
		}
	}
}

// Dump is all that the database of a path holds, a line for each row, sorted: the table and its values. Signs of life
// of processes are not in it.
func Dump(t testing.TB, path string) []string {
	t.Helper()
	db, err := raw(Fresh(t, path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables := `SELECT name FROM sqlite_schema WHERE type = 'table'`
	if OnPostgres() {
		tables = `SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace`
	}
	var names, lines []string
	each(t, db, tables, func(v []any) { names = append(names, fmt.Sprint(v[0])) })
	for _, name := range names {
		if name == "workers" {
			continue
		}
		each(t, db, `SELECT * FROM "`+name+`"`, func(v []any) {
			for i := range v {
				if b, ok := v[i].([]byte); ok {
					v[i] = string(b)
				}
			}
			lines = append(lines, name+" "+fmt.Sprint(v))
		})
	}
	slices.Sort(lines)
	return lines
}

func each(t testing.TB, db *sql.DB, query string, row func([]any)) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		row(values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
