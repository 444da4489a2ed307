package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	if k := readConfig(t, least).Retention; k != (Retention{400 * day, 100 * day, 400 * day, 90 * day, 1100 * day}) {
		t.Errorf("defaults %+v", k)
	}
	k := readConfig(t, least+"retention: {deliveries: 730d, attempts: for ever, audit: for ever, inbound: 30d}\n").Retention
	if k != (Retention{730 * day, 730 * day, 400 * day, 30 * day, 0}) {
		t.Errorf("%+v", k)
	}
	for text, want := range map[string]string{"{deliveries: 60d}": "deliveries must be at least 100d", "{audit: long}": "is not a duration",
		"{events: 9999d}": "must be at most", "{stories: 3d}": "unknown", "[]": "retention"} {
		if _, err := Parse("schedule.yaml", []byte(least+"retention: "+text+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("retention: %s: %v, want %q", text, err, want)
		}
	}
}
