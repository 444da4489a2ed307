package mailer

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"broadsheet/mailer/relaytest"
)

func productGate(rate float64) *gate {
	return newGate(rate, 4, time.Second, time.Minute, 10*time.Minute, rand.Float64)
}

// TestGateRelayDownForAnHour: at most 150 attempts in the hour, however many connections,
// and the relay is found again within two minutes.
func TestGateRelayDownForAnHour(t *testing.T) {
	for name, effect := range map[string]Effect{"unreachable": RedialLater, "held": Hold} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := productGate(10)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := time.Now()
				var attempts atomic.Int64
				var back atomic.Int64
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						for g.mayDial(ctx) == nil {
							if time.Since(start) > time.Hour {
								back.CompareAndSwap(0, int64(time.Since(start)-time.Hour))
								cancel()
								return
							}
							attempts.Add(1)
							time.Sleep(time.Second) // the time it takes to be refused
							g.apply(effect, "down")
							g.leave()
						}
					})
				}
				wg.Wait()
				if n := attempts.Load(); n > 64+86 {
					t.Errorf("%d attempts", n)
				}
				if d := time.Duration(back.Load()); effect == RedialLater && d > 2*time.Minute {
					t.Errorf("back after %v", d)
				}
				t.Logf("%d attempts, back after %v", attempts.Load(), time.Duration(back.Load()))
			})
		})
	}
}

func TestGatePace(t *testing.T) {
	for _, rate := range []float64{2, 10, 1000} {
		synctest.Test(t, func(t *testing.T) {
			g := productGate(rate)
			var n int
			for start := time.Now(); time.Since(start) < 10*time.Second; n++ {
				if err := g.pace(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if want := 10*rate + burst(rate); float64(n) < 10*rate-1 || float64(n) > want+1 {
				t.Errorf("%d messages in 10 s at %v a second", n, rate)
			}
		})
	}
	if err := productGate(0).pace(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGateSlowsAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := productGate(100)
		g.apply(Slow, "throttled")
		if g.rate != 50 || g.mayGo() {
			t.Fatalf("rate %v, open %t", g.rate, g.mayGo())
		}
		g.apply(Slow, "throttled")
		if g.rate != 50 {
			t.Errorf("rate %v after two messages that were under way together", g.rate)
		}
		for range 10 {
			time.Sleep(2 * time.Minute)
			g.apply(Slow, "throttled")
		}
		if g.rate != 100.0/16 {
			t.Errorf("rate %v", g.rate)
		}
		time.Sleep(2 * time.Minute)
		if !g.mayGo() {
			t.Error("it stays closed")
		}
		for range 4 * recoverAfter {
			g.apply(GoOn, "")
		}
		if g.rate != 100 {
			t.Errorf("rate %v after recovery", g.rate)
		}
	})
}

func TestGateConnectionTroubleLeavesOthersAlone(t *testing.T) {
	g := productGate(10)
	g.apply(RedialLater, "421")
	if !g.mayGo() {
		t.Error("messages wait because one connection was closed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if g.mayDial(ctx) == nil {
		t.Error("a new connection went at once")
	}
	g.proved()
	if err := g.mayDial(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestGateGrowsAndShrinks: connections double while all goes well; after one too many they stay
// as they are, and one more is tried a minute later.
func TestGateGrowsAndShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(0, 32, time.Second, time.Minute, 10*time.Minute, func() float64 { return 0.5 })
		fill := func() (n int) {
			for {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				err := g.mayDial(ctx)
				cancel()
				if err != nil {
					return g.lines
				}
				g.opened()
			}
		}
		answer := func(n int) {
			for range n {
				g.apply(GoOn, "")
			}
		}
		if n := fill(); n != firstLines {
			t.Fatalf("%d connections to begin with", n)
		}
		for answer(1000); g.lines < 32; answer(1000) {
			if before := g.lines; fill() <= before {
				t.Fatalf("no growth from %d", before)
			}
		}
		g.closed() // the last one is refused after all
		g.turnedAway()
		g.apply(RedialLater, "421 too many connections")
		g.leave()
		answer(1000)
		time.Sleep(2 * time.Second)
		if n := fill(); n != 31 || g.crowded() {
			t.Errorf("%d connections after one was too many", n)
		}
		time.Sleep(growPause)
		answer(1000)
		if n := fill(); n != 32 {
			t.Errorf("%d connections a minute later", n)
		}
	})
}

// TestGateThrottledWithoutARate: a relay that was sent to as fast as it went gets half of that,
// and more again once it takes it.
func TestGateThrottledWithoutARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := productGate(0)
		for range 500 {
			time.Sleep(time.Millisecond)
			g.apply(GoOn, "")
		}
		g.apply(Slow, "454 maximum sending rate")
		if g.rate < 400 || g.rate > 600 {
			t.Fatalf("rate %v after 1,000 a second", g.rate)
		}
		for range 3 * recoverAfter {
			g.apply(GoOn, "")
		}
		if g.rate != 0 {
			t.Errorf("rate %v after recovery", g.rate)
		}
	})
}

func TestGateHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := productGate(0)
		for i := range sendersInARow {
			if alarm := g.apply(SenderRefused, "mail 550"); alarm != (i == sendersInARow-1) {
				t.Errorf("refusal %d: alarm %t", i+1, alarm)
			}
		}
		if g.apply(Hold, "mail 550") {
			t.Error("the same alarm again")
		}
		time.Sleep(15 * time.Minute)
		g.apply(GoOn, "")
		if held, since, _ := g.health(); held || !since.IsZero() {
			t.Error("a message that goes through does not end the hold")
		}

		g = productGate(0)
		g.apply(SenderRefused, "")
		g.apply(GoOn, "")
		g.apply(SenderRefused, "")
		if g.apply(SenderRefused, ""); g.held {
			t.Error("held after two in a row")
		}

		g = productGate(0) // 6 % of a run, never two in a row
		alarms := 0
		for i := range 300 {
			effect := GoOn
			if i%16 == 15 {
				effect = ContentRefused
			}
			if g.apply(effect, "dot 554") {
				alarms++
			}
		}
		if alarms != 1 {
			t.Errorf("%d alarms for 6 %% refused contents", alarms)
		}
	})
}

// TestFeederRestsWhileTheRelayIsDown: giving back what there is not wakes nobody, the feeder itself
// least of all.
func TestFeederRestsWhileTheRelayIsDown(t *testing.T) {
	r := sender(t, newQueue(t, 1), relaytest.Start(t), 1).newRun(false)
	r.mu.Lock()
	changed := r.changed
	r.mu.Unlock()
	r.forgo()
	select {
	case <-changed:
		t.Error("woken for nothing")
	default:
	}
}
