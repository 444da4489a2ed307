package store_test

import (
	"os"
	"testing"

	"broadsheet/store"
	"broadsheet/store/storetest"
)

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) string { return storetest.FreshPostgres(t) })
}

// The same suite while hardly any commit goes well: transactions run again, or turn out to be on record.
func TestPostgresBadCommits(t *testing.T) {
	if os.Getenv("BROADSHEET_LONG") == "" {
		t.Skip("it takes minutes: BROADSHEET_LONG has it run")
	}
	defer store.BadCommits()()
	storetest.Run(t, func(t *testing.T) string { return storetest.FreshPostgres(t) })
}
