package stories

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// spent is the processor time this process has used. Unlike the time on the wall it does not grow when
// the machine has other things to do.
func spent(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bounded runs f and fails if it takes over 2 seconds or the heap grows by more than 64 MB.
func bounded(t testing.TB, name string, f func()) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // so that the heap is what is in use, not what waits for collection
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base, peak := m.HeapAlloc, uint64(0)
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for !stop.Load() {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			<-tick.C
		}
	}()
	began := spent(t)
	f()
	took := spent(t) - began
	stop.Store(true)
	<-done
	grown := (int64(peak) - int64(base)) >> 20
	if took > 2*time.Second*slow {
		t.Errorf("%s: took %v", name, took)
	}
	if grown > 64 {
		t.Errorf("%s: heap grew by %d MB", name, grown)
	}
	t.Logf("%s: %v, %d MB", name, took.Round(time.Millisecond), grown)
}

func bombs() map[string]func() []byte {
	item := func(n int, s string) func() []byte {
		return func() []byte {
			return []byte("<rss version='2.0'><channel><title>x</title>" + strings.Repeat(s, n) + "</channel></rss>")
		}
	}
	wrap := func(s string) func() []byte {
		return func() []byte {
			return []byte("<rss version='2.0'><channel><item><title>t</title><description>" + s + "</description></item></channel></rss>")
		}
	}
	return map[string]func() []byte{
		"deep":        func() []byte { return []byte("<rss><channel>" + strings.Repeat("<a>", 200_000)) },
		"deep item":   wrap(strings.Repeat("<div>", 200_000)),
		"deep html":   wrap("<![CDATA[" + strings.Repeat("<div><b>", 200_000) + "]]>"),
		"open quotes": item(1, "<item "+strings.Repeat(`a="`, 300_000)),
		"many items":  item(200_000, "<item><title>a</title><link>http://x.example/</link></item>"),
		"many tags":   item(1, "<item>"+strings.Repeat("<category>x</category>", 1_000_000)+"</item>"),
		"long title": func() []byte {
			return []byte("<rss><channel><item><title>" + strings.Repeat("A", 64<<20) + "</title></item></channel></rss>")
		},
		"title 31 MB": func() []byte {
			return []byte("<rss><channel><item><title>" + strings.Repeat("A ", 31<<19) + "</title></item></channel></rss>")
		},
		"title 8 MB": func() []byte {
			return []byte("<rss><channel><item><title>" + strings.Repeat("é&", 1<<21) + "</title></item></channel></rss>")
		},
		"big text":   item(9, "<item><title>a</title><description><![CDATA["+strings.Repeat("<p>word word word &amp; word</p>", 30_000)+"]]></description></item>"),
		"giants":     item(28, "<item><title>a</title><description><![CDATA["+strings.Repeat("<p>word word word &amp; word</p>", 36_000)+"]]></description></item>"),
		"ampersands": wrap(strings.Repeat("&", 3<<20)),
		"brackets":   wrap(strings.Repeat("<", 3<<20)),
		"comments":   item(1, strings.Repeat("<!--", 1<<20)),
		"marks":      wrap("<![CDATA[" + strings.Repeat("<![CDATA[", 1<<20)),
		"doctype":    func() []byte { return []byte("<!DOCTYPE x [" + strings.Repeat(`<!ENTITY a "`, 1<<20)) },
		"formats":    wrap("<![CDATA[" + strings.Repeat("<p><b><i><a href=x>", 40_000) + "]]>"),
		"atom html": func() []byte {
			return []byte(`<feed xmlns="http://www.w3.org/2005/Atom" xml:base="http://x.example/"><entry><title>t</title><content type="html">` +
				strings.Repeat("&lt;b>&lt;p>&lt;a>", 50_000) + `</content></entry></feed>`)
		},
		"json giants": func() []byte {
			return []byte(`{"version":"https://jsonfeed.org/version/1","items":[` + strings.Repeat(`{"id":"1","content_html":"`+strings.Repeat("<p>word word</p>", 70_000)+`"},`, 25) + `{}]}`)
		},
		"json deep": func() []byte {
			return []byte(`{"version":"https://jsonfeed.org/version/1","items":` + strings.Repeat("[", 200_000))
		},
		"json items": func() []byte {
			return []byte(`{"version":"https://jsonfeed.org/version/1","items":[` + strings.Repeat(`{},`, 8<<20) + `{}]}`)
		},
		"json title": func() []byte {
			return []byte(`{"version":"https://jsonfeed.org/version/1","items":[{"id":"1","title":"` + strings.Repeat("a\n", 10<<20) + `"}]}`)
		},
		"laughs": func() []byte {
			var b strings.Builder
			b.WriteString(`<!DOCTYPE rss [<!ENTITY a0 "ha">`)
			for i := 1; i < 30; i++ {
				fmt.Fprintf(&b, `<!ENTITY a%d "&a%d;&a%d;">`, i, i-1, i-1)
			}
			return []byte(b.String() + "]><rss><channel><item><title>&a29;</title></item></channel></rss>")
		},
		"quadratic": func() []byte {
			return []byte(`<!DOCTYPE rss [<!ENTITY a "` + strings.Repeat("a", 1000) + `">]><rss><channel><item><title>` + strings.Repeat("&a;", 1<<20) + "</title></item></channel></rss>")
		},
	}
}

