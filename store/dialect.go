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
}

var sqliteDialect = dialect{
	name:       "sqlite",
	goose:      goose.DialectSQLite3,
	migrations: "migrations/sqlite",
	// IMMEDIATE: a transaction that reads and then writes would else fail at the write,
	// without waiting, whenever another process wrote in between.
	begin: "BEGIN IMMEDIATE",
}

// ids is a table of one column, value, from a JSON array of numbers in parameter n.
func (d dialect) ids(n int) string { return "json_each(?" + strconv.Itoa(n) + ")" }
