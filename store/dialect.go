package store

import (
	"strconv"

	"github.com/pressly/goose/v3"
)

// dialect is what engines do differently. Everything else is the same SQL for all of them.
type dialect struct {
	name       string
	goose      goose.Dialect
	migrations string // folder in [migrations]
	begin      string // starts a transaction that may write
	skipLocked string // ends a SELECT that claims a row
	instr      string // function that finds a text in another, counting from 1
	list       string // aggregate that makes a JSON array of texts
	indexedBy  string // goes before the name of the index that a query must walk; "" = the planner's own choice
}

var sqliteDialect = dialect{
	name:       "sqlite",
	goose:      goose.DialectSQLite3,
	migrations: "migrations/sqlite",
	// IMMEDIATE: a transaction that reads and then writes would else fail at the write,
	// without waiting, whenever another process wrote in between.
	begin: "BEGIN IMMEDIATE",
	instr: "instr",
	list:  "json_group_array",
	// Without statistics SQLite prefers a primary key to the index that fits.
	indexedBy: "INDEXED BY",
}

// by names the index that a query must walk.
func (d dialect) by(index string) string {
	if d.indexedBy == "" {
		return ""
	}
	return " " + d.indexedBy + " " + index + " "
}

// text is a text of a JSON object in a column; NULL if there is none.
func (d dialect) text(column, name string) string {
	return "json_extract(" + column + ", '$." + name + "')"
}

// ids is a table of value, and key for its order, from a JSON array of numbers in parameter n.
func (d dialect) ids(n int) string { return "json_each(?" + strconv.Itoa(n) + ")" }
