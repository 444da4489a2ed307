package store

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCutIDs(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "",
		"Ok: queued as 4XyZ12abcd":              "Ok: queued as …",
		"Ok <20260402070000.12345@mx.example>":  "Ok <…>",
		"ok  1743577200 d9443c01a7336 - gsmtp":  "ok … … - gsmtp",
		"4.7.1 Greylisted, wait 300 seconds":    "4.7.1 Greylisted, wait 300 seconds",
		"see https://help.example/errors/55012": "see https://help.example/errors/55012",
		"No such user on mx1.relay.example":     "No such user on mx1.relay.example",
	} {
		if got := cutIDs(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func FuzzCutIDs(f *testing.F) {
	f.Add("Ok: queued as 4XyZ12abcd")
	f.Add("\xff\xfe 123456 \x00")
	f.Fuzz(func(t *testing.T, text string) {
		got := cutIDs(text)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxReplyText || strings.ContainsAny(got, "\r\n") {
			t.Fatalf("%q became %q", text, got)
		}
		if utf8.RuneCountInString(got) < maxReplyText && cutIDs(got) != got {
			t.Fatalf("%q became %q and then %q", text, got, cutIDs(got))
		}
	})
}
