package schedule

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// forty zones: with and without clock changes, whole and odd offsets, both hemispheres, and
// all that ever jump at midnight, by half an hour or by two.
var forty = strings.Fields(`
	Africa/Cairo Africa/Casablanca Africa/Johannesburg Africa/Lagos America/Anchorage
	America/Bogota America/Chicago America/Denver America/Halifax America/Havana
	America/Los_Angeles America/Mexico_City America/New_York America/Nuuk America/Santiago
	America/Sao_Paulo America/St_Johns Antarctica/Troll Asia/Beirut Asia/Dubai
	Asia/Gaza Asia/Jerusalem Asia/Kathmandu Asia/Kolkata Asia/Riyadh
	Asia/Shanghai Asia/Tehran Asia/Tokyo Atlantic/Azores Australia/Adelaide
	Australia/Lord_Howe Australia/Sydney Europe/Dublin Europe/London Europe/Paris
	Pacific/Apia Pacific/Auckland Pacific/Chatham Pacific/Easter Pacific/Kiritimati`)

// localDates counts the dates that the zone's calendar shows noon or any other time of.
func localDates(loc *time.Location, from, to time.Time) int {
	seen := make(map[string]bool)
	for t := from; t.Before(to); t = t.Add(15 * time.Minute) {
		seen[t.In(loc).Format(time.DateOnly)] = true
	}
	return len(seen)
}

// TestTwoYears lets a scheduler run for two years in each zone: it wakes at most 30 s after a
// slot, sleeps through some for up to catch_up, finds its clock set back at times, and still
// opens one issue on each local date and none twice.
func TestTwoYears(t *testing.T) {
	for i, name := range forty {
		for _, span := range [][2]string{{"2018-06-01", "2020-06-01"}, {"2011-02-01", "2013-02-01"}} {
			t.Run(name+" "+span[0], func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(i), 4))
				loc := load(t, name)
				hour, min := random.IntN(24), random.IntN(60)
				if i%2 == 0 {
					hour = random.IntN(4)
				}
				e := edition(t, fmt.Sprintf("%d 7 * * *", min), ReaderZone, hour)
				from, _ := parseDate(span[0])
				to, _ := parseDate(span[1])
				begin, _ := resolve(offsets(loc, from.at(0), from.at(0)), from.at(0))
				end, _ := resolve(offsets(loc, to.at(0), to.at(0)), to.at(0))

				before, _ := e.Previous(loc, hour, begin)
				opened, last := map[string]bool{}, before.Key
				lastDue, lastAt := before.Due, before.Due
				for now := begin; ; {
					s, missed, ok := e.Due(loc, hour, now, last)
					if ok {
						if opened[s.Key] || len(missed) > 0 {
							t.Fatalf("at %s: opened %+v again or missed %v", now, s, missed)
						}
						if s.Due.Sub(lastDue) < e.MinGap || now.Sub(lastAt) < e.MinGap {
							t.Fatalf("%+v at %s: too near to %s", s, now, lastAt)
						}
						opened[s.Key], last, lastDue, lastAt = true, s.Key, s.Due, now
					}
					if random.IntN(8) == 0 { // the clock is set back for a moment
						if s, _, ok := e.Due(loc, hour, now.Add(-time.Duration(random.Int64N(int64(72*time.Hour)))), last); ok {
							t.Fatalf("at %s: %+v opened by a clock set back", now, s)
						}
					}
					next, found := e.Next(loc, hour, now)
					if !found || !next.Due.Before(end) {
						break
					}
					now = next.Due.Add(time.Duration(random.Int64N(int64(30 * time.Second))))
					if random.IntN(10) == 0 {
						now = next.Due.Add(time.Duration(random.Int64N(int64(e.CatchUp))))
					}
				}
				if want := localDates(loc, begin, end); len(opened) != want {
					t.Errorf("%d issues on %d local dates at %02d:%02d", len(opened), want, hour, min)
				}
			})
		}
	}
}

// TestDense walks editions that fire often: never two slots nearer than min_gap unless the
// clocks changed between them, no instant twice, and back leads where forth came from.
func TestDense(t *testing.T) {
	for _, expr := range []string{"0 */3 * * *", "30 0,6,12,18 * * *", "0 8-20/4 * * MON-FRI", "15 1,22 * * *"} {
		for _, name := range forty {
			e := edition(t, expr, name)
			at := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
			s, _ := e.Next(nil, -1, at)
			for s.Due.Year() < 2020 {
				next, ok := e.Next(nil, -1, s.Due)
				if !ok || !next.Due.After(s.Due) {
					t.Fatalf("%s %s: after %+v came %+v", expr, name, s, next)
				}
				_, a := s.Due.In(e.rule.place).Zone()
				_, b := next.Due.In(e.rule.place).Zone()
				if gap := next.Due.Sub(s.Due); gap < e.MinGap && a == b && wallOf(next.Due, e.rule.place).String() == next.Local && wallOf(s.Due, e.rule.place).String() == s.Local {
					t.Fatalf("%s %s: %+v and %+v are %s apart", expr, name, s, next, gap)
				}
				if back, _ := e.Previous(nil, -1, next.Due); back != s {
					t.Fatalf("%s %s: before %+v is %+v, want %+v", expr, name, next, back, s)
				}
				s = next
			}
		}
	}
}

