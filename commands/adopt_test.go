package commands

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/store/storetest"
)

// farRelay listens at an address of this machine that is not loopback, and counts who comes; it hangs up.
func farRelay(t *testing.T) (host string, port int, calls *atomic.Int32) {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.To4() == nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(n.IP.String(), "0"))
		if err != nil {
			continue
		}
		calls = new(atomic.Int32)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				calls.Add(1)
				c.Close()
			}
		}()
		return n.IP.String(), l.Addr().(*net.TCPAddr).Port, calls
	}
	t.Skip("this machine has no address but loopback")
	return "", 0, nil
}

// farKeeper is a publication whose relay is not on this machine, with a slot that has just come.
func farKeeper(t *testing.T) (c *console, calls *atomic.Int32) {
	t.Helper()
	host, port, calls := farRelay(t)
	c = &console{t: t, dir: filepath.Join(t.TempDir(), "first")}
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	fixture := strings.Replace(read(t, "testdata/fixture/schedule.yaml"), "host: 127.0.0.1, port: $SMTP, tls: none", "host: "+host+", port: "+itoa(int64(port))+", tls: implicit", 1)
	fixture = strings.Replace(fixture, `"0 7 * * *"`, `"`+time.Now().UTC().Add(-time.Minute).Format("4 15")+` * * *"`, 1)
	fixture = strings.Replace(fixture, "zone: Europe/London", "zone: UTC", 1)
	write(t, c.dir+"/schedule.yaml", strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1").Replace(fixture))
	write(t, c.dir+"/readers.csv", "email,sections,editions,consent_source\nada@reader.example,world,morning,test\n")
	write(t, c.dir+"/world.xml", read(t, "testdata/fixture/world.xml"))
	c.must(0, "subscribers", "import", c.dir+"/readers.csv")
	c.must(0, "stories", "import", "--section", "world", c.dir+"/world.xml")
	return c, calls
}

// TestCopyDoesNotMail: the database and schedule.yaml copied to a second folder with a slot due: no relay is
// called, the exit code and the first page say why, and a person can say that the copy is the one that mails.
func TestCopyDoesNotMail(t *testing.T) {
	storetest.AboutSQLite(t, "a folder is copied")
	first, calls := farKeeper(t)
	whole := &console{t: t, dir: filepath.Join(t.TempDir(), "whole")}
	part := &console{t: t, dir: t.TempDir()}
	copyWhole := func() {
		t.Helper()
		if err := os.CopyFS(whole.dir, os.DirFS(first.dir)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"broadsheet.db", "schedule.yaml"} {
			write(t, part.dir+"/"+name, read(t, first.dir+"/"+name))
		}
	}
	copyWhole()
	for _, c := range []*console{whole, part} {
		c.must(5, "send", "morning", "--yes")
		c.printed("this copy of the database may not mail until a person says so")
		c.printed("broadsheet adopt")
		c.must(5, "send", "morning", "--to", "ada@reader.example")
		c.must(2, "adopt", "--yes")            // does not say why
		c.must(2, "adopt", "--why", "a trial") // asks, and nobody answers
	}
	whole.printed("this is a copy: the one that mails was at " + first.dir)
	part.printed("broadsheet.db.instance is not there")
	if n := calls.Load(); n != 0 {
		t.Fatalf("a copy called the relay %d times", n)
	}
	first.must(1, "send", "morning", "--yes") // this one calls, and is hung up on
	sent := calls.Load()
	if sent == 0 {
		t.Fatal("the first one did not call the relay")
	}
	part.must(0, "adopt", "--yes", "--why", "the other disk died")
	part.printed("Adopted")
	part.must(0, "adopt", "--yes")
	part.printed("nothing differs")
	part.must(1, "send", "morning", "--yes")
	if calls.Load() == sent {
		t.Error("the adopted copy did not call the relay")
	}

	// A relay's account or a public URL that is another than before holds too.
	text := read(t, part.dir+"/schedule.yaml")
	for was, is := range map[string]string{"public_url: http://127.0.0.1:1": "public_url: http://127.0.0.1:2", "tls: implicit": "tls: implicit, profile: ses"} {
		sent = calls.Load()
		write(t, part.dir+"/schedule.yaml", strings.Replace(text, was, is, 1))
		want := 5
		if was == "tls: implicit" { // how a relay is talked to is no account
			want = 1
		}
		part.must(want, "send", "morning", "--yes")
		if calls.Load() == sent == (want == 1) {
			t.Errorf("%s: the relay was called %d times, and %d before", is, calls.Load(), sent)
		}
	}
	write(t, part.dir+"/schedule.yaml", regexp.MustCompile(`host: [0-9.]+, port`).ReplaceAllString(text, "host: relay.elsewhere.example, port"))
	part.must(5, "send", "morning", "--yes")
	part.printed("relay account relay.elsewhere.example")
	part.printed("if that is meant, adopt it")
}

// TestCopyDoesNotPing: whoever watches from elsewhere hears nothing of a copy until it is adopted.
func TestCopyDoesNotPing(t *testing.T) {
	storetest.AboutSQLite(t, "a folder is copied")
	first, _ := farKeeper(t)
	var pings atomic.Int32
	watcher := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pings.Add(1) }))
	defer watcher.Close()
	text := read(t, first.dir+"/schedule.yaml")
	write(t, first.dir+"/schedule.yaml", strings.Replace(text, "title: The Tidewater Morning", "title: The Tidewater Morning\n    ping: "+watcher.URL, 1))
	c := &console{t: t, dir: filepath.Join(t.TempDir(), "copy")}
	if err := os.CopyFS(c.dir, os.DirFS(first.dir)); err != nil {
		t.Fatal(err)
	}
	var log output
	p := &program{getenv: surroundings(t, c.dir),
		stdout: &log, stderr: &log, configFile: c.dir + "/schedule.yaml"}
	e, err := p.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.db.AddPing(t.Context(), store.Ping{Edition: "morning", Slot: "2026-01-13", Zone: "UTC", At: e.now()}); err != nil {
		t.Fatal(err)
	}
	e.pingEnded(t.Context())
	if n := pings.Load(); n != 0 {
		t.Errorf("a copy pings %d times", n)
	}
	c.must(0, "adopt", "--yes", "--why", "a trial")
	e.pingEnded(t.Context())
	if n := pings.Load(); n != 1 {
		t.Errorf("the adopted copy pings %d times\n%s", n, &log)
	}
}

