package mailer

import "testing"

func TestQueueID(t *testing.T) {
	for text, want := range map[string]string{
		"Ok: queued as 4XyZ12abcd": "4XyZ12abcd",
		"from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as A1B2C3D4E5": "A1B2C3D4E5",
		"Ok 010001890abcdef0-1234abcd-0000":                                    "010001890abcdef0-1234abcd-0000",
		"OK id=1abcDE-0000xY-2z":                                               "1abcDE-0000xY-2z",
		"Ok: queued as <20260101.abc@lantern.example>":                         "20260101.abc@lantern.example",
		"Ok: queued as ":       "",
		"Ok":                   "",
		"Ok, thank you for it": "",
		"taken":                "",
		"":                     "",
	} {
		if got := QueueID(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
