package digest_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
)

const manyReaders = 100_000

// assign gives one mail of a day to every reader and returns who went where.
func assign(t *testing.T, relays []schedule.Relay, address func(id int64) string) map[int64]string {
	t.Helper()
	day := digest.NewRoutes(relays).Day(20_000, nil)
	out := make(map[int64]string, manyReaders)
	for id := int64(1); id <= manyReaders; id++ {
		relay, ok := day.Assign(id, address(id))
		if !ok {
			t.Fatalf("no relay takes %s", address(id))
		}
		out[id] = relay
	}
	return out
}

func anybody(id int64) string { return fmt.Sprintf("reader%d@reader.example", id) }

func shares(where map[int64]string) map[string]int {
	n := map[string]int{}
	for _, relay := range where {
		n[relay]++
	}
	return n
}

// TestShares: readers lie on relays by weight, and a relay that comes or goes moves no other's.
func TestShares(t *testing.T) {
	relays := []schedule.Relay{{Name: "main", Weight: 1}, {Name: "eu", Weight: 3}, {Name: "us", Weight: 6}}
	before := assign(t, relays, anybody)
	for _, y := range relays {
		want := float64(y.Weight) / 10 * manyReaders
		if got := float64(shares(before)[y.Name]); math.Abs(got/want-1) > 0.03 {
			t.Errorf("%s has %v readers, not about %v", y.Name, got, want)
		}
	}
	if again := assign(t, []schedule.Relay{relays[2], relays[0], relays[1]}, anybody); !maps.Equal(before, again) {
		t.Error("readers moved when relays changed places")
	}
	after := assign(t, append(relays, schedule.Relay{Name: "new", Weight: 10}), anybody)
	if got := shares(after)["new"]; math.Abs(float64(got)/manyReaders-0.5) > 0.02 {
		t.Errorf("the new relay has %d readers, not about half", got)
	}
	heavier := assign(t, []schedule.Relay{relays[0], {Name: "eu", Weight: 30}, relays[2]}, anybody)
	for id := range before {
		if after[id] != before[id] && after[id] != "new" {
			t.Fatalf("reader %d moved from %s to %s when a third came", id, before[id], after[id])
		}
		if heavier[id] != before[id] && heavier[id] != "eu" {
			t.Fatalf("reader %d moved from %s to %s when eu got more weight", id, before[id], heavier[id])
		}
	}
}

func TestDomainsOfRelays(t *testing.T) {
	relays := []schedule.Relay{
		{Name: "main", Weight: 1}, {Name: "bank", Weight: 1, Domains: []string{"bank.example", "xn--bnk-qla.example"}},
		{Name: "spare", Weight: 100, Standby: true}, {Name: "vault", Weight: 1, Standby: true, Domains: []string{"vault.example"}}}
	day := digest.NewRoutes(relays).Day(20_000, nil)
	for address, want := range map[string]string{"a@bank.example": "bank", "a@BANK.example": "bank", "a@bänk.example": "bank",
		"a@branch.bank.example": "main", "a@xbank.example": "main", "a@vault.example": "main"} {
		for id := range int64(100) {
			if got, ok := day.Assign(id, address); got != want || !ok {
				t.Fatalf("%s goes to %q, not %s", address, got, want)
			}
		}
	}
	day = digest.NewRoutes(relays[1:2]).Day(20_000, nil)
	if relay, ok := day.Assign(1, "a@reader.example"); ok {
		t.Errorf("%s takes what it does not take", relay)
	}
	// Where a standby is all there is, it is better than nothing.
	day = digest.NewRoutes(relays[1:3]).Day(20_000, nil)
	if relay, _ := day.Assign(1, "a@reader.example"); relay != "spare" {
		t.Errorf("got %q", relay)
	}
}

