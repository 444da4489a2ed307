package commands

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"broadsheet/mailer"
	"broadsheet/store/storetest"
)

const (
	killReaders = 3000
	kills       = 30
)

// TestKill kills a sender at random instants, starts it again and looks whether the promises
// hold: nothing lost, the books balance, no more copies in doubt than in_doubt times the
// connections for each kill, never more than two of one mail, and a sender that is back at work
// within two seconds.
func TestKill(t *testing.T) {
	if os.Getenv("BROADSHEET_LONG") == "" {
		t.Skip("set BROADSHEET_LONG=1 to kill the program some times over")
	}
	for _, c := range []killCase{
		{4, 1, "pipelining", 0}, {4, 50, "plain", 0}, {16, 4, "pipelining", 0}, {16, 50, "auto", 0}, {64, 1, "auto", 0}, {64, 50, "pipelining", 0},
	} {
		t.Run(fmt.Sprintf("%d connections, in_doubt %d, %s", c.connections, c.inDoubt, c.dialogue), c.test)
	}
}

// killCase is how a sender that is to be killed talks to its relay, which offers CHUNKING too.
type killCase struct {
	connections, inDoubt int
	dialogue             string
	readers              int // 0 = killReaders
}

func (c killCase) test(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	relay := startCounting(t, rnd.Uint64())
	k := newKilled(t, relay, c)

	const at = "2026-03-02T07:00:00Z"
	most, slowest := 0, time.Duration(0)
	taken := map[string]int{}
	for n := range kills {
		before := relay.count()
		aim := before + rnd.IntN(2*killReaders/kills) // the mail at which to kill, so that the kills lie over the whole run
		cmd := k.command("send", "london", "--at", at)
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		if n < 3 { // while the issue opens
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
		} else {
			if !relay.await(before+1, ended) {
				break
			}
			slowest = max(slowest, time.Since(start))
			relay.await(aim, ended)
			time.Sleep(time.Duration(rnd.IntN(4000)) * time.Microsecond)
		}
		_ = cmd.Process.Kill()
		<-ended
		relay.settle()
		now := relay.copies()
		doubt := k.inDoubt(taken, now)
		if doubt > c.connections*c.inDoubt {
			t.Errorf("kill %d left %d copies in doubt", n, doubt)
		}
		most, taken = max(most, doubt), now
	}
	k.run("send", "london", "--at", at)
	k.run("send", "london", "--at", "2026-03-02T07:10:00Z") // a copy without an answer has gone again by now

	t.Logf("%d mails taken, %d of them second copies; at most %d in doubt after a kill; %s from start to the first mail at most",
		relay.count(), relay.extra(), most, slowest)
	if slowest > 2*time.Second {
		t.Errorf("a sender took %s to go on", slowest)
	}
	k.inDoubt(taken, taken)
	k.reckon(c, relay.copies())
}

// killed is a program with its files and its database.
type killed struct {
	t            *testing.T
	program, dir string
	dsn          string // "" = a file in dir
}

func newKilled(t *testing.T, relay *countingRelay, c killCase) *killed {
	return newKilledOn(t, relay, c, "")
}

func newKilledOn(t *testing.T, relay *countingRelay, c killCase, dsn string) *killed {
	k := &killed{t: t, dir: t.TempDir(), dsn: dsn}
	k.program = filepath.Join(k.dir, "broadsheet")
	if out, err := exec.Command("go", "build", "-o", k.program, "broadsheet").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	sections := []string{"world", "city", "arts", "sport"}
	config := `publication: {name: The Courier, from: "The Courier <mail@courier.example>", postal_address: "1 Row, Port", public_url: https://courier.example}
sections: [{id: world, name: World}, {id: city, name: City}, {id: arts, name: Arts}, {id: sport, name: Sport}]
editions: [{name: london, cron: "0 7 * * *", zone: Europe/London, spread: 0s}]
relays: [{name: main, host: 127.0.0.1, port: %d, tls: none, auth: none, connections: %d, in_doubt: %d, dialogue: %s, rate: 100000}]
`
	k.write("schedule.yaml", fmt.Sprintf(config, relay.port, c.connections, c.inDoubt, c.dialogue))
	var readers strings.Builder
	readers.WriteString("email,sections,editions,consent_source\n")
	for n := range cmp.Or(c.readers, killReaders) {
		fmt.Fprintf(&readers, "reader%d@example.com,%s;%s,london,test\n", n, sections[n%4], sections[(n+1+n/4%3)%4])
	}
	k.write("readers.csv", readers.String())
	for _, s := range sections {
		var feed strings.Builder
		feed.WriteString(`<rss version="2.0"><channel><title>News</title><link>https://courier.example/</link>`)
		for n := range 5 {
			fmt.Fprintf(&feed, `<item><title>%s headline number %d</title><link>https://courier.example/%s/%d</link><guid>https://courier.example/%s/%d</guid></item>`, s, n, s, n, s, n)
		}
		feed.WriteString(`</channel></rss>`)
		k.write(s+".xml", feed.String())
	}
	k.run("keys", "rotate")
	k.run("subscribers", "import", filepath.Join(k.dir, "readers.csv"), "--at", "2026-03-01T00:00:00Z")
	for _, s := range sections {
		k.run("stories", "import", "--section", s, filepath.Join(k.dir, s+".xml"), "--at", "2026-03-02T05:00:00Z")
	}
	return k
}

