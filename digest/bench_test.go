package digest_test

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/stories"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// The size this is built for: each reader follows 1 to 12 of 200 sections, the n-th most liked of which is followed
// n times less often than the first, and all stories are news.
const (
	benchReaders  = 100_000
	benchStories  = 5_000
	benchSections = 200
	benchMemory   = 150 << 20 // octets of memory the opening may take
)

// BenchmarkOpening opens an issue on the real ledger: choosing, laying out and writing every delivery. Beside the
// time it reports distinct digests, the peak of the process's memory and the size of the database.
func BenchmarkOpening(b *testing.B) {
	now := time.Date(2026, 3, 2, 7, 31, 0, 0, time.UTC)
	config, e := benchConfig(b)
	set, err := templates.Load("")
	if err != nil {
		b.Fatal(err)
	}
	full := filepath.Join(b.TempDir(), "full.db")
	fill(b, full, now, benchReaders, benchStories)
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		path := filepath.Join(b.TempDir(), fmt.Sprintf("%d.db", n))
		data, err := os.ReadFile(full)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		data = nil
		db, err := store.Open(b.Context(), path, store.Options{AddressHash: hash})
		if err != nil {
			b.Fatal(err)
		}
		press, err := digest.NewPress(config, e, set)
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		debug.FreeOSMemory()
		forgetPeak(b)
		b.StartTimer()

		due, err := (&digest.Finder{Diary: db, Config: config}).Due(b.Context(), &e, now)
		if err != nil || len(due) != 1 {
			b.Fatal(due, err)
		}
		o := &digest.Opener{Ledger: db, Layout: press, Config: config, Edition: &e, Now: func() time.Time { return now }}
		i, err := o.Open(b.Context(), due[0])
		if err != nil {
			b.Fatal(err)
		}

		b.StopTimer()
		if i.Audience != benchReaders {
			b.Fatalf("audience %d", i.Audience)
		}
		peak := peakMemory(b)
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		size, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(n+1), "s/issue")
		b.ReportMetric(float64(i.Digests), "digests")
		b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
		b.ReportMetric(float64(size.Size())/(1<<20), "database-MB")
		if peak > benchMemory {
			b.Errorf("peak memory is %d MB, more than %d", peak>>20, benchMemory>>20)
		}
		b.StartTimer()
	}
}

func benchConfig(b testing.TB) (*schedule.Config, schedule.Edition) {
	b.Helper()
	e, err := schedule.NewEdition(schedule.Edition{Name: "morning", Cron: "30 7 * * *", Zone: "Europe/London"})
	if err != nil {
		b.Fatal(err)
	}
	config := &schedule.Config{Publication: schedule.Publication{Name: "The Lighthouse", Language: "en", From: "news@example.com",
		FromName: "The Lighthouse", PostalAddress: "1 Pier Road, Port", PublicURL: "https://news.example",
		Cities: []schedule.City{{Name: "London", Zone: "Europe/London"}}}, Editions: []schedule.Edition{e}}
	for n := range benchSections {
		config.Sections = append(config.Sections, schedule.Section{ID: benchSection(n), Name: "Section " + strconv.Itoa(n), Weight: 1})
	}
	return config, e
}

func benchSection(n int) string { return fmt.Sprintf("s%03d", n) }

func hash(folded string) (h subscribers.Hash) { copy(h[:], folded); return h }

// fill makes a database with that many readers and stories.
func fill(b testing.TB, path string, now time.Time, readers, news int) {
	b.Helper()
	db, err := store.Open(b.Context(), path, store.Options{AddressHash: hash})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	zipf := make([]float64, benchSections)
	sum := 0.0
	for n := range zipf {
		sum += 1 / float64(n+1)
		zipf[n] = sum
	}
	r, w := io.Pipe()
	go func() {
		fmt.Fprintln(w, "email,sections,editions,status,consent_source")
		for n := range readers {
			var follows []string
			for want := 1 + rnd.IntN(12); len(follows) < want; {
				at, _ := slices.BinarySearch(zipf, rnd.Float64()*sum)
				if s := benchSection(at); !slices.Contains(follows, s) {
					follows = append(follows, s)
				}
			}
			fmt.Fprintf(w, "reader%d@example.com,%s,morning,active,form\n", n, strings.Join(follows, ";"))
		}
		w.Close()
	}()
	known := subscribers.Known{}
	lines, err := subscribers.NewReader(r, known)
	if err != nil {
		b.Fatal(err)
	}
	var rows []subscribers.Row
	flush := func() {
		if _, err := db.ImportRows(b.Context(), rows, now.AddDate(0, -1, 0)); err != nil {
			b.Fatal(err)
		}
		rows = rows[:0]
	}
	for {
		row, err := lines.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		if rows = append(rows, row); len(rows) == 1000 {
			flush()
		}
	}
	flush()
	addNews(b, db, rand.New(rand.NewPCG(3, 4)), now, news)
}

// addNews spreads the stories over the day before now.
func addNews(b testing.TB, db *store.DB, rnd *rand.Rand, now time.Time, count int) {
	b.Helper()
	text := func(words int) string {
		var s strings.Builder
		for range words {
			fmt.Fprintf(&s, "word%d ", int(math.Exp(rnd.Float64()*9)))
		}
		return strings.TrimSpace(s.String()) + "."
	}
	for n := range count {
		at := now.Add(-24*time.Hour + time.Duration(n+1)*24*time.Hour/time.Duration(count+1))
		url := fmt.Sprintf("https://news.example/story/%d", n)
		s := stories.Story{GUID: url, URL: url, Canonical: url, Headline: text(9), Lead: text(30), Byline: "By Our Correspondent",
			City: "London", Agencies: []string{"Wire"}, Published: at.Add(-10 * time.Minute), Words: 500,
			Image:    &stories.Image{URL: url + ".jpg", Alt: text(5), Width: 1200, Height: 675},
			Sections: []string{benchSection(rnd.IntN(benchSections))}}
		for range 10 {
			s.Blocks = append(s.Blocks, stories.Block{Type: "p", Text: text(50)})
		}
		if _, err := db.AddStories(b.Context(), []stories.Story{s}, at); err != nil {
			b.Fatal(err)
		}
	}
}

// forgetPeak starts the measuring of peak memory afresh.
func forgetPeak(b *testing.B) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skipf("peak memory can be measured on Linux only: %v", err)
	}
}

// peakMemory is the most memory the process had resident since then, in octets.
func peakMemory(b *testing.B) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n << 10
		}
	}
	b.Fatal("no VmHWM in /proc/self/status")
	return 0
}

// BenchmarkChoosing chooses for one reader.
func BenchmarkChoosing(b *testing.B) {
	rnd := rand.New(rand.NewPCG(5, 6))
	now := time.Date(2026, 3, 2, 7, 31, 0, 0, time.UTC)
	config := &schedule.Config{Publication: schedule.Publication{Language: "en"}}
	for n := range benchSections {
		config.Sections = append(config.Sections, schedule.Section{ID: benchSection(n)})
	}
	var pool []digest.Candidate
	for n := range benchStories {
		at := now.Add(-time.Duration(n) * 17 * time.Second)
		pool = append(pool, digest.Candidate{Story: int64(n), Revision: int64(n), Section: benchSection(rnd.IntN(benchSections)),
			Arrival: int64(benchStories - n), Arrived: at, First: at, Headline: fmt.Sprintf("h%d a%d b%d c%d", n, n, n, n)})
	}
	c := digest.NewChooser(digest.NewPool(pool, config, &schedule.Edition{}, now))
	var r digest.Reader
	for n := range 6 {
		r.Sections = append(r.Sections, digest.Follow{Section: benchSection(n * n)})
	}
	seen := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for b.Loop() {
		c.Choose(&r, digest.Window{End: benchStories}, seen)
	}
}
