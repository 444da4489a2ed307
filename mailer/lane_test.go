package mailer

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// TestLaneOvertaken: the recipients of a slow provider wait, all who come after them go at once.
func TestLaneOvertaken(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 30)
	for i := range 10 {
		q.rows[i].Address = fmt.Sprintf("reader%d@slow.example", i+1)
	}
	s := sender(t, q, relay, 2)
	s.Domains = NewDomains([]DomainGroup{{DomainLimit: DomainLimit{Name: "slow", Rate: 5}, Domains: []string{"slow.example"}}})
	var mu sync.Mutex
	var order []string
	s.Composer = letters{func(d *Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, DomainOf(d.Address))
		return nil
	}}
	start := time.Now()
	runIdle(t, s)
	wantStates(t, q, map[State]int{Accepted: 30})
	if took := time.Since(start); took < 1700*time.Millisecond {
		t.Errorf("10 mails at 5 a second took %v", took)
	}
	slow := 0
	for _, domain := range order[:27] { // in the order of the queue all ten would be among them
		if domain == "slow.example" {
			slow++
		}
	}
	if slow > 8 {
		t.Errorf("%d of the first 27 are the slow provider's", slow)
	}
}

// TestLaneConnections: no more of a provider's mails are under way than it likes.
func TestLaneConnections(t *testing.T) {
	relay, q := relaytest.Start(t, "DOT* wait; 250 2.0.0 taken"), newQueue(t, 12)
	s := sender(t, q, relay, 4)
	s.Domains = NewDomains([]DomainGroup{{DomainLimit: DomainLimit{Name: "one", Connections: 1}, Domains: []string{"example.org"}}})
	done := make(chan error)
	go func() { _, err := s.Run(t.Context(), true); done <- err }()
	<-relay.Waiting()
	select {
	case <-relay.Waiting():
		t.Error("a second mail is under way")
	case <-time.After(100 * time.Millisecond):
	}
	relay.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantStates(t, q, map[State]int{Accepted: 12})
}

// TestLaneSpills: what a lane cannot send soon goes back to the queue, and the rest goes on.
func TestLaneSpills(t *testing.T) {
	relay, q := relaytest.Start(t), newQueue(t, 600)
	for i := range 500 {
		q.rows[i].Address = fmt.Sprintf("reader%d@slow.example", i+1)
	}
	s := sender(t, q, relay, 2)
	s.Domains = NewDomains([]DomainGroup{{DomainLimit: DomainLimit{Name: "slow", Rate: 0.5}, Domains: []string{"slow.example"}}})
	var spilt int
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s.Progress = func(st Stats) {
		n := q.states()
		if n[Accepted] >= 100 && spilt == 0 {
			for i := range 500 {
				if d := q.row(int64(i + 1)); d.State == Queued && d.Due.After(noon) && d.Attempts == 0 && d.Copies == 0 {
					spilt++
				}
			}
			if spilt > 0 {
				stop()
			}
		}
	}
	if _, err := s.Run(ctx, false); err != nil {
		t.Fatal(err)
	}
	if spilt < 300 {
		t.Errorf("%d deliveries went back", spilt)
	}
}
