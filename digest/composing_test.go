package digest_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// BenchmarkComposing composes the mails of an issue from the real database, most of which have a digest of their own.
// Each pass over them begins with nothing at hand, but for the ones that stay hot.
func BenchmarkComposing(b *testing.B) {
	const readers, news = 8_000, 2_000
	now := time.Date(2026, 3, 2, 7, 31, 0, 0, time.UTC)
	config, e := benchConfig(b)
	set, err := templates.Load("")
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "composing.db")
	fill(b, path, now, readers, news)
	db, err := store.Open(b.Context(), path, store.Options{AddressHash: hash})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	press, err := digest.NewPress(config, e, set)
	if err != nil {
		b.Fatal(err)
	}
	due, err := (&digest.Finder{Diary: db, Config: config}).Due(b.Context(), &e, now)
	if err != nil || len(due) != 1 {
		b.Fatal(due, err)
	}
	o := &digest.Opener{Ledger: db, Layout: press, Config: config, Edition: &e, Now: func() time.Time { return now }}
	i, err := o.Open(b.Context(), due[0])
	if err != nil {
		b.Fatal(err)
	}
	keys, err := subscribers.ParseKeys("k1:" + strings.Repeat("A", 43))
	if err != nil {
		b.Fatal(err)
	}
	var batches [][]mailer.Delivery
	var all []mailer.Delivery
	for later := now.Add(12 * time.Hour); ; {
		batch, err := db.Lease(b.Context(), "", "bench", later)
		if err != nil {
			b.Fatal(err)
		}
		if batch == nil {
			break
		}
		for n := range batch.Deliveries {
			batch.Deliveries[n].KeyID, batch.Deliveries[n].Date = "k1", now
		}
		batches = append(batches, batch.Deliveries)
		all = append(all, batch.Deliveries...)
	}
	if len(all) < readers/2 {
		b.Fatalf("%d deliveries", len(all))
	}
	shuffled := append([]mailer.Delivery(nil), all...)
	rand.New(rand.NewPCG(7, 8)).Shuffle(len(shuffled), func(i, k int) { shuffled[i], shuffled[k] = shuffled[k], shuffled[i] })

	for _, way := range []struct {
		name    string
		batches [][]mailer.Delivery
		prepare bool
		hot     bool
	}{
		{"prepared", batches, true, false}, {"in order", batches, false, false},
		{"at random", [][]mailer.Delivery{shuffled}, false, false}, {"hot", [][]mailer.Delivery{all[:500]}, false, true},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			octets, n := 0, 0
			c := digest.NewComposer(db, keys, "example.com")
			for {
				if !way.hot {
					c = digest.NewComposer(db, keys, "example.com")
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
							b.ReportMetric(float64(i.Digests), "digests")
							b.ReportMetric(float64(len(all)), "mails")
							return
						}
					}
				}
			}
		})
	}
}
