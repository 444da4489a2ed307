package digest_test

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// printed is an issue in a real database whose mails are ready to be composed.
type printed struct {
	path    string
	db      *store.DB
	issue   digest.Issue
	keys    *subscribers.Keys
	batches [][]mailer.Delivery // in the order in which they would go
	all     []mailer.Delivery
}

func printIssue(t testing.TB, readers, news int) *printed {
	t.Helper()
	now := time.Date(2026, 3, 2, 7, 31, 0, 0, time.UTC)
	config, e := benchConfig(t)
	set, err := templates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	p := &printed{path: filepath.Join(t.TempDir(), "composing.db")}
	fill(t, storetest.Fresh(t, p.path), now, readers, news)
	p.db = p.open(t)
	press, err := digest.NewPress(config, e, set)
	if err != nil {
		t.Fatal(err)
	}
	due, err := (&digest.Finder{Diary: p.db, Config: config}).Due(t.Context(), &e, now)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	o := &digest.Opener{Ledger: p.db, Layout: press, Config: config, Edition: &e, Now: func() time.Time { return now }}
	if p.issue, err = o.Open(t.Context(), due[0]); err != nil {
		t.Fatal(err)
	}
	if p.keys, err = subscribers.ParseKeys("k2:" + strings.Repeat("B", 42) + "A,k1:" + strings.Repeat("A", 43)); err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := p.db.Lease(t.Context(), "", "test", now.Add(12*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if batch == nil {
			break
		}
		for n := range batch.Deliveries {
			batch.Deliveries[n].KeyID, batch.Deliveries[n].Date = "k1", now
		}
		p.batches = append(p.batches, batch.Deliveries)
		p.all = append(p.all, batch.Deliveries...)
	}
	if len(p.all) < readers/2 {
		t.Fatalf("%d deliveries", len(p.all))
	}
	return p
}

func (p *printed) open(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), storetest.Fresh(t, p.path), store.Options{AddressHash: hash})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestEveryWayTheSame: from the database or as preview does it, prepared or not, by this process or another, now or
// again later, in whichever order: a delivery's mail is the same to the byte.
func TestEveryWayTheSame(t *testing.T) {
	p := printIssue(t, 60, 120)
	rnd := rand.New(rand.NewPCG(9, 10))
	addresses := []string{"", "", "zoë@bücher.example", "o'neil&sons@reader.example", ".dots..@reader.example"}
	for n := range p.all {
		d := &p.all[n]
		if a := addresses[rnd.IntN(len(addresses))]; a != "" {
			d.Address = a
		}
		d.Date = d.Date.Add(time.Duration(rnd.IntN(1e6)) * time.Second)
		if rnd.IntN(8) == 0 {
			d.Date = time.Time{}
		}
		d.KeyID = []string{"k1", "k2"}[rnd.IntN(2)]
	}
	want := make([]mailer.Message, len(p.all))
	shown := digest.NewComposer(nil, p.keys, "example.com")
	for n := range p.all { // as preview does it
		dg, err := p.db.Digest(t.Context(), p.all[n].Digest)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		for _, piece := range dg.Pieces {
			ids = append(ids, piece.Fragment.ID)
		}
		found, err := p.db.Fragments(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		for k := range dg.Pieces {
			dg.Pieces[k].Fragment = found[dg.Pieces[k].Fragment.ID]
		}
		if want[n], err = shown.Message(dg, &p.issue, &p.all[n], nil); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name string, c *digest.Composer, n int, buf []byte) []byte {
		t.Helper()
		m, err := c.Compose(t.Context(), &p.all[n], buf)
		if err != nil {
			t.Fatal(err)
		}
		same := m
		same.Body = want[n].Body
		if !bytes.Equal(m.Body, want[n].Body) || !reflect.DeepEqual(same, want[n]) {
			t.Fatalf("%s: mail %d differs from the preview", name, n)
		}
		return m.Body
	}
	first := digest.NewComposer(p.db, p.keys, "example.com")
	other := digest.NewComposer(p.open(t), p.keys, "example.com")
	prepared := digest.NewComposer(p.db, p.keys, "example.com")
	if err := prepared.Prepare(t.Context(), p.all[:40]); err != nil {
		t.Fatal(err)
	}
	var buf []byte
	for range 4 {
		for _, n := range rnd.Perm(len(p.all)) {
			buf = check("first", first, n, buf)
			buf = check("other process", other, n, buf)
			buf = check("prepared", prepared, n, buf)
			check("cold", digest.NewComposer(p.db, p.keys, "example.com"), n, nil)
		}
	}
}

// BenchmarkComposing composes the mails of an issue from the real database, most of which have a digest of their own.
// Each pass over them begins with nothing at hand, but for the ones that stay hot.
func BenchmarkComposing(b *testing.B) {
	p := printIssue(b, 8_000, 2_000)
	shuffled := slices.Clone(p.all)
	rand.New(rand.NewPCG(7, 8)).Shuffle(len(shuffled), func(i, k int) { shuffled[i], shuffled[k] = shuffled[k], shuffled[i] })
	for _, way := range []struct {
		name    string
		batches [][]mailer.Delivery
		prepare bool
		hot     bool
	}{
		{"prepared", p.batches, true, false}, {"in order", p.batches, false, false},
		{"at random", [][]mailer.Delivery{shuffled}, false, false}, {"hot", [][]mailer.Delivery{p.all[:500]}, false, true},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			octets, n := 0, 0
			c := digest.NewComposer(p.db, p.keys, "example.com")
			for {
				if !way.hot {
					c = digest.NewComposer(p.db, p.keys, "example.com")
				}
				for _, batch := range way.batches {
					if way.prepare {
						if err := c.Prepare(b.Context(), batch); err != nil {
							b.Fatal(err)
						}
					}
					for k := range batch {
						m, err := c.Compose(b.Context(), &batch[k], buf)
						if err != nil {
							b.Fatal(err)
						}
						buf = m.Body
						octets += len(buf)
						if n++; n >= b.N {
							b.ReportMetric(float64(octets)/float64(n), "octets/mail")
							b.ReportMetric(float64(p.issue.Digests), "digests")
							b.ReportMetric(float64(len(p.all)), "mails")
							return
						}
					}
				}
			}
		})
	}
}