// randomCron makes an expression that both our reader and robfig's understand.
func randomCron(r *rand.Rand) string {
	field := func(low, high int) string {
		a, b := low+r.IntN(high-low+1), low+r.IntN(high-low+1)
		switch r.IntN(6) {
		case 0, 1:
			return "*"
		case 2:
			return fmt.Sprintf("*/%d", 1+r.IntN(high-low))
		case 3:
			return fmt.Sprintf("%d-%d/%d", min(a, b), max(a, b), 1+r.IntN(3))
		case 4:
			return fmt.Sprintf("%d,%d", a, b)
		}
		return fmt.Sprint(a)
	}
	return strings.Join([]string{field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)}, " ")
}

// TestLikeRobfig compares our walk with robfig's own where that is right: on a clock without
// gaps and overlaps.
func TestLikeRobfig(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	fired := 0
	for range 3000 {
		expr := randomCron(r)
		e, err := NewEdition(Edition{Cron: expr, Zone: "UTC"})
		theirs, errTheirs := cronParser.Parse(expr)
		if errTheirs != nil {
			t.Fatalf("%s: %v", expr, errTheirs)
		}
		at := time.Date(1995+r.IntN(40), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
		if err != nil {
			if next := theirs.Next(at); !next.IsZero() {
				t.Fatalf("%s: refused (%v), but fires at %s", expr, err, next)
			}
			continue
		}
		for range 5 {
			want := theirs.Next(at)
			s, ok := e.Next(nil, -1, at)
			if want.IsZero() { // they look five years ahead
				break
			}
			if !ok || !s.Due.Equal(want) {
				t.Fatalf("%s after %s: got %s, want %s", expr, at, s.Due, want)
			}
			fired++
			at = want
		}
	}
	if fired < 10000 {
		t.Errorf("only %d slots compared", fired)
	}
}

func TestCronForms(t *testing.T) {
	for expr, want := range map[string]string{
		"0 7 * * 7":         "0 7 * * 0",
		"0 7 * * FRI-MON":   "0 7 * * 0,1,5,6",
		"0 7 * * 5-1":       "0 7 * * 0,1,5,6",
		"0 7 * * 5-7":       "0 7 * * 0,5,6",
		"0 7 * * sat,SUN":   "0 7 * * 0,6",
		"0 7 * * MON-SUN":   "0 7 * * 0-6",
		"0 7 * * 0-7":       "0 7 * * 0-6",
		"0 7 * * 1-7/2":     "0 7 * * 0,1,3,5",
		"0 7 * JAN-MAR ?":   "0 7 * 1-3 *",
		" 0  7\t* * * ":     "0 7 * * *",
		"@daily":            "0 0 * * *",
		"@weekly":           "0 0 * * 0",
		"5/20 7 * * *":      "5,25,45 7 * * *",
		"0 7 */2 * 1":       "0 7 1-31/2 * 1",
		"0 7 * * FRI-MON/2": "0 7 * * 5,0",
	} {
		a, b := edition(t, expr, "UTC"), edition(t, want, "UTC")
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 60 {
			x, _ := a.Next(nil, -1, at)
			y, _ := b.Next(nil, -1, at)
			if x != y {
				t.Fatalf("%q after %s: got %s, want %s as %q has it", expr, at, x.Local, y.Local, want)
			}
			at = x.Due
		}
	}
}

func BenchmarkLatest(b *testing.B) {
	for _, c := range []struct{ name, cron, zone string }{
		{"daily", "0 7 * * *", "America/New_York"},
		{"daily in Dubai", "0 7 * * *", "Asia/Dubai"},
		{"weekly", "0 7 * * MON", "America/New_York"},
		{"29 February", "0 7 29 2 *", "America/New_York"},
		{"5 minutes", "*/5 * * * *", "America/New_York"},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := edition(b, c.cron, ReaderZone)
			loc := load(b, c.zone)
			now := time.Date(2027, 3, 3, 9, 0, 0, 0, time.UTC)
			for b.Loop() {
				if _, ok := e.Latest(loc, 7, now); !ok {
					b.Fatal("none")
				}
			}
		})
	}
}

func BenchmarkDue(b *testing.B) {
	e := edition(b, "0 7 * * *", ReaderZone, 6, 7, 8)
	loc := load(b, "America/New_York")
	now := time.Date(2027, 3, 3, 9, 0, 0, 0, time.UTC)
	for b.Loop() {
		e.Due(loc, 7, now, "2027-03-02")
	}
}
