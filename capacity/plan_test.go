package capacity

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"broadsheet/schedule"
)

type edition = schedule.Edition

// TestDeal wants nothing to be lost or made, and nobody to be off by a whole thing.
func TestDeal(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 3))
	for range 500 {
		n := rnd.Int64N(10_000_000_000)
		weights := make([]int64, 1+rnd.IntN(100))
		total := 0.0
		for k := range weights {
			weights[k] = rnd.Int64N(mostWeight + 1)
			total += float64(weights[k])
		}
		sum := int64(0)
		for k, got := range deal(n, weights) {
			sum += got
			if exact := float64(n) * float64(weights[k]) / total; float64(got) < exact-1.01 || float64(got) > exact+1.01 || weights[k] == 0 && got > 0 {
				t.Fatalf("%d of %d for %d of %.0f", got, n, weights[k], total)
			}
		}
		if sum != n {
			t.Fatalf("%d of %d", sum, n)
		}
	}
	if got := deal(5, []int64{0, 0}); got[0]+got[1] != 0 {
		t.Errorf("%v without weights", got)
	}
}

// TestShare wants a share of portions to be that of the whole.
func TestShare(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 4))
	for range 200 {
		s := share{part: rnd.Int64N(Million + 1), of: Million}
		var whole, taken int64
		for range 50 {
			n := rnd.Int64N(100_000)
			k := s.take(n)
			if whole, taken = whole+n, taken+k; k < 0 || k > n || taken != whole*s.part/Million {
				t.Fatalf("%d of %d (%d of %d in all) for a share of %d", k, n, taken, whole, s.part)
			}
		}
	}
}

// TestWorld wants every zone to be known, the offsets that are no whole hour among them, and the
// world's people to be as many as is generally said.
func TestWorld(t *testing.T) {
	var known schedule.Zones
	offsets := map[int]bool{}
	total := int64(0)
	seen := map[string]bool{}
	for _, z := range World() {
		loc, err := known.Load(z.Name)
		if err != nil || z.Weight <= 0 || seen[z.Name] {
			t.Fatalf("%+v: %v", z, err)
		}
		seen[z.Name] = true
		_, offset := date("2026-01-15").In(loc).Zone()
		offsets[offset/60] = true
		total += z.Weight
	}
	for hour := -11; hour <= 14; hour++ {
		if !offsets[hour*60] {
			t.Errorf("nobody at UTC%+d in January", hour)
		}
	}
	for _, minutes := range []int{-9*60 - 30, -3*60 - 30, 3*60 + 30, 4*60 + 30, 5*60 + 30, 5*60 + 45, 6*60 + 30, 8*60 + 45, 9*60 + 30, 10*60 + 30, 11 * 60, 13*60 + 45} {
		if !offsets[minutes] {
			t.Errorf("nobody at %+d minutes from UTC in January", minutes)
		}
	}
	if total < 7_800_000 || total > 8_400_000 {
		t.Errorf("%d thousand people", total)
	}
	for _, h := range []Hours{Morning(), Seven(), Even()} {
		sum := int64(0)
		for _, n := range h {
			sum += n
		}
		if sum != 100 && sum != 1 && sum != 24 {
			t.Errorf("%v", h)
		}
	}
}

// TestSlots wants each slot at its hour on the date, daylight saving or not, and none where the
// calendar skips the date.
func TestSlots(t *testing.T) {
	e := daily(t, 0, 0, time.Hour)
	for _, c := range []struct{ zone, date, hour, want string }{
		{"Europe/London", "2026-01-15", "7", "2026-01-15T07:00:00Z"},
		{"Europe/London", "2026-07-15", "7", "2026-07-15T06:00:00Z"},
		{"Asia/Kathmandu", "2026-07-15", "7", "2026-07-15T01:15:00Z"},
		{"Pacific/Kiritimati", "2026-07-15", "0", "2026-07-14T10:00:00Z"},
		{"Pacific/Pago_Pago", "2026-07-15", "23", "2026-07-16T10:00:00Z"},
		{"Europe/Berlin", "2026-03-29", "2", "2026-03-29T01:00:00Z"}, // moved by the gap to 03:00
		{"Europe/Berlin", "2026-10-25", "2", "2026-10-25T00:00:00Z"}, // the first of two
		{"Pacific/Apia", "2011-12-30", "7", "none"},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		hour, err := time.Parse("15", c.hour)
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if s, ok := slotOf(e, loc, hour.Hour(), date(c.date)); ok {
			got = s.Due.Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s %s %s: %s, not %s", c.zone, c.date, c.hour, got, c.want)
		}
	}
	p := small(t)
	p.Zones, p.Date, p.Days = []Zone{{"Pacific/Apia", 1}}, date("2011-12-30"), 2
	if s, _ := replayed(t, p); s.Without != p.Readers || s.Due != p.Readers {
		t.Errorf("%+v", s)
	}
}

func TestParse(t *testing.T) {
	if got, err := ParseZones("Europe/London=60, Asia/Dubai"); err != nil || len(got) != 2 || got[0] != (Zone{"Europe/London", 60}) || got[1] != (Zone{"Asia/Dubai", 1}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseHours("6=1,7=3"); err != nil || got != (Hours{6: 1, 7: 3}) {
		t.Errorf("%v, %v", got, err)
	}
	for text, want := range map[string]string{"": "time zone", "Mars/Base": "time zone", "UTC,UTC": "twice", "UTC=0": "weight", "UTC=x": "weight", "UTC=1000000001": "weight", "Local": "time zone"} {
		if _, err := ParseZones(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("zones %q: %v", text, err)
		}
	}
	for text, want := range map[string]string{"": "no hour", "24": "no hour", "-1": "no hour", "7,7": "twice", "7=-1": "weight", "noon": "no hour"} {
		if _, err := ParseHours(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("hours %q: %v", text, err)
		}
	}
}