// TestWarmUp: a cap is kept whatever comes, over chunks and issues; the rest goes to those that
// are warm, nobody moves off a relay while its cap grows, and at last it has its share.
func TestWarmUp(t *testing.T) {
	from := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	relays := []schedule.Relay{{Name: "old", Weight: 1}, {Name: "spare", Weight: 1, Standby: true},
		{Name: "new", Weight: 1, WarmUp: schedule.WarmUp{From: from, First: 100, Growth: 2}},
		{Name: "newer", Weight: 1, WarmUp: schedule.WarmUp{From: from.AddDate(0, 0, 2), First: 50, Growth: 1.5}}}
	routes := digest.NewRoutes(relays)
	const readers = 5000
	var yesterday map[int64]bool
	for n := range 12 {
		at := from.AddDate(0, 0, n-1)
		assigned := map[string]int{}
		today := map[int64]bool{}
		for first := int64(1); first <= readers; first += 500 { // chunks, as the ledger has them
			day := routes.Day(digest.UTCDay(at), assigned)
			for id := first; id < first+500; id++ {
				relay, ok := day.Assign(id, anybody(id))
				if !ok {
					t.Fatal("no relay")
				}
				assigned[relay]++
				today[id] = today[id] || relay == "new"
			}
		}
		if assigned["spare"] > 0 {
			t.Fatalf("%s: the standby got %d", at, assigned["spare"])
		}
		for _, y := range relays[2:] {
			if most := y.WarmUp.Cap(at); assigned[y.Name] > most || most < 1000 && assigned[y.Name] < most {
				t.Errorf("%s: %s got %d of %d", at, y.Name, assigned[y.Name], most)
			}
		}
		for id := range yesterday {
			if yesterday[id] && !today[id] {
				t.Fatalf("%s: reader %d left the new relay again", at, id)
			}
		}
		yesterday = today
		if n == 11 && math.Abs(float64(assigned["new"])/readers-1.0/3) > 0.03 {
			t.Errorf("at last new has %d", assigned["new"])
		}
	}
	// What is over goes to a standby if it is all there is, and nowhere else.
	day := digest.NewRoutes(relays[1:3]).Day(digest.UTCDay(from), map[string]int{"new": 99})
	for id, want := range []string{"new", "spare", "spare"} {
		if relay, _ := day.Assign(int64(id), "a@reader.example"); relay != want {
			t.Errorf("mail %d goes to %s, not %s", id, relay, want)
		}
	}
	day = digest.NewRoutes(relays[2:3]).Day(digest.UTCDay(from), map[string]int{"new": 100})
	if relay, ok := day.Assign(1, "a@reader.example"); relay != "new" || !ok {
		t.Errorf("a relay alone: %q, %v", relay, ok)
	}
}

// TestAnyRoutes: whatever the relays are, one is named that takes the domain if there is any, and
// a cap is kept if there is an established one beside.
func TestAnyRoutes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 1))
	now := time.Date(2026, 12, 3, 0, 0, 0, 0, time.UTC)
	for range 2000 {
		var relays []schedule.Relay
		for n := range 1 + rnd.IntN(5) {
			y := schedule.Relay{Name: fmt.Sprint("relay", n), Weight: 1 + rnd.IntN(5), Standby: rnd.IntN(4) == 0}
			if rnd.IntN(3) == 0 {
				y.Domains = []string{"one.example", "two.example"}[:1+rnd.IntN(2)]
			}
			if rnd.IntN(3) == 0 && !y.Standby {
				y.WarmUp = schedule.WarmUp{From: now.AddDate(0, 0, rnd.IntN(3)-1), First: 1 + rnd.IntN(5), Growth: 2}
			}
			relays = append(relays, y)
		}
		day := digest.NewRoutes(relays).Day(digest.UTCDay(now), nil)
		got := map[string]int{}
		for id := range int64(30) {
			domain := []string{"one.example", "two.example", "three.example"}[rnd.IntN(3)]
			reader := schedule.Relay{Domains: []string{domain}}
			any, warm := false, false
			for _, y := range relays {
				if y.Covers(reader) {
					any, warm = true, warm || y.WarmUp.From.IsZero()
				}
			}
			relay, ok := day.Assign(id, "a@"+domain)
			if ok != any {
				t.Fatalf("%+v: %s: %q, %v", relays, domain, relay, ok)
			}
			for _, y := range relays {
				if y.Name != relay {
					continue
				}
				got[relay]++
				if !y.Covers(reader) || warm && got[relay] > y.WarmUp.Cap(now) {
					t.Fatalf("%+v: %s: %s is wrong, it has %d", relays, domain, relay, got[relay])
				}
			}
		}
	}
}
