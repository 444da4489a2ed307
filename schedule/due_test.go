package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func keys(slots []Slot) (list []string) {
	for _, s := range slots {
		list = append(list, s.Key)
	}
	return list
}

func TestDue(t *testing.T) {
	daily := edition(t, "0 7 * * *", "Europe/London")
	prepared := edition(t, "0 7 * * *", "Europe/London")
	prepared.Prepare = 45 * time.Minute
	patient := edition(t, "0 7 * * *", "Europe/London")
	patient.CatchUp = 20 * time.Hour
	weekly := edition(t, "0 7 * * MON", "Europe/London")
	resting, err := NewEdition(Edition{Name: "morning", Cron: "0 7 * * *", Zone: "Europe/London", Skip: []string{"2026-01-10"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		edition *Edition
		now     string
		last    string
		key     string // "" = nothing to open
		missed  []string
	}{
		{"a second before", daily, "2026-01-10T06:59:59Z", "2026-01-09", "", nil},
		{"on the slot", daily, "2026-01-10T07:00:00Z", "2026-01-09", "2026-01-10", nil},
		{"already opened", daily, "2026-01-10T07:00:30Z", "2026-01-10", "", nil},
		{"clock set back a year", daily, "2025-01-10T07:00:30Z", "2026-01-10", "", nil},
		{"never opened, a new edition", daily, "2026-01-10T08:00:00Z", "", "2026-01-10", nil},
		{"never opened, too late", daily, "2026-01-10T14:00:00Z", "", "", []string{"2026-01-10"}},
		{"at the end of catch_up", daily, "2026-01-10T13:00:00Z", "2026-01-09", "2026-01-10", nil},
		{"past catch_up", daily, "2026-01-10T13:00:01Z", "2026-01-09", "", []string{"2026-01-10"}},
		{"down for three days, one issue", daily, "2026-01-10T09:00:00Z", "2026-01-06", "2026-01-10", []string{"2026-01-07", "2026-01-08", "2026-01-09"}},
		{"down for three days, too late", daily, "2026-01-10T23:00:00Z", "2026-01-07", "", []string{"2026-01-08", "2026-01-09", "2026-01-10"}},
		{"patient, the next slot is farther", patient, "2026-01-10T19:00:00Z", "2026-01-09", "2026-01-10", nil},
		{"patient, the next slot is nearer", patient, "2026-01-10T19:00:01Z", "2026-01-09", "", []string{"2026-01-10"}},
		{"prepared", prepared, "2026-01-10T06:15:00Z", "2026-01-09", "2026-01-10", nil},
		{"before prepare", prepared, "2026-01-10T06:14:59Z", "2026-01-09", "", nil},
		{"weekly, 40 h late", weekly, "2026-01-06T23:00:00Z", "2025-12-29", "2026-01-05", nil},
		{"weekly, 43 h late", weekly, "2026-01-07T02:00:00Z", "2025-12-29", "", []string{"2026-01-05"}},
		{"skip date", &resting, "2026-01-10T08:00:00Z", "2026-01-09", "", nil},
		{"after a skip date", &resting, "2026-01-11T07:00:00Z", "2026-01-09", "2026-01-11", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, missed, ok := c.edition.Due(nil, -1, instant(t, c.now), c.last)
			if ok != (c.key != "") || s.Key != c.key || !slices.Equal(keys(missed), c.missed) {
				t.Errorf("got %q %v %v, want %q %v", s.Key, keys(missed), ok, c.key, c.missed)
			}
		})
	}
}

func TestMissedIsBounded(t *testing.T) {
	e := edition(t, "0 7 * * *", "Europe/London")
	if _, missed, ok := e.Due(nil, -1, instant(t, "2026-01-10T07:00:00Z"), "1990-01-01"); !ok || len(missed) != mostMissed || missed[mostMissed-1].Key != "2026-01-09" {
		t.Errorf("got %d missed slots, last %v", len(missed), missed[len(missed)-1])
	}
}

func TestEnds(t *testing.T) {
	daily := edition(t, "0 7 * * *", ReaderZone, 6, 7, 8)
	patient := edition(t, "0 7 * * *", ReaderZone, 6, 7, 8)
	patient.DeliverWithin = 40 * time.Hour
	weekly := edition(t, "0 7 * * MON", "Europe/London")
	often, err := NewEdition(Edition{Name: "often", Cron: "0 * * * *", Zone: "Europe/London", MinGap: time.Minute, DeliverWithin: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	london := load(t, "Europe/London")
	for _, c := range []struct {
		name                 string
		edition              *Edition
		after, opened, wants string
	}{
		{"daily, prepared", daily, "2026-01-10T00:00:00Z", "2026-01-10T05:30:00Z", "2026-01-10T12:00:00Z"},
		{"daily, caught up", daily, "2026-01-10T00:00:00Z", "2026-01-10T09:00:00Z", "2026-01-10T15:00:00Z"},
		{"an hour before the next", patient, "2026-01-10T00:00:00Z", "2026-01-10T06:00:00Z", "2026-01-11T05:00:00Z"},
		{"the next is an hour earlier for summer time", patient, "2026-03-28T00:00:00Z", "2026-03-28T06:00:00Z", "2026-03-29T04:00:00Z"},
		{"weekly", weekly, "2026-01-05T00:00:00Z", "2026-01-05T07:00:00Z", "2026-01-06T19:00:00Z"},
		{"a quarter of an hour before the next", &often, "2026-01-10T06:30:00Z", "2026-01-10T07:00:00Z", "2026-01-10T07:45:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := c.edition.Next(london, 6, instant(t, c.after))
			if got := c.edition.Ends(s, instant(t, c.opened)); !got.Equal(instant(t, c.wants)) {
				t.Errorf("slot %s: got %s, want %s", s.Local, got.Format(time.RFC3339), c.wants)
			}
		})
	}
}

func TestReaderHour(t *testing.T) {
	reader := edition(t, "30 7 * * *", ReaderZone, 6, 8, 18)
	for hour, want := range map[int]int{-1: 8, 0: 6, 6: 6, 7: 8, 8: 8, 12: 8, 13: 18, 23: 18} {
		if got := reader.ReaderHour(hour); got != want {
			t.Errorf("hour %d: got %d, want %d", hour, got, want)
		}
	}
	if s, _ := reader.Next(load(t, "Asia/Dubai"), 7, instant(t, "2026-01-10T00:00:00Z")); s.Local != "2026-01-10 08:30" {
		t.Errorf("a reader of 7 is served at %s", s.Local)
	}
	if got := edition(t, "30 7 * * *", "Asia/Dubai").ReaderHour(9); got != 7 {
		t.Errorf("a place: got %d", got)
	}
	if got := edition(t, "30 7,19 * * *", ReaderZone).ReaderHour(9); got != -1 {
		t.Errorf("twice a day: got %d", got)
	}
}

func TestReachBack(t *testing.T) {
	dubai := load(t, "Asia/Dubai")
	day := func(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
	for _, c := range []struct {
		name, cron string
		days       []int
		want       time.Duration
	}{
		{"daily", "0 7 * * *", nil, 74 * time.Hour},
		{"weekdays, on a Monday", "0 7 * * MON-FRI", nil, day(4) + 26*time.Hour},
		{"daily to a reader of Mondays and Thursdays", "0 7 * * *", []int{1, 4}, day(7) + 26*time.Hour},
		{"weekly", "0 7 * * MON", nil, day(14) + 26*time.Hour},
		{"days that the cron never has", "0 7 * * MON", []int{2}, day(14) + 26*time.Hour},
		{"Sundays", "0 7 * * *", []int{7}, day(8) + 26*time.Hour},
	} {
		e := edition(t, c.cron, ReaderZone)
		s, _ := e.Next(dubai, -1, instant(t, "2026-01-11T12:00:00Z")) // Monday 2026-01-12
		if got := e.ReachBack(dubai, -1, c.days, s); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	e := edition(t, "0 7 * * *", ReaderZone)
	from, _ := e.Next(dubai, -1, instant(t, "2026-01-11T12:00:00Z"))
	if s, ok := e.SlotsBack(dubai, -1, []int{5}, from, 2); !ok || s.Key != "2026-01-02" {
		t.Errorf("the second Friday back: got %+v", s)
	}
}

func TestComing(t *testing.T) {
	e, err := NewEdition(Edition{Name: "morning", Cron: "0 7 * * *", Zone: "Pacific/Apia", Skip: []string{"2011-12-29"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range e.Coming(nil, -1, instant(t, "2011-12-28T17:00:00Z"), 4) {
		got = append(got, strings.Join([]string{o.Local, o.Due.Format(time.RFC3339), o.Reason}, " "))
	}
	want := []string{
		"2011-12-28 07:00 2011-12-28T17:00:00Z ",
		"2011-12-29 07:00 0001-01-01T00:00:00Z skip date of the edition",
		"2011-12-30 07:00 0001-01-01T00:00:00Z Pacific/Apia skipped this date",
		"2011-12-31 07:00 2011-12-30T17:00:00Z ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if list := edition(t, "0 7 31 * *", "UTC").Coming(nil, -1, instant(t, "2026-01-01T00:00:00Z"), 3); len(list) != 3 || list[1].Local != "2026-03-31 07:00" {
		t.Errorf("months without a 31st: got %+v", list)
	}
}

// TestGapKeepsOne: a slot that a gap moves onto the next one is not a second mail.
func TestGapKeepsOne(t *testing.T) {
	e := edition(t, "0,30 * * * *", "America/New_York")
	var got []string
	for _, o := range e.Coming(nil, -1, instant(t, "2019-03-10T06:30:00Z"), 4) {
		got = append(got, o.Local[11:])
	}
	if want := []string{"01:30", "03:00", "03:30", "04:00"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestQuietUntil(t *testing.T) {
	e := &Edition{Quiet: []Quiet{{22 * 60, 6 * 60}, {6 * 60, 6*60 + 30}, {60, 90}}}
	for _, c := range []struct{ zone, at, until string }{
		{"Europe/London", "2026-01-10T21:59:59Z", ""},
		{"Europe/London", "2026-01-10T22:00:00Z", "2026-01-11T06:30:00Z"},
		{"Europe/London", "2026-01-11T05:59:59Z", "2026-01-11T06:30:00Z"},
		{"Europe/London", "2026-01-11T06:30:00Z", ""},
		{"Europe/London", "2026-03-28T23:00:00Z", "2026-03-29T05:30:00Z"},
		{"Asia/Dubai", "2026-01-10T18:00:00Z", "2026-01-11T02:30:00Z"},
	} {
		at := instant(t, c.at)
		until, quiet := e.QuietUntil(at, load(t, c.zone))
		if quiet != (c.until != "") || quiet && !until.Equal(instant(t, c.until)) {
			t.Errorf("%s %s: got %s %v, want %s", c.zone, c.at, until, quiet, c.until)
		}
	}
	// 01:00-01:30 comes twice on this night; from the second pass on, the second end counts.
	short := &Edition{Quiet: []Quiet{{60, 90}}}
	if until, quiet := short.QuietUntil(instant(t, "2026-10-25T01:10:00Z"), load(t, "Europe/London")); !quiet || !until.Equal(instant(t, "2026-10-25T01:30:00Z")) {
		t.Errorf("second pass: got %s %v", until, quiet)
	}
}

func TestZones(t *testing.T) {
	var zones Zones
	for _, name := range []string{"", "Local", " UTC", "Asia/Dubay", "posix/Asia/Dubai", "right/UTC", "../UTC", "/etc/localtime", strings.Repeat("x", 1000)} {
		if _, err := zones.Load(name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	a, _ := zones.Load("Asia/Calcutta")
	b, err := zones.Load("Asia/Calcutta")
	if err != nil || a != b {
		t.Errorf("not kept: %v", err)
	}
}

// TestUnread: an edition that was not made ready says no, and does not panic.
func TestUnread(t *testing.T) {
	var e Edition
	now := time.Now()
	_, next := e.Next(time.UTC, 7, now)
	_, latest := e.Latest(time.UTC, 7, now)
	_, _, due := e.Due(time.UTC, 7, now, "")
	if next || latest || due || e.Coming(time.UTC, 7, now, 3) != nil || e.DailyAtMost() || !e.Ends(Slot{Due: now}, now).Equal(now) {
		t.Error("an edition without a rule fired")
	}
	if _, ok := edition(t, "0 7 * * *", ReaderZone).Next(nil, 7, now); ok {
		t.Error("readers without a zone have a slot")
	}
}
