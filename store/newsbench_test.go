package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/intake"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// BenchmarkNews takes news in of mails that a relay took, five hundred to a call. A turn is one of
// them.
func BenchmarkNews(b *testing.B) {
	said := map[string]mailer.News{
		"delivered": {Class: mailer.Arrived, Status: "2.0.0", Code: 250, Text: "OK 1764201234 d2e1a72fcca58-7b34fa45d2esi123456b3a.12 - gsmtp"},
		"delayed":   {Class: mailer.Put, Reason: "ratelimited", Status: "4.7.28", Code: 421, Text: "Our system has detected an unusual rate of mail"},
		"soft":      {Class: mailer.Soft, Reason: "mailboxfull", Status: "5.2.2", Code: 552, Text: "The mailbox is full"},
	}
	for _, by := range []string{"token", "queue id"} {
		for class, n := range said {
			b.Run(class+" by "+by, func(b *testing.B) {
				now := time.Now()
				path := filepath.Join(b.TempDir(), "b.db")
				db := open(b, path, store.Options{AddressHash: sealed})
				i := fill(b, db, b.N, now)
				plan(b, db, &i, now)
				raw := storetest.Raw(b, path)
				_, slots := raw.Exec(`UPDATE slots SET slot_key = '2026-04-02'`)
				_, states := raw.Exec(`UPDATE deliveries SET state = 'accepted', copies = 1, attempts = 1, handed = at, relay = 'main', code = 250`)
				_, books := raw.Exec(`UPDATE issue_states SET state = 'accepted', relay = 'main'`)
				_, ids := raw.Exec(`INSERT INTO queue_ids (relay, id, slot, subscriber, at) SELECT 'main', '4X' || subscriber, slot, subscriber, at FROM deliveries`)
				if err := errors.Join(slots, states, books, ids); err != nil {
					b.Fatal(err)
				}
				wall := (&digest.Issue{Slot: "2026-04-02"}).Wall()
				var events []intake.Event
				var before, after syscall.Rusage
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
				b.ResetTimer()
				for k := range b.N {
					e := intake.Event{News: n, Source: "log", Sure: true}
					e.At, e.Host, e.Recipient = now, "mx.example.org", fmt.Sprintf("%d@example.org", k)
					if by == "token" {
						e.Of = intake.Of{Edition: i.EditionID, Wall: wall, Subscriber: int64(k + 1)}
					} else {
						e.Relay, e.Queue = "main", fmt.Sprintf("4X%d", k+1)
					}
					if events = append(events, e); len(events) == 500 || k == b.N-1 {
						taken, err := db.TakeEvents(b.Context(), events, now)
						if err != nil || taken[0].Again || taken[0].Early {
							b.Fatal(taken, err)
						}
						events = events[:0]
					}
				}
				b.StopTimer()
				_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
				cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
				b.ReportMetric(float64(cpu.Nanoseconds())/1e3/float64(b.N), "cpu-µs/event")
				counts, err := db.IssueCounts(b.Context(), i.ID)
				if err != nil || counts["accepted"] > 0 {
					b.Fatal(counts, err)
				}
			})
		}
	}
}
