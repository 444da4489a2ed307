package commands

import (
	"context"
	"errors"
	"html"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"broadsheet/doctor"
	"broadsheet/operators"
	"broadsheet/store/storetest"
)

// TestDoctorPage examines, shows what was found, and has what is red among the alarms.
func TestDoctorPage(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 1)
	h.engine.dns = &doctor.DNS{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no network in this test")
	}}}
	h.engine.leavesFrom = func(context.Context) []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} }
	h.engine.secretFiles = map[string]string{"keys of links": "/dev/null"}
	v := enter(t, h.engine, operators.Act)
	if _, page := v.get("/doctor"); !strings.Contains(page, "Not examined yet") {
		t.Error(page)
	}
	if status, page := v.post("/doctor", nil); status != 303 {
		t.Fatal(status, page)
	}
	page := ""
	for end := time.Now().Add(20 * time.Second); ; {
		if _, page = v.get("/doctor"); !strings.Contains(page, "Being") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not come to an end")
		}
	}
	page = html.UnescapeString(page)
	sound := "quick_check finds nothing wrong"
	if storetest.OnPostgres() {
		sound = "the server answers"
	}
	for _, want := range []string{"1 thing is wrong", "everybody on this machine may use /dev/null", "chmod 600", "relay dock", "SPF of tidewater.example", "DMARC of tidewater.example", "MX of tidewater.example", "PTR",
		"DNS does not answer", "the relay signs", sound, "time zone data", "scheduler"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q:\n%s", want, page)
		}
	}
	h.kept = keptAlarms{}
	if _, page := v.get("/"); !strings.Contains(html.UnescapeString(page), "The doctor found of files with secrets: everybody") {
		t.Error(page)
	}
}
