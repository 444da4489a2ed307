package store

import (
	"testing"

	"broadsheet/mailer"
)

func TestBareText(t *testing.T) {
	for _, c := range []struct {
		code         int
		status, text string
		want         string
	}{
		{550, "5.1.1", "550 5.1.1 No such box", "No such box"},
		{550, "5.1.1", " 550-5.1.1 No such box", "No such box"},
		{550, "5.1.1", "550: No such box", "No such box"},
		{0, "5.1.1", "5.1.1 No such box", "No such box"},
		{550, "", "5500 boxes, none yours", "5500 boxes, none yours"},
		{550, "5.1.1", "5.1.10 No such box", "5.1.10 No such box"},
		{550, "5.1.1", "550", ""},
		{0, "", "", ""},
	} {
		if got := bareText(&mailer.News{Code: c.code, Status: c.status, Text: c.text}); got != c.want {
			t.Errorf("%d %q %q: %q, want %q", c.code, c.status, c.text, got, c.want)
		}
	}
}
