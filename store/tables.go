package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What is carried from one database to another (carry.go) goes by the schema as the engine has it, so that no
// table and no column can be forgotten.

// Tables that are not carried, and why.
var uncarried = map[string]string{
	"goose_db_version": "says which schema a database has: each has its own",
	"workers":          "is of processes that are at work on that very database",
	"duties":           "is of such processes too",
}

// Order of tables that no foreign key says.
var (
	carriedAfter = map[string]string{
		"deliveries": "slots", // the parts of deliveries are made with slots
	}
	// carriedLast is what wakes triggers: while nobody wants events, rows make none.
	carriedLast = "webhooks"
)

// kind is what a column holds.
type kind byte

const (
	kindInt  kind = 'i'
	kindText kind = 't'
	kindBlob kind = 'b'
	kindReal kind = 'r'
)

// kinds are the columns' types as the migrations of either engine write them.
var kinds = map[string]kind{
	"INTEGER": kindInt, "TEXT": kindText, "BLOB": kindBlob, "REAL": kindReal,
	"bigint": kindInt, "integer": kindInt, "smallint": kindInt, "text": kindText, "bytea": kindBlob, "double precision": kindReal,
}

type column struct {
	name     string
	kind     kind
	identity bool // numbered by the engine
}

// table is a table as its engine has it.
type table struct {
	name    string
	columns []column
	key     []int    // primary key: places in columns
	refers  []string // tables that its rows refer to
}

// quote makes a name of what may be a word of SQL.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (t *table) names() []string {
	names := make([]string, len(t.columns))
	for n, c := range t.columns {
		names[n] = c.name
	}
	return names
}

// list is all columns for a statement.
func (t *table) list() string {
	var b strings.Builder
	for n, c := range t.columns {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(c.name))
	}
	return b.String()
}

// keyList is the columns of the primary key for a statement.
func (t *table) keyList() string {
	names := make([]string, len(t.key))
	for n, k := range t.key {
		names[n] = quote(t.columns[k].name)
	}
	return strings.Join(names, ", ")
}

// keyOf is a row's primary key.
func (t *table) keyOf(row []any) []any {
	key := make([]any, len(t.key))
	for n, k := range t.key {
		key[n] = row[k]
	}
	return key
}

// describe names a row for people.
func (t *table) describe(row []any) string {
	var parts []string
	for _, k := range t.key {
		v := row[k]
		if b, ok := v.([]byte); ok {
			v = fmt.Sprintf("x'%x'", b)
		} else if s, ok := v.(string); ok {
			v = fmt.Sprintf("%q", s)
		}
		parts = append(parts, fmt.Sprintf("%s %v", t.columns[k].name, v))
	}
	return strings.Join(parts, ", ")
}

const sqliteColumns = `SELECT m.name, c.name, c.type, 0, c.pk FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
	WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND c.hidden = 0 ORDER BY m.name, c.cid`

const sqliteRefers = `SELECT DISTINCT m.name, f."table" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY 1, 2`

const postgresColumns = `SELECT c.relname, a.attname, format_type(a.atttypid, NULL), CASE WHEN a.attidentity = '' THEN 0 ELSE 1 END, coalesce(array_position(i.indkey::int[], a.attnum::int) + 1, 0)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
	WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
	ORDER BY c.relname COLLATE "C", a.attnum`

const postgresRefers = `SELECT DISTINCT c.relname, p.relname FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
	WHERE f.contype = 'f' AND c.relnamespace = current_schema()::regnamespace AND NOT c.relispartition ORDER BY 1, 2`

