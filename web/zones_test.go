package web

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestZones(t *testing.T) {
	all, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	v := view{zones: all.zones["ar"]}
	for _, m := range regexp.MustCompile(`value="(.*?)"`).FindAllStringSubmatch(v.zones, -1) {
		if _, err := time.LoadLocation(m[1]); err != nil {
			t.Errorf("%s is offered: %v", m[1], err)
		}
	}
	for chosen, want := range map[string]string{"Asia/Dubai": `<option value="Asia/Dubai" selected>دبي</option>`,
		"Asia/Calcutta": `<option value="Asia/Calcutta" selected>Asia/Calcutta</option>`, `"><b>`: `<option value="&#34;&gt;&lt;b&gt;" selected>`} {
		if got := string(v.Zones(chosen)); strings.Count(got, "selected") != 1 || !strings.Contains(got, want) {
			t.Errorf("%s: not chosen", chosen)
		}
	}
	if strings.Contains(string(v.Zones("")), "selected") {
		t.Error("without a choice one is chosen")
	}
}
