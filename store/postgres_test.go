package store_test

import (
	"testing"

	"broadsheet/store/storetest"
)

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) string { return storetest.FreshPostgres(t) })
}
