package doctor

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	off, age := time.Duration(0), ""
	now := func() time.Time { return time.Date(2026, 4, 2, 9, 0, 0, 4e8, time.UTC) } // of both: no second begins in between
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/none" {
			w.Header()["Date"] = nil
			return
		}
		w.Header().Set("Date", now().Add(off).Format(http.TimeFormat))
		if age != "" {
			w.Header().Set("Age", age)
		}
	}))
	defer srv.Close()
	for _, c := range []struct {
		off   time.Duration
		age   string
		urls  []string
		level Level
		seen  string
	}{
		{0, "", []string{srv.URL}, Green, "off the Date that 127.0.0.1:"},
		{0, "", []string{srv.URL + "/none", "http://127.0.0.1:1/", srv.URL}, Green, ""},
		{-10 * time.Second, "", []string{srv.URL}, Amber, "9s off"},
		{10 * time.Second, "", []string{srv.URL}, Amber, "10s off"},
		{time.Hour, "", []string{srv.URL}, Red, "1h0m"},
		{-time.Hour, "", []string{srv.URL}, Red, "59m59s off"},
		{-time.Hour, "3600", []string{srv.URL}, Green, ""}, // out of a cache
		{0, "", []string{srv.URL + "/none"}, Amber, "nobody says"},
		{0, "", nil, Amber, "nobody to ask"},
	} {
		off, age = c.off, c.age
		clock(t.Context(), srv.Client(), c.urls, now).wants(t, c.off.String(), c.level, c.seen)
	}
}

// TestSpaceLevel: how grave it is that so much is free.
func TestSpaceLevel(t *testing.T) {
	for s, want := range map[Space]Level{{100 << 30, 500 << 30}: Green, {40 << 30, 500 << 30}: Amber, {900 << 20, 5 << 30}: Amber,
		{5 << 30, 500 << 30}: Red, {100 << 20, 1 << 30}: Red, {0, 0}: Red} {
		if got := s.Level(); got != want {
			t.Errorf("%d of %d: %s", s.Free, s.Size, got)
		}
	}
}

func TestMachine(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("# version 2019a\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	Private(map[string]string{"keys": file("own", 0o600), "none": ""}).wants(t, "own", Green, "their owner alone: keys")
	Private(map[string]string{"none": ""}).wants(t, "none", Green, "no secret")
	Private(map[string]string{"keys": file("group", 0o640)}).wants(t, "group", Amber, "its group")
	Private(map[string]string{"keys": file("all", 0o604), "more": file("group", 0o640)}).wants(t, "all", Red, "everybody")
	Private(map[string]string{"keys": filepath.Join(dir, "gone")}).wants(t, "gone", Red, "cannot be looked at")

	Disk(file("b.db", 0o600)).wants(t, "disk", Disk(dir+"/x").Level, " free beside ")
	Disk(dir+"/nowhere/b.db").wants(t, "no disk", Amber, "not known")

	now := time.Date(2026, 4, 2, 9, 0, 0, 0, time.UTC)
	for _, folder := range []string{"old/Etc", "new/Etc", "bare/Etc"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		file(folder+"/UTC", 0o600)
	}
	file("old/tzdata.zi", 0o600)
	if err := os.WriteFile(filepath.Join(dir, "new", "+VERSION"), []byte("2026a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	zones := []string{"Europe/London", "UTC"}
	t.Setenv("ZONEINFO", "")
	Zones(zones, []string{dir + "/old"}, now).wants(t, "old", Amber, "version 2019a")
	Zones(zones, []string{dir + "/gone", dir + "/new"}, now).wants(t, "new", Green, "version 2026a")
	Zones(zones, []string{dir + "/bare"}, now).wants(t, "bare", Green, "the system's")
	Zones(zones, []string{dir + "/gone"}, now).wants(t, "built in", Amber, "built into the program")
	Zones([]string{"Europe/Atlantis"}, nil, now).wants(t, "unknown", Red, "Europe/Atlantis")
	t.Setenv("ZONEINFO", dir)
	Zones(zones, nil, now).wants(t, "environment", Green, "ZONEINFO=")

	never := time.Time{}
	Wake(never, never, now).wants(t, "never", Amber, "never")
	Wake(now.Add(-20*time.Second), never, now).wants(t, "awake", Green, "20s ago")
	Wake(now.Add(-time.Hour), now.Add(-2*time.Hour), now).wants(t, "asleep", Red, "1h0m0s ago")
	Wake(now.Add(-time.Hour), now.Add(-time.Minute), now).wants(t, "cron after serve", Green, "send opens the issues")
	minute := now.Add(-time.Minute)
	if Asleep(minute, never, now, false) || !Asleep(minute, never, now, true) || Asleep(minute, now, now, true) {
		t.Error("with mail that waits a minute is long, unless cron opens issues")
	}
	Wake(never, now.Add(-time.Minute), now).wants(t, "cron", Green, "send opens the issues")
	for days, level := range map[int]Level{90: Green, 20: Green, 13: Amber, 2: Red, -1: Red} {
		Certificate(now.Add(time.Duration(days)*24*time.Hour+time.Minute), now).wants(t, "certificate", level, "valid until")
	}
}
