package web_test

import (
	"testing"

	"broadsheet/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }
