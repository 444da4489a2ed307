package bench

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// Edition is the name of the edition that the invented readers get.
const Edition = "morning"

// SectionID is the id of the n-th most liked section, from 0.
func SectionID(n int) string { return fmt.Sprintf("s%03d", n) }

// Readers writes n readers as CSV for the importer. Each follows 1 to 12 of the sections; the
// n-th most liked one is followed n times less often than the first. They are the same for the
// same numbers, and nothing is kept of them.
func Readers(w io.Writer, n, sections int) error {
	out := bufio.NewWriter(w)
	rnd := rand.New(rand.NewPCG(1, 2))
	liked := newZipf(sections)
	fmt.Fprintln(out, "email,sections,editions,status,consent_source")
	var follows []int
	for i := range n {
		follows = follows[:0]
		for want := min(1+rnd.IntN(12), sections); len(follows) < want; {
			if s := liked.draw(rnd); !slices.Contains(follows, s) {
				follows = append(follows, s)
			}
		}
		fmt.Fprintf(out, "reader%07d@%s,", i, domains[i%len(domains)])
		for k, s := range follows {
			if k > 0 {
				out.WriteByte(';')
			}
			out.WriteString(SectionID(s))
		}
		out.WriteString("," + Edition + ",active,form\n")
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write readers: %w", err)
	}
	return nil
}

// domains are reserved (RFC 2606): should mail to them ever get out, it goes nowhere.
var domains = []string{"example.com", "example.net", "example.org", "mail.example", "post.example"}

// zipf draws from n things of which the k-th is k times rarer than the first.
type zipf []float64

func newZipf(n int) zipf {
	z, sum := make(zipf, n), 0.0
	for k := range z {
		sum += 1 / float64(k+1)
		z[k] = sum
	}
	return z
}

func (z zipf) draw(rnd *rand.Rand) int {
	k, _ := slices.BinarySearch(z, rnd.Float64()*z[len(z)-1])
	return min(k, len(z)-1)
}
