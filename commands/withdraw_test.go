package commands

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/bench"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// scanned is a mail that a scanner took.
type scanned struct {
	to   string
	has  bool // the word that is looked for stands in it
	done time.Time
}

// scanner is a relay that takes everything and notes of each mail whether a word stands in it.
type scanner struct {
	word  []byte
	count atomic.Int64

	mu    sync.Mutex
	mails []scanned
}

// serve takes connections until l is closed.
func (s *scanner) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go s.talk(c)
	}
}

func (s *scanner) talk(c net.Conn) {
	defer c.Close()
	in, out := bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 4<<10)
	say := func(line string) {
		out.WriteString(line + "\r\n")
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
	say("220 scanner.example ESMTP")
	to := ""
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line[:min(4, len(line))]); verb {
		case "EHLO":
			say("250-scanner.example\r\n250 PIPELINING")
		case "RCPT":
			to = strings.Trim(strings.Fields(line[8:])[0], "<>")
			say("250 2.1.5 Ok")
		case "DATA":
			say("354 go on")
			out.Flush()
			has, err := s.body(in)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.mails = append(s.mails, scanned{to, has, time.Now()})
			s.mu.Unlock()
			s.count.Add(1)
			say("250 2.0.0 Ok: queued")
		case "QUIT":
			say("221 bye")
			out.Flush()
			return
		default:
			say("250 2.0.0 Ok")
		}
	}
}

// body reads a message to its dot.
func (s *scanner) body(in *bufio.Reader) (has bool, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			return has, nil
		}
		has = has || bytes.Contains(line, s.word)
	}
}

// TestWithdrawMidRun withdraws a story, by another process's hands, while an issue goes out at full
// speed: soon after nothing with it arrives any more, all others get their mail, and those who are said to
// have it are those whose mail had it, to the reader. BROADSHEET_WITHDRAW sets the number of readers.
func TestWithdrawMidRun(t *testing.T) {
	readers := 1200
	if n, err := strconv.Atoi(os.Getenv("BROADSHEET_WITHDRAW")); err == nil {
		readers = n
	} else if testing.Short() {
		t.Skip("it fills a database and sends an issue")
	}
	ctx, now := t.Context(), time.Now().UTC()
	relay := &scanner{word: []byte("Qzx7w")}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go relay.serve(l)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f := benchFlags{readers: readers, stories: 200, sections: 20, connections: 16, inDoubt: 1, rate: 1_000_000}
	cfg, err := benchConfig(f, &benchRelay{host: "127.0.0.1", port: l.Addr().(*net.TCPAddr).Port}, now)
	must(err)
	entry, err := subscribers.NewKey("bench", rand.Reader)
	must(err)
	keys, err := subscribers.ParseKeys(entry)
	must(err)
	dsn := storetest.At(t, filepath.Join(t.TempDir(), "b.db"))
	var log bytes.Buffer
	hash := func(folded string) (h subscribers.Hash) {
		sum := sha256.Sum256([]byte(folded))
		copy(h[:], sum[:])
		return h
	}
	db, err := store.Open(ctx, dsn, store.Options{AddressHash: hash})
	must(err)
	defer db.Close()
	e, err := newEngine(cfg, db, keys, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	must(err)
	p := &program{stderr: io.Discard, stdout: io.Discard}
	must(p.inventReaders(ctx, e, f, now))
	for at, s := range bench.News(f.stories, f.sections, now) {
		_, err := db.AddStories(ctx, []stories.Story{s}, at)
		must(err)
	}
	bad := stories.Story{GUID: "bad", Headline: "Qzx7w names the wrong man", Lead: "Qzx7w, it says.", Published: now.Add(-2 * time.Hour), Source: "desk"}
	for n := range f.sections / 2 {
		bad.Sections = append(bad.Sections, bench.SectionID(n))
	}
	_, err = db.AddStories(ctx, []stories.Story{bad}, now.Add(-time.Hour))
	must(err)
	story := int64(f.stories + 1)
	must(db.PinStory(ctx, operators.By{Who: "test"}, story, "", 1, now))
	unlock, err := p.lockSender(ctx, e, false)
	must(err)
	defer unlock()
	opened, err := e.openDue(ctx, cfg.Edition(bench.Edition), nil)
	must(err)

	other, err := store.Open(ctx, dsn, store.Options{AddressHash: hash}) // as another process
	must(err)
	defer other.Close()
	var began, withdrawn time.Time
	var act sync.WaitGroup
	act.Go(func() {
		for relay.count.Load() < int64(readers)*4/10 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		began = time.Now()
		if _, err := other.WithdrawStory(context.WithoutCancel(ctx), operators.By{Who: "test"}, story, time.Now()); err != nil {
			t.Error(err)
		}
		withdrawn = time.Now()
	})
	start := time.Now()
	_, err = e.sendAll(ctx, sendRun{untilIdle: true})
	must(err)
	act.Wait()
	took := time.Since(start)

	var last time.Time
	var have, before []string
	for _, m := range relay.mails {
		if m.has {
			have = append(have, m.to)
			if m.done.After(last) {
				last = m.done
			}
			if m.done.Before(began) {
				before = append(before, m.to)
			}
		}
	}
	var said []string
	for h, err := range db.Having(ctx, story, nil) {
		must(err)
		said = append(said, h.Address)
	}
	slices.Sort(have)
	slices.Sort(said)
	if !slices.Equal(have, said) {
		t.Errorf("%d mails had the story, and %d readers are said to have it", len(have), len(said))
	}
	if late := last.Sub(withdrawn); late > 5*time.Second {
		t.Errorf("a mail with it arrived %s after it was withdrawn", late)
	}
	if len(have) == 0 || len(have) > readers*9/10 {
		t.Errorf("%d of %d readers have the story", len(have), readers)
	}
	must(db.CheckBooks(ctx, opened[0].ID))
	counts, err := db.IssueCounts(ctx, opened[0].ID)
	must(err)
	gone := counts[string(mailer.Accepted)] + counts[string(mailer.Skipped)] + counts[string(mailer.Cancelled)] + counts[string(mailer.Uncertain)]
	if gone != readers || counts[string(mailer.Accepted)] != len(relay.mails) {
		t.Errorf("of %d readers %v, and %d mails arrived", readers, counts, len(relay.mails))
	}
	t.Logf("%d mails in %s; withdrawal took %s; the last mail with the story %s after it was on record; %d have it (%d before); %v\n%s",
		len(relay.mails), took.Round(time.Millisecond), withdrawn.Sub(began).Round(time.Millisecond), last.Sub(withdrawn).Round(time.Millisecond), len(have), len(before), counts, &log)
}
