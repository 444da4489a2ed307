package commands

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer/inbox"
	"broadsheet/mailer/relaytest"
	"broadsheet/mailer/report"
	"broadsheet/operators"
	"broadsheet/store"
)

// newsroom is a publication whose readers have their morning digest and may answer it.
type newsroom struct {
	*engine
	program *program
	t       *testing.T
	relay   *relaytest.Relay
	clock   time.Time
	reply   map[string]string // Reply-To of the digests, by reader
	mails   int               // that came in
}

func openNewsroom(t *testing.T) *newsroom {
	t.Helper()
	w := &newsroom{t: t, relay: relaytest.Start(t), clock: time.Date(2026, 1, 13, 9, 0, 0, 0, time.UTC), reply: map[string]string{}}
	c := &console{t: t, dir: t.TempDir()}
	fixture := strings.NewReplacer("$SMTP", itoa(int64(w.relay.Port)), "$LISTEN", "1", "$FEEDS", "1").Replace(read(t, "testdata/fixture/schedule.yaml"))
	write(t, c.dir+"/schedule.yaml", fixture+"intake: {pipe: true, replies: true, forward_to: desk@tidewater.example}\n")
	for _, name := range []string{"readers.csv", "world.xml"} {
		write(t, c.dir+"/"+name, read(t, "testdata/fixture/"+name))
	}
	c.must(0, "subscribers", "import", "--at", "2026-01-12T06:00:00Z", c.dir+"/readers.csv")
	c.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", c.dir+"/world.xml")
	c.must(0, "send", "morning", "--at", "2026-01-13T07:00:30Z")
	for _, m := range w.relay.Messages() {
		w.reply[m.To] = mailOf(t, m.Data).Header.Get("Reply-To")
	}
	w.mails = len(w.relay.Messages())
	var log output
	p := &program{getenv: surroundings(t, c.dir), stdout: &log, stderr: &log, configFile: c.dir + "/schedule.yaml"}
	e, err := p.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.close() })
	w.engine, w.program = e, p
	e.now = func() time.Time { return w.clock }
	return w
}

func mailOf(t *testing.T, data string) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return m
}

// comeIn takes messages in, as the way back does.
func (w *newsroom) comeIn(messages ...string) []intake.Outcome {
	w.t.Helper()
	var mails []inbox.Mail
	for n, m := range messages {
		mails = append(mails, inbox.Mail{Key: fmt.Sprint(n), At: w.clock, Raw: []byte(m), Size: int64(len(m))})
	}
	out, err := w.clerk().Take(w.t.Context(), "pipe", mails)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// passOn passes on what is due and returns the mails that the relay got by it.
func (w *newsroom) passOn() []relaytest.Message {
	w.t.Helper()
	w.forwardAnswers(w.t.Context())
	all := w.relay.Messages()
	fresh := all[w.mails:]
	w.mails = len(all)
	return fresh
}

// answer is one by a reader, to the address that the digest names.
func (w *newsroom) answer(from, subject, body string) string {
	to := w.reply["ada@reader.example"]
	if to == "" {
		w.t.Fatal("there is no digest to answer")
	}
	return "From: " + from + "\r\nTo: " + to + "\r\nSubject: " + subject + "\r\nMessage-ID: <" + fmt.Sprint(w.clock.UnixNano(), len(body)) + "@reader.example>\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body + "\r\n"
}

// parts returns the text of a forwarded answer and the message that it carries.
func parts(t *testing.T, data string) (header mail.Header, text, kind, original string) {
	t.Helper()
	m := mailOf(t, data)
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for n := 0; ; n++ {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) && n == 2 {
			return m.Header, text, kind, original
		}
		if err != nil || n == 2 {
			t.Fatalf("part %d: %v in\n%s", n, err, data)
		}
		if coding := p.Header.Get("Content-Transfer-Encoding"); n == 1 && coding == "8bit" && m.Header.Get("Content-Transfer-Encoding") != "8bit" ||
			coding == "7bit" && strings.ContainsFunc(data, func(r rune) bool { return r > 126 }) {
			t.Errorf("part %d is %s in\n%s", n, coding, data)
		}
		var body io.Reader = p
		switch p.Header.Get("Content-Transfer-Encoding") {
		case "quoted-printable":
			body = quotedprintable.NewReader(p)
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, p)
		}
		b, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			text = strings.ReplaceAll(string(b), "\r\n", "\n")
		} else {
			kind, _, _ = mime.ParseMediaType(p.Header.Get("Content-Type"))
			original = string(b)
		}
	}
}

