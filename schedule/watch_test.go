package schedule_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"broadsheet/schedule"
)

// TestReportAndPing reads who gets the morning report, and where ends of issues are told.
func TestReportAndPing(t *testing.T) {
	shipped, err := os.ReadFile("../schedule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	with := func(report, ping string) (*schedule.Config, error) {
		text := string(shipped) + "\nreport: " + report + "\n"
		at := strings.Index(text, "    cron:")
		return schedule.Parse("schedule.yaml", []byte(text[:at]+"    ping: "+ping+"\n"+text[at:]))
	}
	const hook = "https://hc-ping.example/0f6a3b7e"
	for text, want := range map[string]schedule.Report{
		"{to: desk@lantern.example, zone: UTC}":                                                       {To: []string{"desk@lantern.example"}, At: "07:30", Zone: "UTC"},
		"{to: [\"Desk <desk@lantern.example>\", b@lantern.example], at: \"06:00\", zone: Asia/Dubai}": {To: []string{"desk@lantern.example", "b@lantern.example"}, At: "06:00", Zone: "Asia/Dubai"},
	} {
		c, err := with(text, hook)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, c.Report); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
		if c.Editions[0].Ping != hook {
			t.Errorf("ping %q", c.Editions[0].Ping)
		}
	}
	for text, says := range map[string]string{
		"{}":                                     "report: to is missing",
		"{to: []}":                               "to names nobody",
		"{to: nobody}":                           "\"nobody\" is not a mail address",
		"{to: [a@b.example, A@b.example]}":       "given twice",
		"{to: a@b.example, at: \"25:00\"}":       "at must be a time of day",
		"{to: a@b.example, at: \"24:00\"}":       "at must be a time of day",
		"{to: a@b.example, zone: Nowhere/Place}": "not a known IANA time zone",
		"{to: a@b.example, when: now}":           "unknown key \"when\"",
	} {
		if _, err := with(text, hook); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, not %q", text, err, says)
		}
	}
	for _, bad := range []string{"nonsense", "ftp://hc.example/x", "\"https://u:p@hc.example/\"", "\"https://hc.example/#x\""} {
		if _, err := with("{to: a@b.example}", bad); err == nil || !strings.Contains(err.Error(), "ping must be an address") {
			t.Errorf("ping %s: %v", bad, err)
		}
	}
}
