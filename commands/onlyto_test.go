package commands

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer/relaytest"
	"broadsheet/operators"
	"broadsheet/store"
)

// TestOnlyToReload: only_to is that of the configuration that was taken over last. One that is refused changes
// nothing of it.
func TestOnlyToReload(t *testing.T) {
	for _, c := range []struct {
		dkim, says, goes string // of the second configuration, which names nobody: a key, what is logged, and who gets mail
	}{{"no key", "configuration is not taken over", "[ada@reader.example]"}, {"", "configuration taken over", "[ada@reader.example ben@reader.example]"}} {
		k := newKeeper(t, 0)
		schedule := read(t, k.dir+"/schedule.yaml")
		write(t, k.dir+"/schedule.yaml", schedule+"only_to: [ada@reader.example]\n")
		write(t, k.dir+"/two.csv", "email,sections,editions,consent_source\nada@reader.example,world,morning,test\nben@reader.example,world,morning,test\n")
		k.must(0, "subscribers", "import", k.dir+"/two.csv")
		k.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", k.dir+"/world.xml")
		var log output
		key := ""
		p := k.program("", &log)
		p.at = "2026-01-13T07:30:00Z"
		p.getenv = func(name string) string {
			if name == "BROADSHEET_DKIM" {
				return key
			}
			return surroundings(t, k.dir)(name)
		}
		ctx, end := context.WithCancel(t.Context())
		e, err := p.engine(ctx)
		if err != nil {
			t.Fatal(err)
		}
		unlock, err := p.lockSender(ctx, e, false)
		if err != nil {
			t.Fatal(err)
		}
		by := operators.By{Who: "ann", Why: "a trial"}
		if _, err := p.db.Hold(ctx, digest.Hold{Kind: digest.HoldPaused}, by, e.now()); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		hup, done := make(chan os.Signal), make(chan error)
		go func() { done <- p.serveOn(ctx, e, l, nil, hup) }()
		await := func(what string, is func() bool) {
			for stop := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
				if time.Now().After(stop) {
					end()
					t.Fatalf("%s: %v\n%s", what, <-done, &log)
				}
			}
		}
		write(t, k.dir+"/schedule.yaml", schedule)
		key = c.dkim
		hup <- syscall.SIGHUP
		await(c.says, func() bool { return strings.Contains(log.String(), c.says) })
		if _, err := p.db.LetGo(ctx, 0, digest.HoldPaused, by, e.now()); err != nil {
			t.Fatal(err)
		}
		await("mails stay", func() bool {
			counts, err := p.db.IssueCounts(ctx, 1)
			return err == nil && counts["accepted"]+counts["suppressed"] == 2
		})
		end()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		unlock()
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
		if got := recipientsOf(k.relay); fmt.Sprint(got) != c.goes {
			t.Errorf("%s: mail went to %v", c.says, got)
		}
	}
}

// recipientsOf lists to whom a relay was given mail, in order.
func recipientsOf(relay *relaytest.Relay) (to []string) {
	for _, m := range relay.Messages() {
		to = append(to, m.To)
	}
	slices.Sort(to)
	return to
}

// TestOnlyToOneMail: with only_to a test copy, a report and an answer that is passed on go to nobody else either.
func TestOnlyToOneMail(t *testing.T) {
	w := openNewsroom(t)
	w.cfg.OnlyTo = []string{"ada@reader.example"}
	ed := w.cfg.Edition("morning")
	if _, err := w.sendTest(t.Context(), ed, "ben@reader.example"); !errors.Is(err, errOnlyTo) {
		t.Errorf("a test copy to another: %v", err)
	}
	if _, err := w.sendTest(t.Context(), ed, "ada@reader.example"); err != nil {
		t.Errorf("a test copy to one who is named: %v", err)
	}
	w.mails = len(w.relay.Messages())
	w.comeIn(w.answer("Ada <ada@reader.example>", "Re: Ferries", "Well said."))
	if got := w.passOn(); len(got) != 0 {
		t.Errorf("an answer went to %s", got[0].To)
	}
	m := store.ReportMail{Day: "2026-01-13", Recipient: "desk@tidewater.example", Subject: "All well", Text: "All well.", HTML: "<p>All well.</p>"}
	if _, err := w.db.WriteReport(t.Context(), []store.ReportMail{m}, &store.ReaderBalance{}, w.clock); err != nil {
		t.Fatal(err)
	}
	due, err := w.db.NextReport(t.Context(), w.clock)
	if err != nil || due == nil {
		t.Fatal(due, err)
	}
	if err := w.sendReport(t.Context(), due); err != nil {
		t.Error(err)
	}
	if got := len(w.relay.Messages()); got != w.mails {
		t.Errorf("%d mails more, for a report to another", got-w.mails)
	}
}
