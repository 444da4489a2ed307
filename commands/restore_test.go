package commands

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

const testKey = "one:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// keeper is a publication whose database is backed up and put back.
type keeper struct {
	*console
	relay *relaytest.Relay
}

func newKeeper(t *testing.T, readers int) *keeper {
	k := &keeper{console: &console{t: t, dir: t.TempDir()}, relay: relaytest.Start(t)}
	fixture := read(t, "testdata/fixture/schedule.yaml") + "intake: {pipe: true}\n"
	write(t, k.dir+"/schedule.yaml", strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1", "$SMTP", itoa(int64(k.relay.Port)), "connections: 1", "connections: 8", "rate: 1000", "rate: 400").Replace(fixture))
	var list strings.Builder
	list.WriteString("email,sections,editions,consent_source\n")
	for n := range readers {
		fmt.Fprintf(&list, "%s,world;sport,morning,test\n", keptReader(n))
	}
	write(t, k.dir+"/readers.csv", list.String())
	for _, name := range []string{"world.xml", "sport.xml"} {
		write(t, k.dir+"/"+name, read(t, "testdata/fixture/"+name))
	}
	k.must(0, "subscribers", "import", k.dir+"/readers.csv")
	return k
}

// keptDay is half a minute after the morning's slot so many days from now, in winter; in summer it is an hour later.
func keptDay(n int) time.Time {
	return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, n).Add(7*time.Hour + 30*time.Second)
}

func keptReader(n int) string { return fmt.Sprintf("reader%d@reader.example", n) }

func (k *keeper) program(stdin string, log *output) *program {
	return &program{getenv: surroundings(k.t, k.dir),
		stdin: strings.NewReader(stdin), stdout: log, stderr: log, configFile: k.dir + "/schedule.yaml", at: keptDay(2).Add(-2 * time.Hour).Format(time.RFC3339)}
}

// sendSome sends the morning until the relay has taken so many mails in all, does what is given, and is then
// told to end.
func (k *keeper) sendSome(until int, at string, then ...func()) {
	k.t.Helper()
	ctx, end := context.WithCancel(k.t.Context())
	defer end()
	var log output
	done := make(chan int)
	p := k.program("", &log)
	go func() {
		done <- p.run(ctx, []string{"--config", k.dir + "/schedule.yaml", "send", "morning", "--at", at})
	}()
	for stop := time.Now().Add(patience); len(k.relay.Messages()) < until; time.Sleep(time.Millisecond) {
		select {
		case code := <-done:
			k.t.Fatalf("send ended by itself with %d\n%s", code, &log)
		default:
		}
		if time.Now().After(stop) {
			end()
			<-done
			k.t.Fatalf("the relay got %d mails\n%s", len(k.relay.Messages()), &log)
		}
	}
	for _, do := range then {
		do()
	}
	end()
	<-done
}