func TestForwardAnswer(t *testing.T) {
	w := openNewsroom(t)
	sent := w.answer("Ada Example <ada@reader.example>", "Re: Ferries", "Well said.\r\n\r\nOn 13 Jan 2026, The Tidewater Post wrote:\r\n> Unsubscribe me")
	if out := w.comeIn(sent, sent)[0]; !out.Forward || out.Task != "" {
		t.Fatalf("taken in as %+v", out)
	}
	got := w.passOn()
	if len(got) != 1 || len(w.passOn()) != 0 {
		t.Fatalf("%d mails, want one", len(got))
	}
	header, text, kind, original := parts(t, got[0].Data)
	for name, want := range map[string]string{"From": `"The Tidewater Post" <post@tidewater.example>`, "To": "<desk@tidewater.example>", "Reply-To": "<ada@reader.example>",
		"Subject": "Fwd: Re: Ferries", "Auto-Submitted": "auto-generated", "Date": "Tue, 13 Jan 2026 09:00:00 +0000"} {
		if header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, header.Get(name), want)
		}
	}
	want := `Ada Example <ada@reader.example> answered "Re: Ferries" (The Tidewater Morning, 13 January).
Reader 1, active since 12 January 2026, follows World, Sport.
broadsheet subscribers show ada@reader.example

| Well said.
`
	if text != want || kind != "message/rfc822" || strings.TrimRight(original, "\r\n") != strings.TrimRight(sent, "\r\n") {
		t.Errorf("%s of %s:\n%s\nwant:\n%s\nwith\n%s", kind, got[0].Data, text, want, original)
	}
	if got[0].From != "bounce+answer@tidewater.example" || got[0].To != "desk@tidewater.example" {
		t.Errorf("envelope %s to %s", got[0].From, got[0].To)
	}
	if tasks, err := w.db.Tasks(t.Context(), true); err != nil || len(tasks) != 0 {
		t.Errorf("tasks %v, %v", tasks, err)
	}
}

// TestForwardLeave: an Arabic answer that asks to leave is passed on as it is, and says which task it is.
func TestForwardLeave(t *testing.T) {
	w := openNewsroom(t)
	w.comeIn(w.answer("=?utf-8?b?2YTZitmE2Yk=?= <layla@other.example>", "=?utf-8?b?2LHYrzog2KfZhNi52KjYp9ix2KfYqg==?=", "أرجو إلغاء اشتراكي في النشرة."))
	tasks, err := w.db.Tasks(t.Context(), true)
	if err != nil || len(tasks) != 1 || tasks[0].Kind != "leave" || tasks[0].Address != "ada@reader.example" || tasks[0].From != "layla@other.example" {
		t.Fatalf("tasks %+v, %v", tasks, err)
	}
	got := w.passOn()
	if len(got) != 1 {
		t.Fatalf("%d mails", len(got))
	}
	header, text, kind, original := parts(t, got[0].Data)
	subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	if err != nil || subject != "[Asks to leave] Fwd: رد: العبارات" {
		t.Errorf("subject %q, %v", subject, err)
	}
	for _, want := range []string{"\u2068ليلى\u2069 <layla@other.example> answered \u2068\"رد: العبارات\"\u2069", "Reader 1, active", "another address than the reader's",
		fmt.Sprintf("asks to leave: task %d. The reader gets mail until somebody runs: broadsheet tasks done %[1]d --leave\n", tasks[0].ID), "| أرجو إلغاء اشتراكي في النشرة."} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if kind != "message/rfc822" || !strings.Contains(original, "أرجو إلغاء") {
		t.Errorf("%s\n%s", kind, original)
	}
	if _, done, err := w.db.FinishTask(t.Context(), operators.By{Who: "ann"}, tasks[0].ID, false, "unsubscribed\nher", w.clock); err != nil || !done {
		t.Error(done, err)
	}
	if _, done, err := w.db.FinishTask(t.Context(), operators.By{Who: "ann"}, tasks[0].ID, false, "again", w.clock); err != nil || done {
		t.Error(done, err)
	}
	one, err := w.db.Task(t.Context(), tasks[0].ID)
	if open, openErr := w.db.Tasks(t.Context(), true); err != nil || openErr != nil || one.Outcome != "unsubscribed her" || one.Done.IsZero() || len(open) != 0 {
		t.Errorf("%+v %v %v", one, open, errors.Join(err, openErr))
	}
	if _, err := w.db.Task(t.Context(), 99); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

// TestForwardHostile: what a person writes adds no field, ends no part and turns no line, and a message that cannot
// stand in another is wrapped up.
func TestForwardHostile(t *testing.T) {
	w := openNewsroom(t)
	evil := "=?utf-8?q?Re:_x=0D=0ABcc:_all@other.example=0D=0A=0D=0A<b>?=\r\n " + strings.Repeat("=?utf-8?q?=E2=80=AE_long_?=\r\n ", 30) + "end"
	w.comeIn(w.answer("\"Eve\u202e <x@y> \\\" \r\n Bcc: a@b\" <eve@other.example>", evil, "--=_x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.\r\n..\r\nFrom here\r\n"+strings.Repeat("é", 400)))
	w.clock = w.clock.Add(time.Second)
	w.comeIn(w.answer("eve@other.example", "Re: y", strings.Repeat("x", 2000)+"\x00 and more"))
	got := w.passOn()
	if len(got) != 2 {
		t.Fatalf("%d mails", len(got))
	}
	for n, m := range got {
		header, text, kind, _ := parts(t, m.Data)
		subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
		if err != nil || header.Get("Bcc") != "" || len(header["From"]) != 1 || strings.ContainsAny(subject, "\r\n\u202e") || len([]rune(subject)) > 210 {
			t.Errorf("mail %d: %q %v", n, header, err)
		}
		if !regexp.MustCompile(`(?m)^Subject: \S`).MatchString(m.Data) {
			t.Errorf("the first line of mail %d's subject is empty:\n%s", n, m.Data)
		}
		if strings.Contains(text, "\u202e") || strings.Contains(text, "\nBcc") {
			t.Errorf("text of mail %d:\n%s", n, text)
		}
		if want := []string{"message/rfc822", "application/octet-stream"}[n]; kind != want {
			t.Errorf("mail %d has a %s, not %s", n, kind, want)
		}
		for line := range strings.SplitSeq(m.Data, "\r\n") {
			if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") {
				t.Errorf("mail %d: line of %d octets", n, len(line))
			}
		}
	}
}

