package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"broadsheet/digest"
	"broadsheet/mailer"
)

// Statements lists the SQL that db has prepared so far.
func (db *DB) Statements() []string {
	all := make(map[string]bool)
	for query := range db.writer.stmts {
		all[query] = true
	}
	db.stmts.Range(func(query, _ any) bool { all[query.(string)] = true; return true })
	return slices.Collect(maps.Keys(all))
}

// AddNotice notes a notice by itself.
func (db *DB) AddNotice(ctx context.Context, n digest.Notice, now time.Time) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		return t.notice(ctx, n.Kind, n.Subscriber, n.SettingsID, n.Number, n.Detail, now)
	})
}

// OneByOne has all marks written one by one.
func (db *DB) OneByOne() { db.ledger.slow = true }

// CommitTogether is as many calls of Commit that happen to share a transaction.
func (db *DB) CommitTogether(now time.Time, marks ...[]mailer.Mark) error {
	var calls []*call
	for _, m := range marks {
		calls = append(calls, &call{marks: m, now: now})
	}
	if err := db.writer.take(context.Background()); err != nil {
		return err
	}
	defer db.writer.leave()
	return db.commit(calls)
}

// FullJournal puts a device that is always full in place of the journal until it is restored.
func (db *DB) FullJournal() (restore func(), err error) {
	f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	j := &db.ledger.journal
	file := j.file
	j.file = f
	return func() { j.file = file; f.Close() }, nil
}

// Expected is how many callers the next group would wait for.
func (db *DB) Expected() int {
	db.ledger.mu.Lock()
	defer db.ledger.mu.Unlock()
	return db.ledger.last
}

// InHand is how many callers have deliveries between intent and outcome.
func (db *DB) InHand() int { return len(db.ledger.callers.of) }

// MakeRoom lets a database grow that was opened with a limit.
func (db *DB) MakeRoom() error {
	if err := db.writer.take(context.Background()); err != nil {
		return err
	}
	defer db.writer.leave()
	if db.writer.conn != nil {
		db.writer.drop()
	}
	db.opts.Pragmas = nil
	pool, err := sql.Open("sqlite", db.source("&_txlock=immediate", "journal_mode(WAL)", "synchronous(FULL)"))
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(1)
	old := db.writer.pool
	db.writer.pool = pool
	return old.Close()
}

// ForgetCallers has none of them waited for any more.
func (db *DB) ForgetCallers() { db.ledger.callers.active(time.Now().Add(time.Hour)) }

// ReadJournal reads lines as a group of a journal and says of what kinds they are; false if one of
// them is none.
func ReadJournal(lines []byte) (kinds []string, whole bool) {
	body := append([]byte(journalHead+"x\n"), sealGroup(lines)...)
	list, end, _, err := readJournal(bytes.NewReader(body), int64(len(body)), 0, "x")
	for _, l := range list {
		kinds = append(kinds, string(l.kind))
	}
	return kinds, err == nil && end == int64(len(body)) && len(lines) > 0
}

// Together has a move carry so many rows to a transaction.
func (m Move) Together(n int) Move {
	m.together = n
	return m
}

// Uncarried lists the tables that are not carried to another database.
func Uncarried() []string { return slices.Sorted(maps.Keys(uncarried)) }

// Sums are rows and hash of each table that is carried.
func (db *DB) Sums(ctx context.Context) (map[string]string, error) {
	e, free, err := db.newEnd(ctx)
	if err != nil {
		return nil, err
	}
	defer free()
	sums := make(map[string]string)
	for _, t := range e.tables {
		slices.SortFunc(t.columns, func(a, b column) int { return cmp.Compare(a.name, b.name) })
		s, err := e.sumOf(ctx, t, nil)
		if err != nil {
			return nil, err
		}
		sums[t.name] = fmt.Sprintf("%d rows, %s", s.rows, s.String())
	}
	return sums, nil
}

