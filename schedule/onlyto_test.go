package schedule

import (
	"strings"
	"testing"
)

func TestOnlyTo(t *testing.T) {
	if c := readConfig(t, least); !c.MayGet("anybody@anywhere.example") {
		t.Error("without the key, mail goes to everybody")
	}
	c := readConfig(t, least+`only_to: [Ada@harbour.example, "@staff.example"]`+"\n")
	for address, want := range map[string]bool{"ada@harbour.example": true, "ADA@Harbour.example": true, "bob@harbour.example": false, "bob@staff.example": true,
		"bob@sub.staff.example": false, "bob@notstaff.example": false, "staff.example": false, "": false, "bob@staff.example@evil.example": false} {
		if c.MayGet(address) != want {
			t.Errorf("MayGet(%q) is %v", address, !want)
		}
	}
	for text, want := range map[string]string{"[]": "only_to is empty", "[staff.example]": "neither an address nor a domain",
		`["@"]`: "is not a domain", `["a@"]`: "is not a domain", `["a@b@c.example"]`: "neither", "ada@harbour.example": "must be a list"} {
		if _, err := Parse("schedule.yaml", []byte(least+"only_to: "+text+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("only_to: %s: %v, want %q", text, err, want)
		}
	}
}