// TestServeHolds: serve in a copy shows its pages and calls no relay, says so on top of the operator's first
// page, and goes on within seconds once another program has adopted it.
func TestServeHolds(t *testing.T) {
	storetest.AboutSQLite(t, "a folder is copied")
	first, calls := farKeeper(t)
	c := &console{t: t, dir: filepath.Join(t.TempDir(), "copy")}
	if err := os.CopyFS(c.dir, os.DirFS(first.dir)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log output
	p := &program{getenv: surroundings(t, c.dir),
		stdout: &log, stderr: &log, configFile: c.dir + "/schedule.yaml"}
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
	await := func(what string, is func() bool) {
		t.Helper()
		for stop := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(stop) {
				end()
				t.Fatalf("%s: %v\n%s", what, <-done, &log)
			}
		}
	}
	await("sending is not held", func() bool { return strings.Contains(log.String(), "sending is held") })
	await("the issue does not open", func() bool {
		counts, err := p.db.IssueCounts(ctx, 1)
		return err == nil && counts["queued"] == 1
	})
	if status, _ := ask("GET", "http://"+l.Addr().String()+"/"); !strings.HasPrefix(status, "200") {
		t.Errorf("the readers' page is answered %.20s", status)
	}
	alarms, err := roomToday{e}.Alarms(ctx)
	if err != nil || len(alarms) == 0 || alarms[0].Level != "red" || !strings.Contains(alarms[0].What, "this is a copy") || alarms[0].Link != "/keeping" {
		t.Errorf("%+v, %v", alarms, err)
	}
	if live, err := e.board.read(ctx); err != nil || len(live.Runs) != 1 || len(live.Runs[0].Held) != 1 || live.Runs[0].TimeLeft() != "not known" {
		t.Errorf("%+v, %v", live, err)
	}
	v := enter(t, e, operators.Manage)
	if _, page := v.get("/keeping"); !strings.Contains(page, "Sending is held") || !strings.Contains(page, "this is a copy") {
		t.Errorf("the page does not say why:\n%s", page)
	}
	if n := calls.Load(); n != 0 {
		t.Fatalf("the copy called the relay %d times", n)
	}
	c.must(0, "adopt", "--yes", "--why", "moved") // by another program
	await("the relay is not called", func() bool { return calls.Load() > 0 })
	if _, page := v.get("/keeping"); strings.Contains(page, "Sending is held") || !strings.Contains(page, "command line") {
		t.Errorf("the page after it was adopted:\n%s", page)
	}
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