// tables lists what is to be carried, in an order in which rows find those that they refer to.
func (d dialect) tables(ctx context.Context, c *sql.Conn) ([]*table, error) {
	columns, refers := sqliteColumns, sqliteRefers
	if d.name == postgresDialect.name {
		columns, refers = postgresColumns, postgresRefers
	}
	rows, err := c.QueryContext(ctx, columns)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*table
	keys := make(map[*table]map[int]int) // place in the key → place in columns
	for rows.Next() {
		var name, column_, typ string
		var identity, pk int
		if err := rows.Scan(&name, &column_, &typ, &identity, &pk); err != nil {
			return nil, err
		}
		if uncarried[name] != "" {
			continue
		}
		if len(list) == 0 || list[len(list)-1].name != name {
			list = append(list, &table{name: name})
			keys[list[len(list)-1]] = make(map[int]int)
		}
		t := list[len(list)-1]
		k, ok := kinds[typ]
		if !ok {
			return nil, fmt.Errorf("column %s of table %s is a %s: no such table is this program's", column_, name, typ)
		}
		if pk > 0 {
			keys[t][pk] = len(t.columns)
		}
		t.columns = append(t.columns, column{name: column_, kind: k, identity: identity != 0})
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, t := range list {
		for n := range len(keys[t]) {
			t.key = append(t.key, keys[t][n+1])
		}
		if len(t.key) == 0 {
			return nil, fmt.Errorf("table %s has no primary key: no such table is this program's", t.name)
		}
	}
	if err := addRefers(ctx, c, refers, list); err != nil {
		return nil, err
	}
	return parentsFirst(list)
}

func addRefers(ctx context.Context, c *sql.Conn, query string, list []*table) error {
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var from, to string
		if err := rows.Scan(&from, &to); err != nil {
			return err
		}
		for _, t := range list {
			if t.name == from && from != to {
				t.refers = append(t.refers, to)
			}
		}
	}
	for _, t := range list {
		if after := carriedAfter[t.name]; after != "" {
			t.refers = append(t.refers, after)
		}
	}
	return rows.Err()
}

// parentsFirst puts tables behind those that they refer to.
func parentsFirst(list []*table) (ordered []*table, err error) {
	done := make(map[string]bool)
	for len(ordered) < len(list) {
		before := len(ordered)
		for _, t := range list {
			waits := slices.ContainsFunc(t.refers, func(to string) bool { return !done[to] })
			if done[t.name] || waits || t.name == carriedLast && len(ordered) < len(list)-1 {
				continue
			}
			done[t.name] = true
			ordered = append(ordered, t)
		}
		if len(ordered) == before {
			return nil, errors.New("tables refer to each other in a circle")
		}
	}
	return ordered, nil
}

// sameTables is an error unless both databases have the same tables with the same columns.
func sameTables(from, to []*table) error {
	describe := func(list []*table) (all []string) {
		for _, t := range list {
			for n, c := range t.columns {
				all = append(all, fmt.Sprintf("column %s of table %s (%c, key %d)", c.name, t.name, c.kind, slices.Index(t.key, n)))
			}
		}
		slices.Sort(all)
		return all
	}
	a, b := describe(from), describe(to)
	for _, c := range a {
		if _, found := slices.BinarySearch(b, c); !found {
			return fmt.Errorf("%w: the target has no %s", errOtherTables, c)
		}
	}
	for _, c := range b {
		if _, found := slices.BinarySearch(a, c); !found {
			return fmt.Errorf("%w: the source has no %s", errOtherTables, c)
		}
	}
	return nil
}

// errOtherTables says that one of two databases has a table that is not this program's.
var errOtherTables = errors.New("the two databases do not have the same tables")

// named finds a table.
func named(list []*table, name string) *table {
	n := slices.IndexFunc(list, func(t *table) bool { return t.name == name })
	if n < 0 {
		return nil
	}
	return list[n]
}

// inColumnsOf is how a table's columns stand in the order of another's.
func (t *table) inColumnsOf(other *table) *table {
	out := &table{name: t.name, refers: t.refers}
	for _, name := range other.names() {
		n := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		out.columns = append(out.columns, t.columns[n])
	}
	out.key = slices.Clone(other.key)
	return out
}
