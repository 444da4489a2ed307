package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"broadsheet/demo"
	"broadsheet/mailer/relaytest"
	"broadsheet/store/storetest"
)

// patience bounds every wait of a script.
const patience = 20 * time.Second

// world is what surrounds the program in a script.
type world struct {
	relay *relaytest.Relay
	seen  int      // mails that a script has asked for
	front *process // a web server, nil = none
}

// newWorld starts a relay and a server of feeds, and lays the files of testdata/fixture beside
// the script's own, with ports and times filled in.
func newWorld(t *testing.T, dir string) (*world, []string) {
	w := &world{relay: relaytest.Start(t)}
	feeds := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(feeds.Close)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	values := map[string]string{"SMTP": strconv.Itoa(w.relay.Port), "FEEDS": port(feeds.Listener), "LISTEN": port(free), "FRONT": port(front),
		"AGO": time.Now().UTC().Add(-time.Minute).Format("4 15"), // a cron's minute and hour: a slot that has just come
	}
	for _, file := range glob(t, "testdata/fixture/*") {
		if path := filepath.Join(dir, filepath.Base(file)); !exists(path) {
			write(t, path, read(t, file))
		}
	}
	shipped, err := filepath.Abs("../schedule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"SHIPPED=" + shipped}
	for name, value := range values {
		env = append(env, name+"="+value)
	}
	for _, path := range glob(t, filepath.Join(dir, "*.yaml")) {
		text := read(t, path)
		for name, value := range values {
			text = strings.ReplaceAll(text, "$"+name, value)
		}
		write(t, path, text)
	}
	return w, env
}

func port(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }

// worldCommands are what a script can do beside running the program.
var worldCommands = map[string]func(s *script, args []string){
	// relay LINE… adds lines to the relay's script (package relaytest).
	"relay": func(s *script, args []string) { s.world.relay.Script(args...) },
	// waiting waits until the relay has come to a wait of its script; release ends all waits.
	"waiting": func(s *script, _ []string) {
		select {
		case <-s.world.relay.Waiting():
		case <-time.After(patience):
			s.fail("the relay was not kept waiting")
		}
	},
	"release": func(s *script, _ []string) { s.world.relay.Release() },
	// got ADDRESS… says who has got mail since the last got or awaits, in any order.
	"got": got,
	// front caddy, front nginx, guesses ADDRESS N FIRST: see there.
	"front":   front,
	"guesses": guesses,
	// fronted FILE writes what the web server in front has said.
	"fronted": func(s *script, args []string) { s.write(args[0], s.world.front.errors.String()) },
	// verifies MAIL RECORDS N: N DKIM signatures stand in a mail and hold by what keys dkim --json printed.
	"verifies": verifies,
	// awaits ADDRESS… is got for a program in the background.
	"awaits": func(s *script, args []string) {
		w := s.world
		for end := time.Now().Add(patience); len(w.recipients()) < len(args) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		got(s, args)
	},
	// mail ADDRESS FILE writes the latest mail to an address, as the relay got it.
	"mail": func(s *script, args []string) {
		for _, m := range slices.Backward(s.world.taken()) {
			if m.To == args[0] {
				s.write(args[1], m.Data)
				return
			}
		}
		s.fail("no mail to %s", args[0])
	},
	// about MAIL FILE NEW writes a message about a mail that the relay got: in FILE, TOKEN stands for the mail's
	// token, UNSUB for the address to leave by, REPLY for that of answers, ID for its Message-ID.
	"about": func(s *script, args []string) {
		mail := demo.ParseMail([]byte(s.read(args[0])))
		leave := regexp.MustCompile(`mailto:([^?>]+)`).FindStringSubmatch(mail.Header("List-Unsubscribe"))
		if leave == nil {
			leave = []string{"", "none"}
		}
		s.write(args[2], strings.NewReplacer("TOKEN", mail.Header("X-Broadsheet-Delivery"), "UNSUB", leave[1], "REPLY", mail.Header("Reply-To"),
			"ID", mail.Header("Message-ID")).Replace(s.read(args[1])))
	},
	// dump FILE writes every row of every table.
	"dump": func(s *script, args []string) {
		s.write(args[0], dump(s.t, s.dir))
	},
	// fields FILE NAME… checks that every line is a JSON object with exactly these names, in order.
	"fields": func(s *script, args []string) {
		lines := 0
		for line := range strings.Lines(s.read(args[0])) {
			names, err := objectNames(line)
			s.check(err)
			if !slices.Equal(names, args[1:]) {
				s.fail("line %d has the fields %v, not %v", lines+1, names, args[1:])
			}
			lines++
		}
		if lines == 0 {
			s.fail("%s is empty", args[0])
		}
	},
	// lines FILE N counts lines.
	"lines": func(s *script, args []string) {
		if n := strings.Count(s.read(args[0]), "\n"); strconv.Itoa(n) != args[1] {
			s.fail("%s has %d lines, not %s", args[0], n, args[1])
		}
	},
	// http METHOD URL FILE asks once and writes status, headers and body.
	"http": func(s *script, args []string) {
		text, err := ask(args[0], args[1])
		s.check(err)
		s.write(args[2], text)
	},
	// follow MAIL asks for every link of a mail in every way that scanners do.
	"follow": func(s *script, args []string) {
		links := linksOf([]byte(s.read(args[0])))
		if len(links) < 5 {
			s.fail("%s has only %d links", args[0], len(links))
		}
		for _, link := range links {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
				text, err := ask(method, link)
				s.check(err)
				if method != "GET" && method != "HEAD" && strings.HasPrefix(text, "200") {
					s.fail("%s of a link is said to be done", method)
				}
			}
		}
	},
	// refused CONFIG LINE TEXT checks that no command runs with that configuration and that the
	// first complaint points at the line.
	"refused": func(s *script, args []string) {
		commands := [][]string{{"check"}, {"send", "morning", "--at", "2026-01-13T07:00:30Z"}, {"issues", "next"}}
		for _, command := range commands {
			s.runs(exitUsage, append([]string{"--config", args[0], "--db", "broadsheet.db"}, command...))
			want := `^broadsheet: ` + regexp.QuoteMeta(args[0]) + ":" + args[1] + `:\d+: .*` + args[2]
			s.match(s.stderr, []string{want})
			s.match(s.stderr, []string{`^ +\| *\^$`})
		}
	},
	// inert MAIL checks that no link of a mail opens anything.
	"inert": func(s *script, args []string) {
		for _, link := range linksOf([]byte(s.read(args[0]))) {
			text, err := ask("GET", link)
			s.check(err)
			if !strings.HasPrefix(text, "404") {
				s.fail("%s of a test copy opens", link)
			}
		}
	},
	// samesave HEADER FILE FILE compares mails but for one line of the header, which must be there.
	"samesave": func(s *script, args []string) {
		line := regexp.MustCompile(`(?m)^` + args[0] + `: .*$`)
		var texts []string
		for _, name := range args[1:] {
			text := s.read(name)
			at := line.FindStringIndex(text)
			if at == nil {
				s.fail("%s has no %s", name, args[0])
			}
			texts = append(texts, text[:at[0]]+text[at[1]:])
		}
		if texts[0] != texts[1] {
			s.fail("%s and %s differ:\n%s", args[1], args[2], cmp.Diff(texts[0], texts[1]))
		}
	},
	// term sends SIGTERM to the programs in the background, hup SIGHUP, kill SIGKILL.
	"term": func(s *script, _ []string) { s.signal(syscall.SIGTERM) },
	"hup":  func(s *script, _ []string) { s.signal(syscall.SIGHUP) },
	"kill": func(s *script, _ []string) { s.signal(syscall.SIGKILL) },
	// says PATTERN waits until a program in the background has said that on standard error,
	// prints PATTERN on standard output.
	"says": func(s *script, args []string) {
		s.hear(args[0], func(p *process) string { return p.errors.String() })
	},
	"prints": func(s *script, args []string) {
		s.hear(args[0], func(p *process) string { return p.out.String() })
	},
}