// oneClicks has readers press one-click, from their number on.
func (k *keeper) oneClicks(from, to int) {
	k.t.Helper()
	var log output
	p := k.program("", &log)
	e, err := p.engine(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	defer p.close()
	edition, err := p.db.EditionID(k.t.Context(), "morning")
	if err != nil {
		k.t.Fatal(err)
	}
	pages, err := e.pages()
	if err != nil {
		k.t.Fatal(err)
	}
	for n := from; n < to; n++ {
		s, err := p.db.Subscriber(k.t.Context(), keptReader(n))
		if err != nil {
			k.t.Fatal(err)
		}
		token, err := p.ring.Token(p.ring.SigningID(), subscribers.Action{Kind: subscribers.OneClick, Edition: edition, Subscriber: s.ID})
		if err != nil {
			k.t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "http://127.0.0.1:1/l/"+token, strings.NewReader(url.Values{"List-Unsubscribe": {"One-Click"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		if pages.ServeHTTP(w, r); w.Code != http.StatusOK {
			k.t.Fatalf("one-click is answered %d", w.Code)
		}
	}
}

// complains has a provider report that a reader calls a mail spam.
func (k *keeper) complains(n int) {
	k.t.Helper()
	for _, m := range k.relay.Messages() {
		if m.To != keptReader(n) {
			continue
		}
		text := "From: fbl@provider.example\nTo: " + m.From + "\nSubject: complaint\nMIME-Version: 1.0\n" +
			"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n" +
			"Feedback-Type: abuse\nUser-Agent: test\nVersion: 1\n\n--b\nContent-Type: message/rfc822\n\n" + strings.ReplaceAll(m.Data, "\r\n", "\n") + "\n--b--\n"
		var log output
		if code := k.program(text, &log).run(k.t.Context(), []string{"--config", k.dir + "/schedule.yaml", "intake"}); code != 0 {
			k.t.Fatalf("intake: %d\n%s", code, &log)
		}
		return
	}
	k.t.Fatalf("no mail to reader %d", n)
}

// TestRestore: a backup; then a hundred one-clicks, ten erasures, ten complaints and half a run; the backup put
// back; and the run again: none of the hundred and twenty is mailed, and nobody twice.
func TestRestore(t *testing.T) {
	storetest.AboutSQLite(t, "its journals know what happened since a backup")
	if testing.Short() {
		t.Skip("sends some 500 mails three times over: not with -short")
	}
	const readers, gone = 260, 140 // those from gone on leave; mails go in the order of readers
	// Commands without --at go by the machine's clock, so the days to come are those of the run.
	yesterday, today := keptDay(1).Format(time.RFC3339), keptDay(2).Format(time.RFC3339)
	for _, c := range []struct {
		name    string
		opened  bool // the issue is in the backup
		sending bool // and a sender is at work when it is made
	}{{"before the issue", false, false}, {"in the middle of it", true, false}, {"while it is sent", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			k := newKeeper(t, readers)
			k.must(0, "stories", "import", "--section", "world", "--at", keptDay(1).Add(-3*time.Hour).Format(time.RFC3339), k.dir+"/world.xml")
			k.must(0, "send", "morning", "--at", yesterday)
			k.must(0, "stories", "import", "--section", "world", "--at", keptDay(2).Add(-3*time.Hour).Format(time.RFC3339), k.dir+"/sport.xml")
			sent := len(k.relay.Messages())
			if sent != readers {
				t.Fatalf("%d mails yesterday", sent)
			}
			backUp := func() { k.must(0, "backup", "--to", k.dir+"/backup.db") }
			switch {
			case c.sending:
				for range 8 { // are in hand, and taken only afterwards
					k.relay.Script("DOT wait; 250 2.0.0 taken")
				}
				k.sendSome(sent, today, func() { <-k.relay.Waiting(); backUp(); k.relay.Release() })
			case c.opened:
				k.sendSome(sent+30, today)
				fallthrough
			default:
				backUp()
			}

			k.oneClicks(gone, gone+100)
			for n := gone + 100; n < gone+110; n++ {
				k.must(0, "subscribers", "erase", keptReader(n), "--yes")
			}
			for n := gone + 110; n < gone+120; n++ {
				k.complains(n)
			}
			k.must(0, "subscribers", "add", "late@reader.example", "--consent-source", "test", "--sections", "world", "--editions", "morning")
			k.sendSome(len(k.relay.Messages())+60, today)
			before := len(k.relay.Messages())

			k.must(0, "restore", k.dir+"/backup.db", "--why", "a trial")
			k.printed("10 readers are erased again")
			k.printed("10 addresses are barred again for a complaint")
			k.must(0, "send", "morning", "--at", keptDay(2).Add(5*time.Minute).Format(time.RFC3339), "--json")
			k.must(3, "send", "morning", "--at", keptDay(2).Add(20*time.Minute).Format(time.RFC3339)) // a second copy of anything would be due by now

			copies := map[string]int{}
			for n, m := range k.relay.Messages() {
				if n < sent {
					continue
				}
				copies[m.To]++
				if number := 0; n >= before {
					if c, _ := fmt.Sscanf(m.To, "reader%d@", &number); c == 1 && number >= gone {
						t.Errorf("%s is mailed after the backup was put back", m.To)
					}
				}
			}
			for to, n := range copies {
				if n > 1 {
					t.Errorf("%s got %d mails", to, n)
				}
			}
			if n := len(copies); n < readers-120 { // all the others have theirs
				t.Errorf("only %d readers were mailed", n)
			}
			k.must(0, "issues", "show", "2")
			k.printed("books balance")
			k.restored("a trial")
			if aside, _ := filepath.Glob(k.dir + "/broadsheet.db.before-*"); len(aside) != 1 {
				t.Errorf("put aside: %v", aside)
			}
		})
	}
}

// restored looks for the restore in the audit log.
func (k *keeper) restored(why string) {
	k.t.Helper()
	var log output
	p := k.program("", &log)
	e, err := p.engine(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	defer p.close()
	for entry, err := range e.db.Audit(k.t.Context(), store.AuditFilter{Object: "database"}) {
		if err == nil && entry.Act == "restore" && entry.By.Why == why {
			return
		}
	}
	k.t.Errorf("no restore for %q in the audit log", why)
}

// TestRestoreRefuses: what is no backup of this database is not put in its place, nor is any while somebody
// else has it open.
func TestRestoreRefuses(t *testing.T) {
	storetest.AboutSQLite(t, "one file is put in the place of another")
	k := newKeeper(t, 3)
	k.must(0, "backup", "--to", k.dir+"/backup.db", "--json")
	k.printed(`"readers":3`)
	k.must(2, "backup", "--to", k.dir+"/backup.db")
	good, err := os.ReadFile(k.dir + "/backup.db")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(k.dir + "/backup.db"); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	for name, do := range map[string]func(b []byte) []byte{
		"cut":            func(b []byte) []byte { return b[:len(b)/2] },
		"no header":      func(b []byte) []byte { return append(make([]byte, 100), b[100:]...) },
		"not a database": func([]byte) []byte { return []byte("hello") },
		"empty":          func([]byte) []byte { return nil },
	} {
		bad := k.dir + "/bad.db"
		write(t, bad, string(do(append([]byte{}, good...))))
		k.must(1, "restore", bad)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	other := newKeeper(t, 1)
	other.must(0, "backup", "--to", k.dir+"/other.db")
	k.must(1, "restore", k.dir+"/other.db")
	k.printed("another database")
	k.must(1, "restore", k.dir+"/broadsheet.db")

	var log output
	p := k.program("", &log)
	e, err := p.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := p.lockSender(t.Context(), e, false)
	if err != nil {
		t.Fatal(err)
	}
	k.must(4, "restore", k.dir+"/backup.db")
	unlock()
	k.must(4, "restore", k.dir+"/backup.db") // it is open all the same
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	k.must(0, "subscribers", "add", "late@reader.example", "--consent-source", "test")
	// One that is damaged is put aside and replaced.
	write(t, k.dir+"/broadsheet.db", "hello")
	k.must(1, "subscribers", "list")
	k.must(0, "restore", k.dir+"/backup.db")
	k.must(0, "subscribers", "list", "--json")
	if n := strings.Count(k.out.String(), "\n"); n != 3 {
		t.Errorf("%d readers are back", n)
	}
}
