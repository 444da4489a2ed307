package commands

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
	"broadsheet/subscribers"
)

// TestServeSendsNotices has a reader leave on the page that a link leads to: word of it comes by
// the same relay, is in the same books, and its one link takes it back.
func TestServeSendsNotices(t *testing.T) {
	relay := relaytest.Start(t)
	c := &console{t: t, dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	write(t, c.dir+"/schedule.yaml", strings.NewReplacer("$LISTEN", port, "$FEEDS", "1", "$SMTP", itoa(int64(relay.Port))).Replace(read(t, "testdata/fixture/schedule.yaml")))
	write(t, c.dir+"/readers.csv", "email,sections,editions,consent_source\nada@reader.example,world,morning,test\n")
	c.must(0, "subscribers", "import", c.dir+"/readers.csv")

	var log output
	p := &program{getenv: surroundings(t, c.dir), stdout: &log, stderr: &log, configFile: c.dir + "/schedule.yaml", at: "2026-01-13T05:00:00Z"} // no issue is due
	ctx, end := context.WithCancel(t.Context())
	defer end()
	e, err := p.engine(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	unlock, err := p.lockSender(ctx, e, false)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	done := make(chan error)
	go func() { done <- p.serveOn(ctx, e, l, nil, nil) }()

	post := func(token string) string {
		t.Helper()
		r, err := http.PostForm("http://"+l.Addr().String()+"/l/"+token, url.Values{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v\n%s", r.Status, err, b)
		}
		return string(b)
	}
	status := func() subscribers.Status {
		t.Helper()
		s, err := p.db.SubscriberByID(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		return s.Status
	}
	leave, err := p.ring.Token(p.ring.SigningID(), subscribers.Action{Kind: subscribers.LeaveAll, Subscriber: 1, Slot: time.Now().Unix() / 60})
	if err != nil {
		t.Fatal(err)
	}
	post(leave)
	if s := status(); s != subscribers.Unsubscribed {
		t.Fatalf("the reader is %s", s)
	}
	for stop := time.Now().Add(patience); len(relay.Messages()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(stop) {
			end()
			t.Fatalf("no notice has come: %v\n%s", <-done, &log)
		}
	}
	mail := relay.Messages()[0]
	if mail.To != "ada@reader.example" || !strings.Contains(mail.Data, "From: The Tidewater Post <confirm@tidewater.example>\r\n") ||
		!strings.Contains(mail.Data, "Subject: You have left The Tidewater Post\r\n") || !strings.HasPrefix(mail.From, "bounce+") {
		t.Errorf("to %s from %s:\n%s", mail.To, mail.From, mail.Data)
	}
	_, rest, _ := strings.Cut(strings.ReplaceAll(mail.Data, "=\r\n", ""), "/l/")
	undo, _, _ := strings.Cut(rest, "\r\n")
	post(undo)
	if s := status(); s != subscribers.Active {
		t.Errorf("after undoing the reader is %s", s)
	}
	end()
	if err := <-done; err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	if text := log.String(); strings.Contains(text, "level=ERROR") || strings.Contains(text, "ada@reader.example") {
		t.Errorf("it complained, or knew too much:\n%s", text)
	}
	c.must(0, "issues", "list", "--json")
	if c.out.Len() > 0 {
		t.Error("the run is among the issues")
	}
	c.must(0, "issues", "list", "--json", "--notices")
	c.printed(`"edition":"+notices"`)
	c.printed(`"audience":1`)
	c.printed(`"accepted":1`)
	c.must(0, "issues", "show", "1")
	c.printed("books balance")
	c.must(0, "deliveries", "list")
	c.printed("ada@reader.example")
	c.must(0, "deliveries", "show", strings.Fields(strings.Split(c.out.String(), "\n")[1])[0])
	c.printed("+notices")
	c.must(0, "issues", "list", "--edition", "+notices")
	c.printed("+notices")
}