// FillAll puts n rows into every table that is carried but for those that a new database has rows in. Texts are
// such as feeds and mails may have.
func (db *DB) FillAll(ctx context.Context, n int) error {
	e, free, err := db.newEnd(ctx)
	if err != nil {
		return err
	}
	defer free()
	if err := e.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	given := map[string]any{"batches.lease_until": int64(0), "journals.size": int64(-1), "sessions.hash": []byte("a session"), "report_readers.id": int64(1), "handed_before.at": us(time.Now())}
	texts := []string{"", "é, ñ and 漢字", "two\nlines", "it's \"quoted\" \\ and \t", strings.Repeat("long ", 300)}
	for _, t := range e.tables {
		if t.name == "meta" || t.name == "counters" || t.name == "adoptions" {
			continue
		}
		for k := range n {
			row := make([]any, len(t.columns))
			for m, c := range t.columns {
				inKey := slices.Contains(t.key, m)
				switch c.kind {
				case kindInt:
					row[m] = int64(k + 1)
				case kindReal:
					row[m] = float64(k) / 3
				case kindText:
					row[m] = fmt.Sprintf("%s %s %d", c.name, texts[k%len(texts)], k)
				case kindBlob:
					row[m] = []byte{0, 255, byte(k), byte(k >> 8), byte(m)}
				}
				if v, ok := given[t.name+"."+c.name]; ok {
					row[m] = v
				} else if !inKey && k%7 == 3 && nullable[t.name+"."+c.name] {
					row[m] = nil
				}
			}
			marks := strings.Repeat(", ?", len(row))[2:]
			if err := e.exec(ctx, `INSERT INTO `+quote(t.name)+` (`+t.list()+`) VALUES (`+marks+`) ON CONFLICT DO NOTHING`, row...); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	if err := e.exec(ctx, "COMMIT"); err != nil {
		return err
	}
	return e.number(ctx)
}

var nullable = map[string]bool{"deliveries.digest": true, "deliveries.reply": true, "story_sections.arrival": true, "inbound.raw": true, "followers.carry": true,
	"suppressions.address": true, "operators.code": true}

// Texts reads a query's only column.
func (db *DB) Texts(ctx context.Context, query string) ([]string, error) {
	return selectAll(ctx, db.read(), query, nil, func(r *sql.Rows) (s string, err error) { return s, r.Scan(&s) })
}

// Next has a program know one migration more, number 9000, than there is.
func (o Options) Next(dsn, up string) Options {
	d := sqliteDialect
	if isPostgres(dsn) {
		d = postgresDialect
	}
	all := fstest.MapFS{"09000_next.sql": {Data: []byte("-- +goose Up\n" + up)}}
	files, _ := fs.Sub(migrations, d.migrations)
	names, _ := fs.Glob(files, "*.sql")
	for _, name := range names {
		b, _ := fs.ReadFile(files, name)
		all[name] = &fstest.MapFile{Data: b}
	}
	o.migrations = all
	return o
}

// ReadFor has a table read until release.
func (db *DB) ReadFor(ctx context.Context, table string) (release func(), err error) {
	e, free, err := db.newEnd(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.exec(ctx, "BEGIN"); err != nil {
		free()
		return nil, err
	}
	if _, err := e.count(ctx, named(e.tables, table)); err != nil {
		free()
		return nil, err
	}
	return free, nil
}

// BadCommits has every transaction on PostgreSQL fail in one way or another as it is committed, until it is put
// right: sometimes on its way there, sometimes by the loss of the connection before COMMIT, or before its answer.
func BadCommits() (right func()) {
	var mu sync.Mutex
	tried := make(map[*writer]int)
	good := badCommit
	badCommit = func(t *tx, commit func() error) error {
		mu.Lock()
		tried[t.w]++
		n := tried[t.w]
		mu.Unlock()
		cut := func() {
			_ = t.w.conn.Raw(func(c any) error { return c.(*stdlib.Conn).Conn().PgConn().Conn().Close() })
		}
		switch n % 4 {
		case 1:
			return ErrAway
		case 2:
			cut()
			return commit()
		case 3:
			err := commit()
			cut()
			return cmp.Or(err, io.ErrUnexpectedEOF)
		}
		return commit()
	}
	return func() { badCommit = good }
}

// Plans says how PostgreSQL would carry out each statement that this process has prepared, if reading a table whole were
// what it does last: by the statement.
func (db *DB) Plans(ctx context.Context) (map[string]string, error) {
	type prepared struct {
		statement string
		n         int
	}
	plans := make(map[string]string)
	explain := func(conn *sql.Conn) error {
		for _, query := range []string{`SET enable_seqscan = off`, `SET plan_cache_mode = force_generic_plan`} {
			if _, err := conn.ExecContext(ctx, query); err != nil {
				return err
			}
		}
		rows, err := conn.QueryContext(ctx, `SELECT statement, coalesce(array_length(parameter_types, 1), 0) FROM pg_prepared_statements`)
		if err != nil {
			return err
		}
		var all []prepared
		for rows.Next() {
			var p prepared
			if err := rows.Scan(&p.statement, &p.n); err != nil {
				return err
			}
			all = append(all, p)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for n, p := range all {
			if word, _, _ := strings.Cut(strings.TrimSpace(p.statement), " "); !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, word) {
				continue
			}
			name := fmt.Sprintf("plan_%d", n)
			if _, err := conn.ExecContext(ctx, `PREPARE `+name+` AS `+p.statement); err != nil {
				return fmt.Errorf("%s: %w", p.statement, err)
			}
			call := name
			if p.n > 0 {
				call += "(" + strings.Repeat(", NULL", p.n)[2:] + ")"
			}
			lines, err := conn.QueryContext(ctx, `EXPLAIN EXECUTE `+call)
			if err != nil {
				return fmt.Errorf("%s: %w", p.statement, err)
			}
			var plan strings.Builder
			for lines.Next() {
				var line string
				if err := lines.Scan(&line); err != nil {
					return err
				}
				plan.WriteString(line + "\n")
			}
			plans[p.statement] = plan.String()
		}
		return nil
	}
	if err := db.writer.take(ctx); err != nil {
		return nil, err
	}
	defer db.writer.leave()
	if err := explain(db.writer.conn); err != nil {
		return nil, err
	}
	for range reading {
		conn, err := db.readers.Conn(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close() // kept until the end, so that each comes once
		if err := explain(conn); err != nil {
			return nil, err
		}
	}
	return plans, nil
}
