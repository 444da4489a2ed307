package digest

import (
	"context"
	"testing"
	"time"

	"broadsheet/schedule"

	"github.com/google/go-cmp/cmp"
)

func mustEdition(t *testing.T, cron, zone string, hours ...int) *schedule.Edition {
	t.Helper()
	e, err := schedule.NewEdition(schedule.Edition{Name: "morning", Cron: cron, Zone: zone, Hours: hours})
	if err != nil {
		t.Fatal(err)
	}
	return &e
}

// diary holds what a test says was opened.
type diary struct {
	wishes []Place
	last   map[Place]Issue
}

func (d diary) Places(context.Context, string) ([]Place, error) { return d.wishes, nil }
func (d diary) LastIssue(_ context.Context, _, zone string, hour int) (Issue, bool, error) {
	i, ok := d.last[Place{zone, hour}]
	return i, ok, nil
}

func TestDue(t *testing.T) {
	instant := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	config := testConfig("a")
	config.Publication.Cities = []schedule.City{{Name: "Dubai", Zone: "Asia/Dubai"}}
	prepared := mustEdition(t, "30 7 * * *", "Europe/London")
	prepared.Prepare = 45 * time.Minute
	readers := mustEdition(t, "30 7 * * *", schedule.ReaderZone, 6, 7, 9)
	wishes := []Place{{"", -1}, {"Asia/Dubai", 7}, {"Asia/Dubai", 6}, {"Europe/London", 8}, {"Europe/London", 12}, {"America/New_York", -1}, {"Sea/Nowhere", -1}}
	type due struct {
		Slot, Zone string
		Hour       int
		State      string
		Zones      []string
		Hours      []int
		Weekday    int
		Missed     int
	}
	nine := []int{8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}
	tests := []struct {
		name    string
		edition *schedule.Edition
		diary   diary
		now     string
		want    []due
	}{
		{"a place", mustEdition(t, "30 7 * * *", "Europe/London"), diary{}, "2026-03-02T08:00:00Z",
			[]due{{Slot: "2026-03-02", Zone: "Europe/London", Hour: 7, Weekday: 1}}},
		{"opened", mustEdition(t, "30 7 * * *", "Europe/London"),
			diary{last: map[Place]Issue{{"Europe/London", -1}: {Slot: "2026-03-02", State: Open}}}, "2026-03-02T08:00:00Z", nil},
		{"half open", mustEdition(t, "30 7 * * *", "Europe/London"),
			diary{last: map[Place]Issue{{"Europe/London", -1}: {Slot: "2026-03-01", Zone: "Europe/London", Local: "2026-03-01 07:30", State: Opening}}}, "2026-03-02T08:00:00Z",
			[]due{{Slot: "2026-03-01", Zone: "Europe/London", State: Opening, Weekday: 7}, {Slot: "2026-03-02", Zone: "Europe/London", Hour: 7, Weekday: 1}}},
		{"not yet prepared", prepared, diary{last: map[Place]Issue{{"Europe/London", -1}: {Slot: "2026-03-01", State: Open}}}, "2026-03-02T06:44:00Z", nil},
		{"prepared", prepared, diary{last: map[Place]Issue{{"Europe/London", -1}: {Slot: "2026-03-01", State: Open}}}, "2026-03-02T06:45:00Z",
			[]due{{Slot: "2026-03-02", Zone: "Europe/London", Hour: 7, Weekday: 1}}},
		{"after days of standstill", mustEdition(t, "30 7 * * *", "Europe/London"),
			diary{last: map[Place]Issue{{"Europe/London", -1}: {Slot: "2026-02-26", State: Open}}}, "2026-03-02T09:00:00Z",
			[]due{{Slot: "2026-03-02", Zone: "Europe/London", Hour: 7, Weekday: 1, Missed: 3}}},
		{"too late for today", mustEdition(t, "30 7 * * *", "Europe/London"), diary{}, "2026-03-02T20:00:00Z", nil},
		{"readers' zones and hours", readers, diary{wishes: wishes}, "2026-03-02T05:31:00Z",
			[]due{
				{Slot: "2026-03-02", Zone: "Asia/Dubai", Hour: 6, Zones: []string{"Asia/Dubai"}, Hours: []int{0, 1, 2, 3, 4, 5, 6}, Weekday: 1},
				{Slot: "2026-03-02", Zone: "Asia/Dubai", Hour: 7, Zones: []string{"", "Asia/Dubai", "Sea/Nowhere"}, Hours: []int{-1, 7}, Weekday: 1},
			}},
		{"hours to the nearest, the later of two", readers, diary{wishes: wishes}, "2026-03-02T12:31:00Z",
			[]due{
				{Slot: "2026-03-02", Zone: "Europe/London", Hour: 9, Zones: []string{"Europe/London"}, Hours: nine, Weekday: 1},
				{Slot: "2026-03-02", Zone: "America/New_York", Hour: 7, Zones: []string{"America/New_York"}, Hours: []int{-1, 7}, Weekday: 1},
			}},
		{"no readers", readers, diary{}, "2026-03-02T05:31:00Z", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &Finder{Diary: tt.diary, Config: config}
			found, err := f.Due(t.Context(), tt.edition, instant(tt.now))
			if err != nil {
				t.Fatal(err)
			}
			var got []due
			for _, d := range found {
				i, a := d.Issue, d.Audience
				got = append(got, due{i.Slot, i.Zone, i.Hour, i.State, a.Zones, a.Hours, a.Weekday, len(d.Missed)})
				if i.State == "" && (!i.Next.After(i.Due) || !i.Ends.Before(i.Next)) {
					t.Errorf("due %v, ends %v, next %v", i.Due, i.Ends, i.Next)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
