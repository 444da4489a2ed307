package schedule

import (
	"strings"
	"testing"
)

func TestTripwires(t *testing.T) {
	some := UsualTripwires
	some.Readers, some.Links = 0.25, 1
	for given, want := range map[string]Tripwires{"": UsualTripwires, "tripwires: off": NoTripwires, "tripwires: {readers: 25%, links: off}": some} {
		c := readConfig(t, strings.Replace(least, `name: morning, cron: "0 7 * * *"`, `name: morning, cron: "0 7 * * *", `+given, 1))
		if got := c.Editions[0].Tripwires; got != want {
			t.Errorf("%q: %+v, want %+v", given, got, want)
		}
	}
}
