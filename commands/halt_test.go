package commands

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"broadsheet/mailer"
)

// TestHalt stops an issue from another process while 16 connections carry it, and measures how long
// mail goes on: from the start of that process to the last MAIL that the relay hears. Then nothing
// is lost, and what has come to nothing is cancelled or uncertain.
func TestHalt(t *testing.T) {
	if os.Getenv("BROADSHEET_LONG") == "" {
		t.Skip("set BROADSHEET_LONG=1 to stop 25,000 mails on their way")
	}
	for _, c := range []killCase{{16, 1, "pipelining", 25_000}, {16, 1, "plain", 25_000}, {16, 10, "auto", 25_000}} {
		for _, act := range []string{"stop", "pause"} {
			t.Run(fmt.Sprintf("%s, in_doubt %d, %s", act, c.inDoubt, c.dialogue), func(t *testing.T) { c.halt(t, act) })
		}
	}
}

const haltAt = "2026-03-02T07:00:00Z"

func (c killCase) halt(t *testing.T, act string) {
	relay := startCounting(t, 1)
	k := newKilled(t, relay, c)
	cmd := k.command("send", "london", "--at", haltAt)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if !relay.await(4000, ended) {
		t.Fatal("it does not send")
	}
	began, before := time.Now(), relay.count()
	k.run("issues", act, "1", "--why", "measured", "--at", haltAt)
	took := time.Since(began)
	err := <-ended
	relay.settle()
	relay.mu.Lock()
	last := relay.begun.Sub(began)
	relay.mu.Unlock()
	t.Logf("after %d mails: last MAIL after %s, %d mails more; the command took %s; the sender: %v", before, last, relay.count()-before, took, err)
	if last > 5*time.Second {
		t.Error("it is not halted within five seconds")
	}
	b := k.books("1")
	if b["accepted"] != relay.count() || relay.extra() != 0 {
		t.Errorf("the relay took %d, %d of them twice, on record are %v", relay.count(), relay.extra(), b)
	}
	if act == "stop" {
		if b["cancelled"] != c.readers-relay.count() {
			t.Errorf("%v", b)
		}
		return
	}
	if code := exitCode(err); code != exitHeld {
		t.Errorf("the sender's exit code is %d", code)
	}
	k.run("issues", "resume", "1", "--at", haltAt)
	k.run("send", "london", "--at", haltAt)
	if b := k.books("1"); b["accepted"] != c.readers || relay.count() != c.readers || relay.extra() != 0 {
		t.Errorf("after it was resumed: %v, %d mails", b, relay.count())
	}
}

// books are an issue's counts by state.
func (k *killed) books(issue string) map[string]int {
	k.t.Helper()
	var all map[string]any
	if err := json.Unmarshal(k.run("issues", "show", issue, "--json"), &all); err != nil {
		k.t.Fatal(err)
	}
	counts, sum := map[string]int{}, 0
	for _, s := range mailer.States {
		if n := int(all[string(s)].(float64)); n > 0 {
			counts[string(s)] = n
			sum += n
		}
	}
	if sum != int(all["audience"].(float64)) {
		k.t.Errorf("the books do not balance: %v", all)
	}
	return counts
}

// TestKilledHalts kills senders and whoever pauses, resumes and stops, at random instants. Nobody is
// lost, nobody gets more copies than on record, and the stop comes to its end.
func TestKilledHalts(t *testing.T) {
	if os.Getenv("BROADSHEET_LONG") == "" {
		t.Skip("set BROADSHEET_LONG=1 to kill the program some times over")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	c := killCase{8, 4, "auto", killReaders}
	relay := startCounting(t, rnd.Uint64())
	k := newKilled(t, relay, c)
	die := func(args ...string) { // some time after it began
		cmd := k.command(append(args, "--at", haltAt)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(rnd.IntN(600))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
	}
	kills := 0
	for n := range 12 {
		cmd := k.command("send", "london", "--at", haltAt)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		relay.await(min(relay.count()+100+rnd.IntN(150), killReaders), ended)
		if n == 11 {
			die("issues", "stop", "1", "--why", "n")
		} else {
			die("issues", "pause", "1")
		}
		if rnd.IntN(2) == 0 {
			_ = cmd.Process.Kill()
			kills++
		}
		<-ended
		relay.settle()
		if n < 11 {
			die("issues", "resume", "1")
		}
		k.books("1")
	}
	later := "2026-03-02T07:20:00Z"
	_ = k.command("issues", "resume", "1", "--at", later).Run() // paused or not
	_ = k.command("issues", "stop", "1", "--why", "n", "--at", later).Run()
	k.run("send", "london", "--at", later)
	relay.settle()
	b := k.books("1")
	t.Logf("%d kills, %v, %d mails, %d of them second copies", kills, b, relay.count(), relay.extra())
	if b["accepted"]+b["uncertain"]+b["cancelled"] != killReaders || b["uncertain"] > (kills+1)*8*4 || relay.extra() > kills*8*4 {
		t.Error("somebody is lost, or got too much")
	}
	if got := len(relay.copies()); got > b["accepted"]+b["uncertain"] || got < b["accepted"] {
		t.Errorf("%d readers got a mail", got)
	}
}
