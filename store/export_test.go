package store

import (
	"context"
	"maps"
	"slices"
	"time"

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
