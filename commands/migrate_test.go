package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"broadsheet/mailer"
	"broadsheet/store/storetest"
)

// TestMoveMidRun moves a database twice while an issue is half sent, and the run goes on in each place: every
// reader gets one mail. With -9 in the first place, no more get a second one than were in doubt.
func TestMoveMidRun(t *testing.T) {
	storetest.AboutBoth(t)
	const readers = 600
	for _, c := range []struct {
		name string
		end  syscall.Signal
	}{{"ended", syscall.SIGTERM}, {"killed", syscall.SIGKILL}} {
		t.Run(c.name, func(t *testing.T) {
			relay := startCounting(t, 7)
			how := killCase{4, 1, "pipelining", readers}
			k := newKilled(t, relay, how)
			old, back := filepath.Join(k.dir, "broadsheet.db"), filepath.Join(k.dir, "back.db")
			there := filepath.Join(k.dir, "there.db")
			if os.Getenv("BROADSHEET_POSTGRES") != "" {
				there = storetest.FreshPostgres(t)
			} else {
				t.Log("no BROADSHEET_POSTGRES: it moves between SQLite files alone")
			}
			const at = "2026-03-02T07:00:00Z"
			part := func(db string, mails int, end syscall.Signal) {
				t.Helper()
				cmd := k.command("send", "london", "--at", at, "--db", db)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				if !relay.await(mails, ended) {
					_ = cmd.Process.Kill()
					<-ended
					t.Fatalf("%s sent no %d mails:\n%s", db, mails, stderr.String())
				}
				_ = cmd.Process.Signal(end)
				<-ended
				relay.settle()
			}
			part(old, 150, c.end)
			said := k.run("migrate", "--from", old, "--to", there, "--json", "--at", at)
			var report struct {
				Tables []struct {
					Table string
					Rows  int
				}
			}
			if err := json.Unmarshal(said, &report); err != nil || len(report.Tables) < 60 {
				t.Fatalf("%s, %v", said, err)
			}
			for _, args := range [][]string{{"send", "london", "--at", at}, {"serve"}, {"subscribers", "list"}} {
				if code, stderr := k.fails(append(args, "--db", old)...); code != exitHeld || !strings.Contains(stderr, "this database has moved: it moved to") {
					t.Errorf("%v where it was: %d, %s", args, code, stderr)
				}
			}
			part(there, 350, syscall.SIGTERM)
			k.run("migrate", "--from", there, "--to", back, "--at", at)
			k.run("send", "london", "--at", at, "--db", back)
			k.run("send", "london", "--at", "2026-03-02T07:20:00Z", "--db", back) // copies without an answer
			most := 0
			if c.end == syscall.SIGKILL {
				most = how.connections * how.inDoubt
			}
			if copies := relay.copies(); len(copies) != readers || relay.extra() > most {
				t.Errorf("%d of %d readers got mail, and %d more than one", len(copies), readers, relay.extra())
			}
			states := map[mailer.State]int{}
			for d := json.NewDecoder(bytes.NewReader(k.run("deliveries", "list", "--json", "--db", back))); ; {
				var row struct{ State mailer.State }
				if err := d.Decode(&row); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				states[row.State]++
			}
			if states[mailer.Accepted] != readers || len(states) != 1 {
				t.Errorf("deliveries are %v", states)
			}
		})
	}
}

// fails runs a command that is to fail.
func (k *killed) fails(args ...string) (code int, stderr string) {
	k.t.Helper()
	cmd := k.command(args...)
	var b bytes.Buffer
	cmd.Stderr = &b
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), b.String()
	}
	k.t.Fatalf("%v: %v\n%s", args, err, b.String())
	return 0, ""
}
