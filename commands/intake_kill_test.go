package commands

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// TestKillIntake kills the program again and again while it takes in a Maildir: in the end each
// message is on record once, with what follows from it once, and none has been lost.
func TestKillIntake(t *testing.T) {
	readers, kills := 250, 8
	if os.Getenv("BROADSHEET_LONG") != "" {
		readers, kills = 770, 60 // 2,000 messages
	} else if testing.Short() {
		t.Skip("kills the program some times over: not with -short")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	relay := relaytest.Start(t)
	c := &console{t: t, dir: t.TempDir()}
	fixture := strings.Replace(read(t, "testdata/fixture/schedule.yaml"), "name: morning\n", "name: morning\n    spread: 0s\n", 1) + "intake: {maildir: box}\n"
	write(t, c.dir+"/schedule.yaml", strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1", "$SMTP", itoa(int64(relay.Port))).Replace(fixture))
	write(t, c.dir+"/world.xml", read(t, "testdata/fixture/world.xml"))
	box := newPostbox(t, c.dir+"/box")
	var list strings.Builder
	list.WriteString("email,sections,editions,consent_source\n")
	for n := range readers {
		fmt.Fprintf(&list, "reader%d@domain%d.example,world,morning,test\n", n, n%40)
	}
	write(t, c.dir+"/readers.csv", list.String())
	c.must(0, "subscribers", "import", c.dir+"/readers.csv")
	c.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", c.dir+"/world.xml")
	c.must(0, "send", "morning", "--at", "2026-01-13T07:00:30Z")
	want := fillBox(t, box, relay)

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, self, "--config", c.dir+"/schedule.yaml", "intake", "--sources")
		cmd.Env = append(environment(t, c.dir), asProgram+"=1", "HOME="+c.dir)
		return cmd
	}
	killed := 0
	for range kills {
		cmd := run(t.Context())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		// The kills lie over the whole run, some before anything is settled.
		for aim := box.holds("new") - rnd.IntN(2*want.messages/kills+1); len(ended) == 0 && box.holds("new") > aim; {
			time.Sleep(200 * time.Microsecond)
		}
		time.Sleep(time.Duration(rnd.IntN(5000)) * time.Microsecond)
		if len(ended) == 0 {
			killed++
		}
		_ = cmd.Process.Kill()
		<-ended
	}
	if out, err := run(t.Context()).CombinedOutput(); err != nil {
		t.Fatalf("take in the rest: %v\n%s", err, out)
	}
	t.Logf("%d of %d runs were killed at work", killed, kills)
	if killed < kills/4 {
		t.Errorf("only %d of %d runs were killed at work", killed, kills)
	}
	want.check(t, box, filepath.Join(c.dir, "broadsheet.db"))
}

// boxed is what a Maildir holds.
type boxed struct {
	messages, distinct, aside  int // copies are not distinct
	bounces, leaves, questions int // readers
}

// fillBox puts mail about each mail of a relay into a Maildir: of five readers two mails come back,
// one of them by two reports and a copy, one leaves, one answers, one does nothing; and garbage.
func fillBox(t *testing.T, box *postbox, relay *relaytest.Relay) (b boxed) {
	for n, m := range relay.Messages() {
		id := itoa(int64(n))
		texts := map[int][]string{
			0: {unknownUser(m.From, m.To, "a"+id), "Received: again\n" + unknownUser(m.From, m.To, "a"+id), unknownUser(m.From, m.To, "b"+id)},
			1: {unknownUser(strings.ToUpper(m.From), m.To, "a"+id)},
			2: {appleLeave(m.To, unsubAddress(t, m), "c"+id), strings.ReplaceAll(appleLeave(m.To, unsubAddress(t, m), "c"+id), "\n", "\r\n")},
			3: {answerTo(t, m)},
		}[n%5]
		texts = append(texts, "garbage "+id)
		for _, text := range texts {
			box.put(text)
		}
		b.messages += len(texts)
		b.distinct += len(texts)
		b.aside++
		switch n % 5 {
		case 0:
			b.distinct--
			b.bounces++
		case 1:
			b.bounces++
		case 2:
			b.distinct--
			b.leaves++
		case 3:
			b.questions++
		}
	}
	return b
}

func answerTo(t *testing.T, m relaytest.Message) string {
	parsed, err := mail.ReadMessage(strings.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	return "From: " + m.To + "\nTo: post@tidewater.example\nSubject: Re: news\nIn-Reply-To: " + parsed.Header.Get("Message-ID") + "\n\nIs this so?\n"
}

// check compares Maildir and database with what was put in.
func (b *boxed) check(t *testing.T, box *postbox, path string) {
	t.Helper()
	if box.holds("new") != 0 || box.holds(".Aside/new") != b.aside || box.holds("cur")+b.aside != b.messages {
		t.Errorf("the Maildir has %d new, %d settled, %d aside of %d", box.holds("new"), box.holds("cur"), box.holds(".Aside/new"), b.messages)
	}
	db := storetest.Raw(t, path)
	for query, want := range map[string]int{
		`SELECT count(*) FROM inbound`:                                                  b.distinct,
		`SELECT count(*) FROM inbound WHERE aside <> ''`:                                b.aside,
		`SELECT count(*) FROM events WHERE class = 'hard'`:                              b.bounces,
		`SELECT count(*) FROM deliveries WHERE state = 'bounced'`:                       b.bounces,
		`SELECT count(*) FROM marks`:                                                    b.bounces,
		`SELECT count(*) FROM forwards`:                                                 b.questions,
		`SELECT count(*) FROM tasks`:                                                    0,
		`SELECT count(*) FROM settings WHERE editions = '' AND by = 'reader'`:           b.leaves,
		`SELECT count(*) FROM inbound WHERE class = 'opt-out' AND effect LIKE '%left%'`: b.leaves,
	} {
		var got int
		if err := db.QueryRowContext(t.Context(), query).Scan(&got); err != nil {
			t.Errorf("%s: %v", query, err)
		} else if got != want {
			t.Errorf("%s: %d, not %d", query, got, want)
		}
	}
}

// TestLockedDatabase: a pipe whose database is locked has the mail server keep the message.
func TestLockedDatabase(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/broadsheet.db"
	write(t, dir+"/schedule.yaml", strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1", "$SMTP", "1").Replace(read(t, "testdata/fixture/schedule.yaml")))
	keys, err := subscribers.ParseKeys("one:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	if err != nil {
		t.Fatal(err)
	}
	intake := func(want int, says string) {
		t.Helper()
		db, err := store.Open(t.Context(), storetest.Waiting(storetest.At(t, path), 50*time.Millisecond), store.Options{AddressHash: keys.AddressHash, BusyTimeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		var out, errors output
		p := &program{getenv: func(string) string { return "" }, stdin: strings.NewReader("garbage"), stdout: &out, stderr: &errors, db: db, ring: keys}
		if code := p.run(t.Context(), []string{"--config", dir + "/schedule.yaml", "intake"}); code != want || !strings.Contains(errors.String(), says) || out.String() != "" {
			t.Errorf("exit code %d, not %d; it says %q, %q", code, want, &out, &errors)
		}
	}
	intake(0, "")
	letGo := storetest.Hold(t, path)
	intake(exitLater, "database is locked")
	letGo()
	intake(0, "")
}