func TestBombs(t *testing.T) {
	for name, make := range bombs() {
		doc := make()
		bounded(t, name, func() { Parse(doc, "", "") })
	}
}

func TestEntities(t *testing.T) {
	list, _, err := Parse([]byte(`<!DOCTYPE rss [<!ENTITY city "Port Haven"><!ENTITY me SYSTEM "file:///etc/hostname"><!ENTITY two "&city;&city;">]>
<rss><channel><item><title>&city; &nbsp;&eacute; &me; &two; &bogus; &#0;&#150;&#11; a & b</title></item></channel></rss>`), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := list[0].Headline, "Port Haven é &me; &two; &bogus; – a & b"; got != want {
		t.Errorf("headline %q, want %q", got, want)
	}
}

// TestHostileFiles runs every attack and conformance file, and the captures after random damage.
func TestHostileFiles(t *testing.T) {
	files := 0
	for _, dir := range []string{data(t, "hostile"), data(t, "feeds")} {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			began := spent(t)
			Parse(b, "", "https://feeds.example/x")
			if d := spent(t) - began; d > 2*time.Second*slow {
				t.Errorf("%s: %v", path, d)
			}
			return nil
		})
	}
	if t.Logf("%d files", files); files == 0 {
		t.Error("the corpus is empty")
	}
}

func TestDamagedCaptures(t *testing.T) {
	captures, _ := filepath.Glob(data(t, "feeds", "captures", "*"))
	if len(captures) == 0 {
		t.Error("the corpus is empty")
	}
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, path := range captures {
		b := read(t, path)
		for range rounds {
			began := spent(t)
			Parse(damage(r, b), "", "")
			if d := spent(t) - began; d > 2*time.Second*slow {
				t.Errorf("%s: %v", path, d)
			}
		}
	}
}

// damage flips, cuts, doubles and swaps pieces.
func damage(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + r.IntN(8) {
		if len(b) < 4 {
			return b
		}
		i, j := r.IntN(len(b)), r.IntN(len(b))
		if i > j {
			i, j = j, i
		}
		switch r.IntN(4) {
		case 0:
			b[i] ^= 1 << r.IntN(8)
		case 1:
			b = append(b[:i:i], b[min(j, i+r.IntN(4000)):]...)
		case 2:
			b = append(b[:j:j], b[i:min(j, i+2000)]...)
		case 3:
			b[i], b[j] = b[j], b[i]
		}
	}
	return b
}
