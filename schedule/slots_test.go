package schedule

import (
	"testing"
	"time"
)

func edition(t testing.TB, cron, zone string, hours ...int) *Edition {
	t.Helper()
	e, err := NewEdition(Edition{Name: "morning", Cron: cron, Zone: zone, Hours: hours})
	if err != nil {
		t.Fatal(err)
	}
	return &e
}

func load(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := new(Zones).Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestDailyOnTransitions(t *testing.T) {
	for _, c := range []struct{ zone, date, clock, due string }{
		{"America/New_York", "2019-03-10", "02:30", "2019-03-10T07:30:00Z"},
		{"America/New_York", "2019-11-03", "01:30", "2019-11-03T05:30:00Z"},
		{"Europe/London", "2019-03-31", "01:30", "2019-03-31T01:30:00Z"},
		{"Europe/London", "2019-10-27", "01:30", "2019-10-27T00:30:00Z"},
		{"America/Sao_Paulo", "2018-11-04", "00:00", "2018-11-04T03:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04", "00:30", "2018-11-04T03:30:00Z"},
		{"America/Sao_Paulo", "2019-02-16", "23:30", "2019-02-17T01:30:00Z"},
		{"Australia/Lord_Howe", "2019-10-06", "02:15", "2019-10-05T15:45:00Z"},
		{"Antarctica/Troll", "2019-03-31", "01:30", "2019-03-31T01:30:00Z"},
		{"America/Nuuk", "2024-03-30", "23:30", "2024-03-31T01:30:00Z"},
		{"America/St_Johns", "2006-10-29", "00:00", "2006-10-29T02:30:00Z"},
		{"Pacific/Apia", "2011-12-29", "07:00", "2011-12-29T17:00:00Z"},
		{"Pacific/Apia", "2011-12-31", "07:00", "2011-12-30T17:00:00Z"},
		{"Pacific/Kwajalein", "1993-08-22", "07:00", "1993-08-21T19:00:00Z"},
		{"Asia/Dubai", "2026-03-29", "07:00", "2026-03-29T03:00:00Z"},
	} {
		t.Run(c.zone+" "+c.date+" "+c.clock, func(t *testing.T) {
			e := edition(t, c.clock[3:]+" "+c.clock[:2]+" * * *", c.zone)
			due := instant(t, c.due)
			next, ok := e.Next(nil, -1, due.Add(-time.Second))
			if !ok || !next.Due.Equal(due) || next.Local != c.date+" "+c.clock || next.Key != c.date {
				t.Errorf("next: got %+v, want due %s", next, c.due)
			}
			latest, ok := e.Latest(nil, -1, due)
			if !ok || latest != next {
				t.Errorf("latest: got %+v, want %+v", latest, next)
			}
			before, _ := e.Previous(nil, -1, due)
			if before.Key >= c.date || before.Due.After(due.Add(-20*time.Hour)) {
				t.Errorf("previous: got %+v", before)
			}
		})
	}
}