// TestForwardWide: a sender's domain beyond ASCII stands in its other form, and an address that needs SMTPUTF8 is in the text alone.
func TestForwardWide(t *testing.T) {
	w := openNewsroom(t)
	w.comeIn(w.answer("ada@bücher.example", "Re: x", "One."), w.answer("zoë@other.example", "Re: x", "Two."))
	got := w.passOn()
	if len(got) != 2 {
		t.Fatalf("%d mails", len(got))
	}
	for n, want := range []string{"<ada@xn--bcher-kva.example>", ""} {
		header, _, _, _ := parts(t, got[n].Data)
		if header.Get("Reply-To") != want || !isASCII(fmt.Sprint(header)) {
			t.Errorf("mail %d: %v", n, header)
		}
	}
}

// TestForwardLoops: machines' mail, our own and what was forwarded are not passed on.
func TestForwardLoops(t *testing.T) {
	w := openNewsroom(t)
	keep := func(name, message string) {
		t.Helper()
		w.clock = w.clock.Add(time.Minute)
		out := w.comeIn(message)
		if got := w.passOn(); len(got) != 0 {
			t.Errorf("%s is passed on (%+v):\n%s", name, out, got[0].Data)
		}
	}
	keep("a vacation note", strings.Replace(w.answer("ada@reader.example", "Automatic reply: x", "I am away."), "Content-Type", "Auto-Submitted: auto-replied\r\nContent-Type", 1))
	keep("the newsroom's own", w.answer("Desk <DESK@tidewater.example>", "Re: x", "We answer."))
	keep("the publication's own", w.answer("post@tidewater.example", "Re: x", "We answer."))
	keep("one from our address", w.answer(w.reply["ben@reader.example"], "Re: x", "We answer."))
	w.comeIn(w.answer("ada@reader.example", "Re: x", "Fine."))
	first := w.passOn()
	if len(first) != 1 {
		t.Fatalf("%d mails", len(first))
	}
	keep("what was forwarded", first[0].Data)
	again := strings.NewReplacer("Auto-Submitted: auto-generated\r\n", "", "post@tidewater.example", "other@other.example", "<desk@tidewater.example>", w.reply["ada@reader.example"]).Replace(first[0].Data)
	keep("what was forwarded and went through other hands", again)
	for _, name := range []string{"X-Broadsheet-Forward", "Auto-Submitted"} {
		if mailOf(t, first[0].Data).Header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
}

// TestForwardKilled: what leaves is on record before the relay sees it. After a kill between the last octet and the
// record a second copy goes, the same to the byte, and no third; a task says so.
func TestForwardKilled(t *testing.T) {
	w := openNewsroom(t)
	w.comeIn(w.answer("ada@reader.example", "Re: x", "Fine."))
	next := func() *store.Forward {
		t.Helper()
		f, err := w.db.NextForward(t.Context(), w.clock)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var copies []string
	for range 2 { // as forwardOne does, up to the record
		f := next()
		if f == nil {
			t.Fatal("no answer is due")
		}
		if err := w.db.BeginForward(t.Context(), f, w.clock); err != nil {
			t.Fatal(err)
		}
		r := report.Read(f.Raw)
		if err := w.sendForward(t.Context(), w.cfg.Relays[0], f, &r); err != nil {
			t.Fatal(err)
		}
		all := w.relay.Messages()
		copies = append(copies, all[len(all)-1].Data)
		if next() != nil {
			t.Fatal("it is due while somebody may have it in hand")
		}
		w.clock = w.clock.Add(11 * time.Minute)
	}
	if copies[0] != copies[1] || !regexp.MustCompile(`\nMessage-I[Dd]: <[a-z2-7]+@tidewater\.example>\r`).MatchString(copies[0]) {
		t.Errorf("the copies differ:\n%s\n%s", copies[0], copies[1])
	}
	w.mails = len(w.relay.Messages())
	if got := w.passOn(); len(got) != 0 {
		t.Errorf("a third copy went: %s", got[0].Data)
	}
	tasks, err := w.db.Tasks(t.Context(), true)
	if err != nil || len(tasks) != 1 || tasks[0].Kind != store.TaskForward || !strings.Contains(tasks[0].Detail, "uncertain") {
		t.Errorf("tasks %+v, %v", tasks, err)
	}
}

// TestForwardTroubles: a relay's refusals are tried again by the plan, up to two days; then a task tells.
func TestForwardTroubles(t *testing.T) {
	for name, tt := range map[string]struct {
		script []string
		rounds int    // minutes until it is over, at most
		mails  int    // that came in whole
		taken  bool   // one of them was
		task   string // what the task says; "" = none
	}{
		"later":          {[]string{"RCPT 450 4.2.1 later"}, 3, 1, true, ""},
		"no such box":    {[]string{"RCPT 550 5.1.1 no"}, 0, 0, false, "failed: rcpt 550 5.1.1"},
		"silent once":    {[]string{"DOT hangup"}, 3, 2, true, ""},
		"silent twice":   {[]string{"DOT hangup", "DOT hangup"}, 3, 2, false, "uncertain: unanswered"},
		"down":           {[]string{"CONNECT 421 4.3.2 closed"}, 3, 1, true, ""},
		"later for ever": {[]string{"RCPT* 450 4.2.1 later"}, 49 * 60, 0, false, "expired"},
		"down for ever":  {[]string{"CONNECT* hangup"}, 49 * 60, 0, false, "expired"},
		"seven bits":     {[]string{"EHLO* 250 relay"}, 0, 1, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.rounds > 60 && testing.Short() {
				t.Skip("two days take some seconds")
			}
			w := openNewsroom(t)
			w.relay.Script(tt.script...)
			w.comeIn(w.answer("ada@reader.example", "Re: x", "Fine, é."))
			before, step := w.mails, time.Minute
			for n := 0; n <= tt.rounds; n += int(step / time.Minute) {
				w.passOn()
				if n > 20 {
					step = 20 * time.Minute
				}
				w.clock = w.clock.Add(step)
			}
			all := w.relay.Messages()[before:]
			if len(all) != tt.mails || tt.taken != (len(all) > 0 && all[len(all)-1].Taken) {
				t.Errorf("%d mails came in, want %d, taken %v", len(all), tt.mails, tt.taken)
			}
			if len(all) == 2 && all[0].Data != all[1].Data {
				t.Error("the copies differ")
			}
			tasks, err := w.db.Tasks(t.Context(), true)
			if err != nil || (len(tasks) > 0) != (tt.task != "") || len(tasks) > 0 && !strings.Contains(tasks[0].Detail, tt.task) {
				t.Errorf("tasks %+v, %v", tasks, err)
			}
			if _, waits, err := w.db.NextForwardDue(t.Context()); waits || err != nil {
				t.Errorf("it waits still (%v)", err)
			}
		})
	}
}

// TestForwardFlood: of one sender so many are passed on in an hour; the rest is set aside, and one task tells.
func TestForwardFlood(t *testing.T) {
	w := openNewsroom(t)
	var flood []string
	for n := range 50 {
		flood = append(flood, w.answer(fmt.Sprintf("e%d@other.example", n%2), "Re: x", "Number "+strings.Repeat("i", n)))
	}
	flood = append(flood, strings.Replace(w.answer("ben@reader.example", "Re: y", "I too."), w.reply["ada@reader.example"], w.reply["ben@reader.example"], 1))
	out := w.comeIn(flood...)
	if effect := out[30].Effect; !strings.Contains(effect, "not forwarded") {
		t.Errorf("effect %q", effect)
	}
	got := w.passOn()
	tasks, err := w.db.Tasks(t.Context(), true)
	if len(got) != 21 || err != nil || len(tasks) != 1 || tasks[0].Kind != store.TaskFlood {
		t.Errorf("%d mails, tasks %+v, %v", len(got), tasks, err)
	}
	w.clock = w.clock.Add(61 * time.Minute)
	w.comeIn(w.answer("e0@other.example", "Re: x", "An hour later."))
	if got := w.passOn(); len(got) != 1 {
		t.Errorf("%d mails after an hour", len(got))
	}
}

// TestForwardStops: the end of the program while a relay thinks leaves the answer on record.
func TestForwardStops(t *testing.T) {
	w := openNewsroom(t)
	w.relay.Script("RCPT wait; 250 fine")
	w.comeIn(w.answer("ada@reader.example", "Re: x", "Fine."))
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.forwardAnswers(ctx)
	}()
	<-w.relay.Waiting()
	end()
	w.relay.Release()
	<-done
	w.clock = w.clock.Add(time.Hour)
	w.passOn()
	taken := 0
	for _, m := range w.relay.Messages() {
		if m.Taken && bytes.Contains([]byte(m.Data), []byte("X-Broadsheet-Forward")) {
			taken++
		}
	}
	if taken != 1 {
		t.Errorf("it was taken %d times", taken)
	}
}

