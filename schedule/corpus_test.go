package schedule

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// corpus reads a table of the tz folder, its header left out.
func corpus(t *testing.T, name string) [][]string {
	t.Helper()
	dir := os.Getenv("BROADSHEET_DATA")
	if dir == "" {
		t.Skip("set BROADSHEET_DATA to the folder with real input")
	}
	f, err := os.Open(filepath.Join(dir, "tz", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("read %s: %d rows: %v", name, len(rows), err)
	}
	return rows[1:]
}

// daily makes the same edition in two shapes: for the place, and for readers there who chose
// that hour.
func daily(t *testing.T, zone, clock string) map[string]*Edition {
	var hour, min int
	if _, err := fmt.Sscanf(clock, "%d:%d", &hour, &min); err != nil {
		t.Fatal(err)
	}
	hours := make([]int, 24)
	for h := range hours {
		hours[h] = h
	}
	return map[string]*Edition{
		"place":  edition(t, fmt.Sprintf("%d %d * * *", min, hour), zone),
		"reader": edition(t, fmt.Sprintf("%d 5 * * *", min), ReaderZone, hours...),
	}
}

// checkDaily compares one date of a daily edition with what a table says.
func checkDaily(t *testing.T, zone, date, clock, due string) {
	loc := load(t, zone)
	var hour int
	fmt.Sscanf(clock, "%d", &hour)
	for shape, e := range daily(t, zone, clock) {
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		if due == "" || due == "-" {
			for _, o := range e.Coming(loc, hour, day.Add(-72*time.Hour), 8) {
				if o.Local == date+" "+clock && o.Reason == "" {
					t.Errorf("%s %s %s %s: got an issue at %s, want none", shape, zone, date, clock, o.Due)
				}
			}
			continue
		}
		want := instant(t, due)
		for what, get := range map[string]func() (Slot, bool){
			"next":     func() (Slot, bool) { return e.Next(loc, hour, want.Add(-1)) },
			"latest":   func() (Slot, bool) { return e.Latest(loc, hour, want) },
			"previous": func() (Slot, bool) { return e.Previous(loc, hour, want.Add(1)) },
		} {
			if s, ok := get(); !ok || !s.Due.Equal(want) || s.Key != date || s.Local != date+" "+clock || s.Hour != hour || s.Zone != zone {
				t.Errorf("%s %s %s %s %s: got %+v, want due %s", shape, what, zone, date, clock, s, due)
			}
		}
	}
}

func TestCorpusDailyCases(t *testing.T) {
	for _, row := range corpus(t, "daily_cases.tsv") {
		checkDaily(t, row[0], row[1], row[2], row[4])
	}
}

func TestCorpusYears(t *testing.T) {
	type year struct{ zone, clock string }
	wants := make(map[year][][]string)
	var order []year
	for _, row := range corpus(t, "editions_by_year.tsv") {
		y := year{row[0], row[2]}
		if wants[y] == nil {
			order = append(order, y)
		}
		wants[y] = append(wants[y], row)
	}
	for _, y := range order {
		rows := wants[y]
		loc := load(t, y.zone)
		first, err := time.Parse(time.DateOnly, rows[0][1])
		if err != nil {
			t.Fatal(err)
		}
		var hour int
		fmt.Sscanf(y.clock, "%d", &hour)
		for shape, e := range daily(t, y.zone, y.clock) {
			var got []Occurrence
			for _, o := range e.Coming(loc, hour, first.Add(-48*time.Hour), len(rows)+5) {
				if o.Local >= rows[0][1] && len(got) < len(rows) {
					got = append(got, o)
				}
			}
			for i, row := range rows {
				o := got[i]
				if row[3] == "date_skipped" {
					if o.Reason == "" || o.Key != row[1] {
						t.Errorf("%s %v: got %+v, want no issue", shape, row, o)
					}
				} else if o.Reason != "" || o.Key != row[1] || !o.Due.Equal(instant(t, row[4])) {
					t.Errorf("%s %v: got %+v", shape, row, o)
				}
			}
		}
	}
}

func TestCorpusTransitions(t *testing.T) {
	for _, row := range corpus(t, "transitions.tsv") {
		loc := load(t, row[0])
		at := instant(t, row[1])
		var before, after int64
		fmt.Sscan(row[2], &before)
		fmt.Sscan(row[3], &after)
		// Every minute from an hour before to an hour after, on both clocks.
		for m := minute((at.Unix()+min(before, after))/60 - 60); m < minute((at.Unix()+max(before, after))/60+60); m++ {
			want, kindWant := int64(m)*60-before, once
			inOld, inNew := want < at.Unix(), int64(m)*60-after >= at.Unix()
			switch {
			case inOld && inNew:
				kindWant = overlap
			case inNew:
				want = int64(m)*60 - after
			case !inOld:
				kindWant = gap
			}
			got, k := resolve(offsets(loc, m, m), m)
			if got.Unix() != want || k != kindWant {
				t.Fatalf("%v at %s: got %s kind %d, want %s kind %d", row, m, got, k, time.Unix(want, 0).UTC(), kindWant)
			}
		}
	}
}

func TestCorpusCron(t *testing.T) {
	for _, row := range corpus(t, "cron_expr_utc.tsv") {
		e := edition(t, row[0], "UTC")
		at := instant(t, row[1])
		for _, want := range strings.Fields(row[2]) {
			s, ok := e.Next(nil, -1, at)
			if got := s.Due.Format("2006-01-02T15:04Z"); !ok || got != want {
				t.Fatalf("%s after %s: got %s, want %s", row[0], at, got, want)
			}
			if back, _ := e.Latest(nil, -1, s.Due.Add(time.Second)); back != s {
				t.Fatalf("%s: latest after %s is %+v", row[0], want, back)
			}
			at = s.Due
		}
	}
}

func TestCorpusZoneLinks(t *testing.T) {
	for _, row := range corpus(t, "zone_links.tsv") {
		target, alias := load(t, row[0]), load(t, row[1])
		for month := range time.Month(12) {
			at := time.Date(2026, month+1, 15, 12, 0, 0, 0, time.UTC)
			_, a := at.In(target).Zone()
			if _, b := at.In(alias).Zone(); a != b {
				t.Errorf("%v: offsets differ at %s", row, at)
			}
		}
	}
}
