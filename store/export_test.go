package store

import (
	"maps"
	"slices"
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
