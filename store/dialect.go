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
	skipLocked string // ends a SELECT that claims a row
	instr      string // function that finds a text in another, counting from 1
	like       string // LIKE that does not heed the case of ASCII letters
	indexedBy  string // goes before the name of the index that a query must walk; "" = the planner's own choice
}

var sqliteDialect = dialect{
	name:       "sqlite",
	goose:      goose.DialectSQLite3,
	migrations: "migrations/sqlite",
	instr:      "instr",
	like:       "LIKE",
	// Without statistics SQLite prefers a primary key to the index that fits.
	indexedBy: "INDEXED BY",
}

var postgresDialect = dialect{
	name:       "postgres",
	goose:      goose.DialectPostgres,
	migrations: "migrations/postgres",
	skipLocked: " FOR NO KEY UPDATE OF b SKIP LOCKED",
	instr:      "strpos",
	like:       "ILIKE",
}

// by names the index that a query must walk.
func (d dialect) by(index string) string {
	if d.indexedBy == "" {
		return " "
	}
	return " " + d.indexedBy + " " + index + " "
}

// text is a text of a JSON object in a column; NULL if there is none.
func (d dialect) text(column, name string) string {
	if d.name == postgresDialect.name {
		return "(" + column + "::json ->> '" + name + "')"
	}
	return "json_extract(" + column + ", '$." + name + "')"
}

// list is an aggregate: a JSON array of texts.
func (d dialect) list(what string) string {
	if d.name == postgresDialect.name {
		return "json_agg(" + what + ")::text"
	}
	return "json_group_array(" + what + ")"
}

// noCase is a text whose order and likeness do not heed the case of ASCII letters.
func (d dialect) noCase(text string) string {
	if d.name == postgresDialect.name {
		return "lower(" + text + ")"
	}
	return text + " COLLATE NOCASE"
}

// texts is a table of value from a JSON array of texts in parameter n.
func (d dialect) texts(n int) string {
	p := "?" + strconv.Itoa(n)
	if d.name == postgresDialect.name {
		return "json_array_elements_text(" + p + "::json)"
	}
	return "json_each(" + p + ")"
}

// ids is a table of value, and key for its order, from a JSON array of numbers in parameter n.
func (d dialect) ids(n int) string {
	p := "?" + strconv.Itoa(n)
	if d.name == postgresDialect.name {
		return "numbers(" + p + ")"
	}
	return "json_each(" + p + ")"
}

// in is the condition, behind a column, that it is in such a list. PostgreSQL then walks an index whatever it holds
// the table to be; a join it may turn round.
func (d dialect) in(n int) string { return d.among("SELECT value FROM " + d.ids(n)) }

// among is the same for what a query finds.
func (d dialect) among(query string) string {
	if d.name == postgresDialect.name {
		return "= ANY (ARRAY(" + query + "))"
	}
	return "IN (" + query + ")"
}