// TestServeForwards: an answer that lies in the Maildir comes to the newsroom.
func TestServeForwards(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for the second look")
	}
	w := openNewsroom(t)
	dir := t.TempDir()
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "new", "1.x.host"), w.answer("ada@reader.example", "Re: Ferries", "Well said."))
	w.cfg.Intake.Maildir = []string{dir}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	done := make(chan error)
	go func() { done <- w.program.serveOn(ctx, w.engine, l, nil, nil) }()
	for stop := time.Now().Add(patience); len(w.relay.Messages()) == w.mails; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(stop) {
			t.Fatal("nothing came")
		}
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
	got := w.relay.Messages()[w.mails:]
	if _, text, _, _ := parts(t, got[0].Data); len(got) != 1 || got[0].To != "desk@tidewater.example" || !strings.Contains(text, "| Well said.") {
		t.Errorf("%d mails: %s", len(got), got[0].Data)
	}
}

// TestForwardLong: of a long answer not all is kept; intake has seen that a person wrote it, and it goes on.
func TestForwardLong(t *testing.T) {
	w := openNewsroom(t)
	long := "From: ada@reader.example\r\nTo: " + w.reply["ada@reader.example"] + "\r\nSubject: Re: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n" +
		"--cut\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(strings.Repeat("A", 76)+"\r\n", 1000) +
		"--cut\r\nContent-Type: text/plain\r\n\r\nA picture for you.\r\n--cut--\r\n"
	if out := w.comeIn(long)[0]; !out.Forward || !out.Cut {
		t.Fatalf("taken in as %s, cut %v", out.Class, out.Cut)
	}
	if got := w.passOn(); len(got) != 1 || !strings.Contains(got[0].Data, "the message below is not whole") {
		t.Errorf("%d mails", len(got))
	}
	for m, err := range w.db.Inbound(t.Context(), store.InboundFilter{}) {
		if err != nil || m.Effect != "forwarded at 2026-01-13 09:00:00" {
			t.Errorf("%q, %v", m.Effect, err)
		}
	}
	if !strings.Contains(w.program.stderr.(*output).String(), `msg="answer is forwarded" message=1 relay=`) {
		t.Error("no line says that it was forwarded")
	}
}
