package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// TestParseRoles: the order is free, and what is no role is told from what is.
func TestParseRoles(t *testing.T) {
	for text, want := range map[string]string{
		"send": "send", "web,schedule": "schedule,web", "web, send ,intake,schedule": "schedule,intake,send,web", "send,send": "send",
	} {
		if rs, err := parseRoles(text); err != nil || rs.list() != want {
			t.Errorf("%q is %v, %v", text, rs, err)
		}
	}
	for _, text := range []string{"", ",", "send,", "Send", "sender", "send;web", "all"} {
		rs, err := parseRoles(text)
		if exit, ok := errors.AsType[*exitError](err); !ok || exit.code != exitUsage || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is %v, %v", text, rs, err)
		}
	}
	if none := (roles)(nil); !none.all() || !none.has(roleWeb) || none.said("ok") != "ok" {
		t.Error("who is not asked for roles has all")
	}
}

// TestDutiesOnPaper holds the table of duties in the documentation against those that there are.
func TestDutiesOnPaper(t *testing.T) {
	text := read(t, "../docs/operating.md")
	_, text, _ = strings.Cut(text, "| duty | role | twice? |")
	text, _, _ = strings.Cut(text, "\n\n")
	paper := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| ([^|]+) \\| `?([^|`]+)`? \\| [^|]+ \\|$").FindAllStringSubmatch(text, -1) {
		paper[m[1]] = m[2]
	}
	e := openWatched(t, relaytest.Start(t), "webhooks: [{name: newsroom, url: \"https://tidewater.example/hook\", events: [issue.done]}]\n").engine("")
	delete(paper, "issues") // a sender's, which is no duty
	for _, d := range e.duties() {
		role := string(d.role)
		if d.role == "" {
			role = "every process"
		}
		if paper[d.name] != role {
			t.Errorf("%s is of %s, and on paper of %q", d.name, role, paper[d.name])
		}
	}
	for name := range paper {
		found := false
		for _, d := range e.duties() {
			found = found || d.name == name
		}
		if !found {
			t.Errorf("%s is on paper alone", name)
		}
	}
}

// TestRolesSideBySide has four processes, one for each role, on one database: what a reader does on a page leaves by
// another process, what is opened in one is sent by another, and what comes back of it counts in all. On PostgreSQL
// there are two for each role.
func TestRolesSideBySide(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { rolesSideBySide(t, "", 1) })
	t.Run("postgres", func(t *testing.T) { rolesSideBySide(t, storetest.FreshPostgres(t), 2) })
}

func rolesSideBySide(t *testing.T, dsn string, each int) {
	relay := relaytest.Start(t)
	w := openWatched(t, relay, "intake: {maildir: returned}\n")
	for _, folder := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(w.dir+"/returned/"+folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if dsn != "" {
		w.must(0, "subscribers", "import", "--db", dsn, "--at", "2026-01-12T06:00:00Z", w.dir+"/readers.csv")
		w.must(0, "stories", "import", "--db", dsn, "--section", "world", "--at", "2026-01-13T06:00:00Z", w.dir+"/world.xml")
	}
	var web *program
	var l net.Listener // of the last with pages
	var ends []func() error
	for n := range each {
		for _, r := range allRoles {
			p := w.program("2026-01-13T07:00:30Z")
			p.roles, p.dsn, p.name = roles{r}, dsn, fmt.Sprint(r, " ", n)
			if r == roleWeb {
				var err error
				if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
					t.Fatal(err)
				}
				web = p
			}
			end, err := p.starts(t, l)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, end)
		}
	}
	to := func(address, subject string) *relaytest.Message {
		for _, m := range relay.Messages() {
			if m.To == address && strings.Contains(m.Data, subject) {
				return &m
			}
		}
		return nil
	}
	awaits(t, "the issue is opened and sent", func() bool {
		return to("ada@reader.example", "") != nil && to("ben@reader.example", "") != nil && to("dan@reader.example", "") != nil
	})

	leave, err := web.ring.Token(web.ring.SigningID(), subscribers.Action{Kind: subscribers.LeaveAll, Subscriber: 1, Slot: time.Now().Unix() / 60})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.PostForm("http://"+l.Addr().String()+"/l/"+leave, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if b, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v\n%s", answer.Status, err, b)
	}
	awaits(t, "word of leaving is sent", func() bool { return to("ada@reader.example", "You have left") != nil })

	report := fmt.Sprintf("From: MAILER-DAEMON@mx.reader.example\nTo: %s\nSubject: Undelivered Mail\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"+
		"--b\nContent-Type: text/plain\n\nNo such user.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.reader.example\n\n"+
		"Final-Recipient: rfc822; ben@reader.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown user\n\n--b--\n", to("ben@reader.example", "").From)
	write(t, w.dir+"/returned/new/1.bounce", "Delivered-To: "+to("ben@reader.example", "").From+"\n"+report)
	awaits(t, "the bounce counts", func() bool {
		counts, err := web.db.IssueCounts(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return counts["bounced"] == 1
	})
	list, err := roomWorkers{&engine{db: web.db}}.List(t.Context())
	if err != nil || len(list.Workers) != each*len(allRoles) {
		t.Errorf("workers %+v %v", list, err)
	}
	for _, v := range list.Workers { // only where several share a relay
		if sends := strings.Join(v.Roles, " ") == "send"; dsn != "" && sends && len(v.Shares) == 0 || !sends && len(v.Shares) > 0 {
			t.Errorf("shares of %s: %+v", v.Name, v.Shares)
		}
	}
	for _, end := range ends {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	after := w.program("")
	after.dsn = dsn
	e, err := after.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = after.close() })
	if list, err := (roomWorkers{e}).List(t.Context()); err != nil || len(list.Workers) != 0 {
		t.Errorf("duties, leases or workers are left: %+v %v", list, err)
	}
	mails := map[string]int{}
	for _, m := range relay.Messages() {
		mails[m.To]++
	}
	if mails["ada@reader.example"] != 2 || mails["ben@reader.example"] != 1 || mails["dan@reader.example"] != 1 || len(mails) != 3 {
		t.Errorf("mails %v", mails)
	}
	if err := e.db.CheckBooks(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if text := w.log.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("it complained:\n%s", text)
	}
}

// starts has a program serve with its roles; with web, at l. The function that it returns ends it.
func (p *program) starts(t *testing.T, l net.Listener) (end func() error, err error) {
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	e, err := p.engine(ctx)
	if err != nil {
		return nil, err
	}
	unlock := func() {}
	if p.roles.has(roleSend) {
		if unlock, err = p.lockSender(ctx, e, false); err != nil {
			return nil, err
		}
	}
	if !p.roles.has(roleWeb) {
		l = nil
	}
	done := make(chan error, 1)
	go func() { done <- p.serveOn(ctx, e, l, nil, nil) }()
	return func() error {
		stop()
		err := <-done
		unlock()
		return errors.Join(err, p.close())
	}, nil
}