func (k *killed) write(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

func (k *killed) command(args ...string) *exec.Cmd {
	cmd := exec.Command(k.program, append([]string{"--config", filepath.Join(k.dir, "schedule.yaml")}, args...)...)
	dsn := k.dsn
	if dsn == "" {
		dsn = storetest.At(k.t, filepath.Join(k.dir, "broadsheet.db"))
	}
	cmd.Env = append(os.Environ(), "BROADSHEET_DB="+dsn, "BROADSHEET_KEY=", "BROADSHEET_KEY_FILE="+filepath.Join(k.dir, "keys"))
	return cmd
}

// run runs the program to its end and returns what it printed. That nothing was left to do is no failure.
func (k *killed) run(args ...string) []byte {
	k.t.Helper()
	cmd := k.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !(ok && exit.ExitCode() == exitNothing) {
		k.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// inDoubt looks at the database, and counts what the relay has taken between two
// looks without the ledger knowing.
func (k *killed) inDoubt(before, now map[string]int) (n int) {
	k.t.Helper()
	db := storetest.Raw(k.t, filepath.Join(k.dir, "broadsheet.db"))
	var verdict string
	if !storetest.OnPostgres() {
		if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
			k.t.Fatalf("integrity check: %q, %v", verdict, err)
		}
	}
	rows, err := db.Query(`SELECT s.address FROM deliveries d JOIN subscribers s ON s.id = d.subscriber WHERE d.state <> 'accepted'`)
	if err != nil {
		k.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var address string
		if err := rows.Scan(&address); err != nil {
			k.t.Fatal(err)
		}
		n += now[address] - before[address]
	}
	if err := rows.Err(); err != nil {
		k.t.Fatal(err)
	}
	return n
}

// reckon compares the ledger with what the relay took.
func (k *killed) reckon(c killCase, taken map[string]int) {
	counts := map[mailer.State]int{}
	listing := json.NewDecoder(bytes.NewReader(k.run("deliveries", "list", "--json")))
	for {
		var d struct {
			Address string
			State   mailer.State
			Copies  int
		}
		if err := listing.Decode(&d); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			k.t.Fatal(err)
		}
		counts[d.State]++
		switch n := taken[d.Address]; {
		case d.State == mailer.Accepted && n == 0:
			k.t.Errorf("%s is accepted on record, and the relay has nothing", d.Address)
		case n > 2, n > d.Copies:
			k.t.Errorf("%s got %d copies, on record are %d", d.Address, n, d.Copies)
		}
	}
	if counts[mailer.Accepted]+counts[mailer.Uncertain] != killReaders {
		k.t.Errorf("of %d deliveries are %v", killReaders, counts)
	}
	if counts[mailer.Uncertain] > kills*c.connections*c.inDoubt {
		k.t.Errorf("%d deliveries are uncertain after %d kills", counts[mailer.Uncertain], kills)
	}
}

// countingRelay takes every mail, a moment late, and counts them by recipient.
type countingRelay struct {
	port int

	mu       sync.Mutex
	rnd      *rand.Rand
	taken    map[string]int
	total    int
	times    []time.Time // when each was taken
	most     int         // sessions at once
	begun    time.Time   // the latest MAIL
	sessions int
	gone     sync.Cond     // sessions has changed
	more     chan struct{} // closed and replaced at each mail
}

func startCounting(t *testing.T, seed uint64) *countingRelay {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &countingRelay{port: ln.Addr().(*net.TCPAddr).Port, rnd: rand.New(rand.NewPCG(seed, 2)),
		taken: map[string]int{}, more: make(chan struct{})}
	r.gone.L = &r.mu
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		r.session(1)
		return &countingSession{relay: r}, nil
	}))
	server.Domain = "relay.example"
	server.ErrorLog = log.New(io.Discard, "", 0) // a killed sender says no goodbye
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return r
}

func (r *countingRelay) take(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken[to]++
	r.total++
	r.times = append(r.times, time.Now())
	close(r.more)
	r.more = make(chan struct{})
}

func (r *countingRelay) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.rnd.IntN(4000)) * time.Microsecond
}

func (r *countingRelay) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

func (r *countingRelay) extra() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total - len(r.taken)
}

func (r *countingRelay) copies() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.taken)
}

// settle waits until no session is left: what a killed sender has sent may still be on its way.
func (r *countingRelay) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.sessions > 0 {
		r.gone.Wait()
	}
}

func (r *countingRelay) session(more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions += more
	r.most = max(r.most, r.sessions)
	r.gone.Broadcast()
}

// await waits until the relay has taken n mails; false if the sender ends before.
func (r *countingRelay) await(n int, ended chan error) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		r.mu.Lock()
		total, more := r.total, r.more
		r.mu.Unlock()
		if total >= n {
			return true
		}
		select {
		case <-more:
		case err := <-ended:
			ended <- err
			return false
		case <-ctx.Done():
			return false
		}
	}
}

type countingSession struct {
	relay *countingRelay
	to    string
}

func (s *countingSession) Mail(string, *smtp.MailOptions) error {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.relay.begun = time.Now()
	return nil
}

func (s *countingSession) Reset() {}

func (s *countingSession) Logout() error {
	s.relay.session(-1)
	return nil
}

func (s *countingSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

// Data takes the mail, and only then pauses: what is killed meanwhile never reads the reply.
func (s *countingSession) Data(content io.Reader) error {
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	s.relay.take(s.to)
	time.Sleep(s.relay.pause())
	return nil
}
