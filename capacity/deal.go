package capacity

import (
	"cmp"
	"math/bits"
	"slices"
)

// deal gives n things out by weight, in whole things and none left over: each gets its share rounded
// down, and what is over goes to the largest rests, the first of equal ones. Weights are not negative.
func deal(n int64, weights []int64) []int64 {
	out := make([]int64, len(weights))
	var total uint64
	for _, w := range weights {
		total += uint64(w)
	}
	if total == 0 || n <= 0 {
		return out
	}
	type rest struct {
		at   int
		left uint64
	}
	rests := make([]rest, 0, len(weights))
	over := n
	for at, w := range weights {
		hi, lo := bits.Mul64(uint64(n), uint64(w))
		share, left := bits.Div64(hi, lo, total)
		out[at] = int64(share)
		over -= int64(share)
		rests = append(rests, rest{at, left})
	}
	slices.SortStableFunc(rests, func(a, b rest) int { return cmp.Compare(b.left, a.left) })
	for _, r := range rests[:over] {
		out[r.at]++
	}
	return out
}

// share takes a share of things that come in portions, such that all portions together are the share of
// the whole, rounded down: what a portion lacks of a thing is carried to the next.
type share struct{ part, of, carried int64 }

func (s *share) take(n int64) int64 {
	if s.part == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(n), uint64(s.part))
	lo, carry := bits.Add64(lo, uint64(s.carried), 0)
	taken, left := bits.Div64(hi+carry, lo, uint64(s.of))
	s.carried = int64(left)
	return int64(taken)
}