func (s *script) hear(pattern string, said func(*process) string) {
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, p := range s.background {
			if re.MatchString(said(p)) {
				return
			}
		}
	}
	s.fail("nothing in the background has said %s", pattern)
}

func got(s *script, args []string) {
	if found, want := s.world.recipients(), slices.Sorted(slices.Values(args)); !slices.Equal(found, want) {
		s.fail("the relay has taken mail to %v, not %v", found, want)
	}
	s.world.seen = len(s.world.taken())
}

// taken are the mails that the relay has accepted.
func (w *world) taken() []relaytest.Message {
	return slices.DeleteFunc(w.relay.Messages(), func(m relaytest.Message) bool { return !m.Taken })
}

func (w *world) recipients() []string {
	var list []string
	for _, m := range w.taken()[w.seen:] {
		list = append(list, m.To)
	}
	slices.Sort(list)
	return list
}

// dump is the whole content of a folder's database, a row a line, but for what serve writes by itself all the time:
// that it is awake, how relays are and which duties it has.
func dump(t testing.TB, dir string) string {
	t.Helper()
	lines := slices.DeleteFunc(storetest.Dump(t, filepath.Join(dir, "broadsheet.db")), func(l string) bool {
		return strings.HasPrefix(l, "findings [wake ") || strings.HasPrefix(l, "relay_states ") || strings.HasPrefix(l, "relay_shares ") || strings.HasPrefix(l, "duties ")
	})
	return strings.Join(lines, "\n") + "\n"
}

