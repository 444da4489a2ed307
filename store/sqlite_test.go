package store_test

import (
	"path/filepath"
	"testing"

	"broadsheet/store/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "b.db") })
}
