package commands

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"broadsheet/store"
	"broadsheet/store/storetest"
)

// TestSharedRelay has three processes send through one relay, and kills one: together they have no more connections than
// the relay takes, nor more mails a second, and the others have the dead one's part soon.
func TestSharedRelay(t *testing.T) {
	const rate, connections = 60, 5
	dsn := storetest.FreshPostgres(t)
	relay := startCounting(t, 1)
	k := newKilledOn(t, relay, killCase{connections, 4, "auto", 3000}, dsn)
	config := strings.Replace(read(t, k.dir+"/schedule.yaml"), "rate: 100000", "rate: 60", 1)
	k.write("schedule.yaml", config)
	db, err := store.Open(t.Context(), dsn, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	divided := func(n int) (list []store.Share) {
		t.Helper()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if list, err = db.Shares(t.Context()); err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, s := range list {
				sum += len(s.Places)
				if len(s.Places) == 0 || len(s.Places) > (connections+n-1)/n {
					sum = -connections
				}
			}
			if len(list) == n && sum == connections {
				return list
			}
		}
		t.Fatalf("%d senders do not come to a fair part each: %+v", n, list)
		return nil
	}
	var processes []*exec.Cmd
	for n := range 3 {
		cmd := k.command("serve", "--roles", "schedule,send", "--at", "2026-03-02T07:00:00Z")
		if n > 0 { // else each has its own clock
			cmd = k.command("serve", "--roles", "send", "--at", "2026-03-02T07:00:00Z")
		}
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if t.Failed() {
				t.Logf("process %d said\n%s", n, said.String())
			}
		}()
		processes = append(processes, cmd)
	}
	took := func(n int) time.Duration {
		t.Helper()
		start, before := time.Now(), relay.count()
		for relay.count() < before+n {
			if time.Since(start) > 2*time.Minute {
				t.Fatalf("%d of %d mails in two minutes", relay.count()-before, n)
			}
			time.Sleep(20 * time.Millisecond)
		}
		return time.Since(start)
	}
	took(1)
	list := divided(3)
	three := took(5 * rate)
	dead := list[0]
	for _, p := range processes {
		if strings.HasSuffix(dead.Worker, ":"+strconv.Itoa(p.Process.Pid)) {
			if err := p.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = p.Wait()
		}
	}
	start := time.Now()
	divided(2)
	t.Logf("%d mails took three %s; the two others had the dead one's part after %s", 5*rate, three.Round(10*time.Millisecond), time.Since(start).Round(10*time.Millisecond))
	two := took(5 * rate)
	relay.mu.Lock()
	most := relay.most
	relay.mu.Unlock()
	if os.Getenv("BROADSHEET_LONG") != "" { // one is frozen for longer than its share lasts; its connections stay open meanwhile
		frozen := divided(2)[0]
		for _, p := range processes {
			if strings.HasSuffix(frozen.Worker, ":"+strconv.Itoa(p.Process.Pid)) {
				_ = p.Process.Signal(syscall.SIGSTOP)
				divided(1)
				took(rate)
				_ = p.Process.Signal(syscall.SIGCONT)
			}
		}
		divided(2)
		took(2 * rate)
	}
	for _, p := range processes {
		_ = p.Process.Signal(syscall.SIGTERM)
	}
	relay.mu.Lock()
	defer relay.mu.Unlock()
	if most > connections {
		t.Errorf("%d connections at once, of %d", most, connections)
	}
	fastest := 0
	for from, to := 0, 0; to < len(relay.times); to++ {
		for relay.times[to].Sub(relay.times[from]) > 2*time.Second {
			from++
		}
		fastest = max(fastest, to-from+1)
	}
	// A tenth of a second's worth may go at once, and mails that waited for a processor come together.
	if fastest > 2*rate+rate/4 {
		t.Errorf("%d mails within two seconds, at %d a second", fastest, rate)
	}
	t.Logf("at most %d connections at once and %d mails within 2 s; %d mails took two senders %s", most, fastest, 5*rate, two.Round(10*time.Millisecond))
	if os.Getenv("BROADSHEET_LONG") != "" && max(three, two) > 7*time.Second {
		t.Errorf("senders together are slower than the relay takes it: %s and %s", three, two)
	}
}
