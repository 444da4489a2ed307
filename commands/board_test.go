package commands

import (
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/store"
)

// TestWaits says of a run that stands still on purpose what it waits for.
func TestWaits(t *testing.T) {
	now := time.Date(2026, 4, 2, 7, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		due, first, last time.Duration // from now
		want             string
	}{
		{time.Hour, time.Hour, 2 * time.Hour, "its slot at 08:00:00 UTC"},
		{-time.Hour, time.Minute, time.Hour, "the next batch starts at 07:01:00 UTC, the last at 08:00:00 UTC"},
		{-time.Hour, -time.Minute, time.Hour, "the last batch starts at 08:00:00 UTC"},
		{-time.Hour, -time.Minute, -time.Minute, ""},
	} {
		if got := waits(&digest.Issue{Due: now.Add(c.due)}, now.Add(c.first), now.Add(c.last), now); !strings.HasSuffix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// TestRelayTrouble: who asks why a mail waits hears that its relay is down.
func TestRelayTrouble(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 1)
	e := h.engine
	if says, err := e.relayTrouble(t.Context(), "dock"); err != nil || says != "" {
		t.Errorf("of a relay that works: %q, %v", says, err)
	}
	if err := e.db.KeepRelayStates(t.Context(), []store.RelayState{{Relay: "dock", State: store.RelayDown, Since: time.Now(), Why: "connection refused", Worker: "w", Seen: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	if says, err := e.relayTrouble(t.Context(), "dock"); err != nil || !strings.Contains(says, "relay dock is down since ") || !strings.Contains(says, "connection refused") {
		t.Errorf("of one that is down: %q, %v", says, err)
	}
	if does := mend("fetch: http: server gave HTTP response to HTTPS client"); !strings.Contains(does, "http://") {
		t.Errorf("a feed without TLS: %s", does)
	}
}
