package store_test

import (
	"testing"

	"broadsheet/store"
	"broadsheet/store/storetest"
)

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) string { return storetest.FreshPostgres(t) })
}

// The same suite while hardly any commit goes well: transactions run again, or turn out to be on record.
func TestPostgresBadCommits(t *testing.T) {
	defer store.BadCommits()()
	storetest.Run(t, func(t *testing.T) string { return storetest.FreshPostgres(t) })
}