// environment is that of a program whose configuration lies in dir: a key, and what stands there for the database's
// file. More are names, each with its value.
func environment(t testing.TB, dir string, more ...string) []string {
	t.Helper()
	list := []string{"BROADSHEET_KEY=" + testKey}
	if storetest.OnPostgres() {
		list = append(list, "BROADSHEET_DB="+storetest.At(t, filepath.Join(dir, "broadsheet.db")))
	}
	for pair := range slices.Chunk(more, 2) {
		list = append(list, pair[0]+"="+pair[1])
	}
	return list
}

// surroundings are an [environment] for a program in this process.
func surroundings(t testing.TB, dir string, more ...string) func(name string) string {
	t.Helper()
	list := environment(t, dir, more...)
	return func(name string) string {
		for _, entry := range list {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// objectNames lists the names of a JSON object in order.
func objectNames(line string) (names []string, err error) {
	d := json.NewDecoder(strings.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%q is no JSON object: %w", line, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return nil, err
		}
		names = append(names, name.(string))
	}
	return names, nil
}

// ask sends a request, follows no redirect, and waits for a server that is about to start.
func ask(method, url string) (string, error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		req, err := http.NewRequest(method, url, nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if errors.Is(err, syscall.ECONNREFUSED) && time.Now().Before(end) {
			continue
		}
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		var b strings.Builder
		fmt.Fprintln(&b, resp.Status)
		for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(resp.Header[name], ", "))
		}
		return b.String() + "\n" + string(body), err
	}
}

var (
	href = regexp.MustCompile(`href="(http[^"]+)"`)
	bare = regexp.MustCompile(`http://127\.0\.0\.1:\d+/l/[A-Za-z0-9_-]+`)
)

// linksOf lists the links of a mail: those of its parts and of its List-Unsubscribe line.
func linksOf(raw []byte) []string {
	mail := demo.ParseMail(raw)
	found := map[string]bool{}
	for _, m := range href.FindAllStringSubmatch(mail.HTML, -1) {
		found[m[1]] = true
	}
	header, _, _ := strings.Cut(string(raw), "\r\n\r\n")
	for _, m := range bare.FindAllString(mail.Text+strings.ReplaceAll(header, "\r\n ", ""), -1) {
		found[m] = true
	}
	return slices.Sorted(maps.Keys(found))
}
