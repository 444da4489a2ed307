package subscribers

import (
	"slices"
	"testing"
)

// TestWayBack is the table of what keeps a reader from mail and what brings one back.
func TestWayBack(t *testing.T) {
	ways := []Way{ByReader, ByConfirm, ByOperator, Never}
	table := map[string][4]bool{ // reader, confirm, operator, never
		"left":         {true, true, true, false},
		"paused":       {true, true, true, false},
		"unsubscribed": {false, true, true, false},
		"hard_bounce":  {false, true, true, false},
		"soft_bounce":  {false, true, true, false},
		"erased":       {false, true, true, false},
		"import":       {false, true, true, false},
		"complaint":    {false, false, true, false},
		"operator":     {false, false, true, false},
		"unknown":      {false, false, true, false},
		"legal":        {false, false, false, false},
	}
	for reason, cells := range table {
		for n, way := range ways {
			if MayReturn(reason, way) != cells[n] {
				t.Errorf("%s, by %s: %t", reason, way, !cells[n])
			}
		}
		if first := slices.Index(cells[:], true); first >= 0 && WayBack(reason) != ways[first] || first < 0 && WayBack(reason) != Never {
			t.Errorf("%s: the way back is %s", reason, WayBack(reason))
		}
	}
	for _, reason := range Reasons() {
		if _, ok := table[reason]; !ok {
			t.Errorf("%s is not in the table", reason)
		}
	}
}
