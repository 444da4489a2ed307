package commands

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

const (
	harborKey    = "BROADSHEET_EVENTS_DOCK"
	harborSecret = "key-0123456789abcdef"
)

// harbor is a publication whose relay reports what became of mails, and has taken all mails of an issue.
type harbor struct {
	*testing.T
	*engine
	pages *httptest.Server
	mails []relaytest.Message
	log   output
	posts int
}

// newHarbor sends an issue to n readers by a relay of a provider's, which does what the script says.
func newHarbor(t *testing.T, provider, secret string, n int, script ...string) *harbor {
	h := &harbor{T: t}
	c := &console{t: t, dir: t.TempDir()}
	relay := relaytest.Start(t, script...)
	text := strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1", "$SMTP", itoa(int64(relay.Port)), "connections: 1, rate: 1000}",
		"connections: 4, rate: 10000, events: {provider: "+provider+"}}").Replace(read(t, "testdata/fixture/schedule.yaml"))
	write(t, c.dir+"/schedule.yaml", text)
	var list strings.Builder
	list.WriteString("email,sections,editions,consent_source\n")
	for i := range n {
		fmt.Fprintf(&list, "reader%d@reader.example,world,morning,test\n", i)
	}
	write(t, c.dir+"/readers.csv", list.String())
	write(t, c.dir+"/world.xml", read(t, "testdata/fixture/world.xml"))
	c.must(0, "subscribers", "import", c.dir+"/readers.csv")
	c.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", c.dir+"/world.xml")

	getenv := surroundings(t, c.dir, harborKey, secret)
	sender := &program{getenv: getenv, stdin: strings.NewReader(""), stdout: &h.log, stderr: &h.log}
	if code := sender.run(t.Context(), []string{"--config", c.dir + "/schedule.yaml", "send", "morning", "--at", "2026-01-13T07:00:30Z"}); code != 0 {
		t.Fatalf("send: exit code %d\n%s", code, &h.log)
	}
	// Providers sign with the real time, whatever the program's clock says.
	p := &program{getenv: getenv, stdout: &h.log, stderr: &h.log, configFile: c.dir + "/schedule.yaml", at: "2026-01-13T07:40:00Z"}
	var err error
	if h.engine, err = p.engine(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.close() })
	pages, err := h.engine.pages()
	if err != nil {
		t.Fatal(err)
	}
	h.pages = httptest.NewServer(pages)
	t.Cleanup(h.pages.Close)
	if h.mails = relay.Messages(); len(h.mails) != n {
		t.Fatalf("%d mails were sent", len(h.mails))
	}
	return h
}

// mailTo is the header of the mail to a reader.
func (h *harbor) mailTo(reader int) (string, mail.Header) {
	h.Helper()
	for _, m := range h.mails {
		if m.To == fmt.Sprintf("reader%d@reader.example", reader) {
			parsed, err := mail.ReadMessage(strings.NewReader(m.Data))
			if err != nil {
				h.Fatal(err)
			}
			return m.From, parsed.Header
		}
	}
	h.Fatalf("no mail to reader %d", reader)
	return "", nil
}

// signed is a post of Mailgun of an event.
func (h *harbor) signed(secret string, at time.Time, event map[string]any) []byte {
	h.Helper()
	h.posts++
	token := fmt.Sprintf("%050d", h.posts)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d%s", at.Unix(), token)
	body, err := json.Marshal(map[string]any{"event-data": event,
		"signature": map[string]any{"timestamp": fmt.Sprint(at.Unix()), "token": token, "signature": hex.EncodeToString(mac.Sum(nil))}})
	if err != nil {
		h.Fatal(err)
	}
	return body
}

// event is what Mailgun says of the mail to a reader, of whom it knows what the mail's own field said.
func (h *harbor) event(reader int, what map[string]any) map[string]any {
	h.Helper()
	_, header := h.mailTo(reader)
	var variables map[string]any
	if err := json.Unmarshal([]byte(header.Get("X-Mailgun-Variables")), &variables); err != nil {
		h.Fatal(err)
	}
	e := map[string]any{"timestamp": float64(time.Now().UnixMilli()) / 1e3, "recipient": fmt.Sprintf("reader%d@reader.example", reader), "user-variables": variables}
	for k, v := range what {
		e[k] = v
	}
	return e
}

func (h *harbor) post(path string, body []byte, headers ...string) (int, string) {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), http.MethodPost, h.pages.URL+path, bytes.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// states are the deliveries' states, each with the number of mails.
func (h *harbor) states() string {
	h.Helper()
	counts, err := h.db.IssueCounts(h.Context(), 1)
	if err != nil {
		h.Fatal(err)
	}
	return fmt.Sprint(counts)
}

// dump is every row of every table.
func (h *harbor) dump() string {
	h.Helper()
	return dump(h.T, filepath.Dir(h.cfg.File))
}

var (
	arrived   = map[string]any{"event": "delivered", "delivery-status": map[string]any{"code": 250, "message": "OK", "mx-host": "mx.reader.example"}}
	noSuch    = map[string]any{"event": "failed", "severity": "permanent", "reason": "bounce", "delivery-status": map[string]any{"code": 550, "enhanced-code": "5.1.1", "message": "5.1.1 No such user"}}
	putOff    = map[string]any{"event": "failed", "severity": "temporary", "reason": "generic", "delivery-status": map[string]any{"code": 421, "message": "4.7.0 try again later"}}
	oneArrive = `map[accepted:2 delivered:1]`
)

// TestEvents posts what Mailgun reports of mails that were sent: each lands on its delivery, once.
func TestEvents(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 3)
	first := h.signed(harborSecret, time.Now(), h.event(0, arrived))
	for range 2 { // Mailgun did not hear us, or somebody else heard it
		if status, text := h.post("/events/dock", first); status != 200 || text != "ok\n" {
			t.Fatalf("answered %d %q\n%s", status, text, &h.log)
		}
	}
	if got := h.states(); got != oneArrive {
		t.Errorf("the books say %s", got)
	}
	before := h.dump()
	if status, _ := h.post("/events/dock", first); status != 200 || h.dump() != before {
		t.Errorf("played again it is answered %d and changes the database", status)
	}
	if status, _ := h.post("/events/dock", h.signed(harborSecret, time.Now(), h.event(0, putOff))); status != 200 || h.states() != oneArrive {
		t.Errorf("a delay of a mail that has arrived: %d, %s", status, h.states())
	}
	for n, what := range map[int]map[string]any{1: putOff, 2: noSuch} {
		if status, text := h.post("/events/dock", h.signed(harborSecret, time.Now(), h.event(n, what))); status != 200 {
			t.Errorf("%v: answered %d %q", what, status, text)
		}
	}
	if got := h.states(); got != `map[bounced:1 delayed:1 delivered:1]` {
		t.Errorf("the books say %s", got)
	}
	// By the envelope sender alone, in capitals.
	sender, _ := h.mailTo(1)
	e := h.event(1, arrived)
	e["user-variables"], e["envelope"] = []any{}, map[string]any{"sender": strings.ToUpper(sender)}
	if status, _ := h.post("/events/dock", h.signed(harborSecret, time.Now(), e)); status != 200 || h.states() != `map[bounced:1 delivered:2]` {
		t.Errorf("by the envelope sender: %d, %s", status, h.states())
	}
	// A complaint bars the reader at once, and who leaves by the provider's own link has left.
	for n, what := range []string{"complained", "unsubscribed"} {
		if status, _ := h.post("/events/dock", h.signed(harborSecret, time.Now(), h.event(n, map[string]any{"event": what}))); status != 200 {
			t.Errorf("%s: answered %d", what, status)
		}
	}
	var barred []string
	for s, err := range h.db.Suppressions(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		barred = append(barred, s.Address+" "+string(s.Reason))
	}
	slices.Sort(barred)
	if want := []string{"reader0@reader.example complaint", "reader1@reader.example unsubscribed", "reader2@reader.example hard_bounce"}; !slices.Equal(barred, want) {
		t.Errorf("barred are %q, not %q", barred, want)
	}
	// Of another's mail.
	before = h.dump()
	e["envelope"], e["recipient"] = map[string]any{"sender": "other@tidewater.example"}, "nobody@reader.example"
	if status, _ := h.post("/events/dock", h.signed(harborSecret, time.Now(), e)); status != 200 || strings.Count(h.dump(), "\n") != strings.Count(before, "\n")+1 {
		t.Errorf("of a mail that is not ours: %d; more than the report's name is on record", status)
	}
}

// TestEventsRefused: what no provider sent changes nothing, and hears the same as if there were no such
// relay.
func TestEventsRefused(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 1)
	before := h.dump()
	event := h.event(0, noSuch)
	forged := h.signed("key-of-another", time.Now(), event)
	status, text := h.post("/events/dock", forged)
	if other, otherText := h.post("/events/pier", h.signed(harborSecret, time.Now(), event)); status != 404 || other != status || otherText != text {
		t.Errorf("wrong signature: %d %q, no such relay: %d %q", status, text, other, otherText)
	}
	if status, _ := h.post("/events/dock", h.signed(harborSecret, time.Now().Add(-24*time.Hour), event)); status != 403 {
		t.Errorf("of yesterday: %d", status)
	}
	if status, _ := h.post("/events/dock", bytes.Repeat([]byte(" "), 1<<20+1)); status != 413 {
		t.Errorf("too large: %d", status)
	}
	if status, _ := h.post("/events/dock", h.signed(harborSecret, time.Now(), map[string]any{"event": 5})); status != 400 {
		t.Errorf("not as Mailgun's are: %d", status)
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
		req, err := http.NewRequestWithContext(t.Context(), method, h.pages.URL+"/events/dock", bytes.NewReader(h.signed(harborSecret, time.Now(), event)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 404 && resp.StatusCode != 405 {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
	if h.dump() != before {
		t.Error("the database changed")
	}
	limited := 0
	for range 30 {
		if status, _ := h.post("/events/dock", forged); status == 429 {
			limited++
		} else if status != 404 {
			t.Fatalf("answered %d", status)
		}
	}
	if limited != 12 { // two of the twenty were above
		t.Errorf("%d of 30 were answered 429", limited)
	}
	if status, _ := h.post("/events/dock", h.signed(harborSecret, time.Now(), h.event(0, arrived))); status != 200 {
		t.Errorf("the provider itself, from there too: %d", status)
	}
	for _, secret := range []string{harborSecret, "key-of-another"} {
		if strings.Contains(h.log.String(), secret) || strings.Contains(h.log.String(), "reader0@") {
			t.Errorf("the log holds a secret or an address:\n%s", &h.log)
		}
	}
}

// TestEventsPostmark: Postmark hands the token back in its metadata, and is known by user and password.
func TestEventsPostmark(t *testing.T) {
	h := newHarbor(t, "postmark", "post:mark", 2)
	post := func(reader int, user, password string) int {
		_, header := h.mailTo(reader)
		body, err := json.Marshal(map[string]any{"RecordType": "Delivery", "MessageID": "883953f4", "Recipient": fmt.Sprintf("reader%d@reader.example", reader),
			"DeliveredAt": time.Now().Format(time.RFC3339Nano), "Details": "smtp;250 OK", "Metadata": map[string]string{"broadsheet": header.Get("X-PM-Metadata-broadsheet")}})
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		status, _ := h.post("/events/dock", body, "Authorization", r.Header.Get("Authorization"))
		return status
	}
	if status := post(0, "post", "mark"); status != 200 || h.states() != `map[accepted:1 delivered:1]` {
		t.Errorf("answered %d, the books say %s", status, h.states())
	}
	if status := post(1, "post", "Mark"); status != 404 || h.states() != `map[accepted:1 delivered:1]` {
		t.Errorf("wrong password: answered %d, the books say %s", status, h.states())
	}
}

// TestEventsSES subscribes to a topic, and takes what SES says there of mails by its own names of them. A
// server of this machine stands in for SNS's.
func TestEventsSES(t *testing.T) {
	const topic = "arn:aws:sns:eu-west-1:123456789012:mail"
	h := newHarbor(t, `ses, topic: "`+topic+`"`, "", 2, "DOT 250 Ok 0102018f-one-000000", "DOT 250 Ok 0102018f-two-000000")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	var confirmed, down atomic.Int32
	amazon := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case down.Load() > 0:
			http.Error(w, "down", http.StatusInternalServerError)
		case r.URL.Path == "/SimpleNotificationService-1.pem":
			_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: der})
		case r.URL.Query().Get("Action") == "ConfirmSubscription":
			confirmed.Add(1)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(amazon.Close)
	const home = "https://sns.eu-west-1.amazonaws.com"
	pages := h.everyPage()
	pages.Providers["dock"].Certificates.Fetch = func(ctx context.Context, url string) ([]byte, error) {
		resp, err := amazon.Client().Get(amazon.URL + strings.TrimPrefix(url, home))
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, errors.New(resp.Status)
		}
		return io.ReadAll(resp.Body)
	}
	handler, err := pages.Handler()
	if err != nil {
		t.Fatal(err)
	}
	h.pages.Config.Handler = handler
	signed := func(p map[string]string) []byte {
		h.posts++
		p["MessageId"], p["TopicArn"], p["Timestamp"] = fmt.Sprint("id-", h.posts), topic, time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
		p["SignatureVersion"], p["SigningCertURL"] = "2", home+"/SimpleNotificationService-1.pem"
		var text string
		for _, k := range []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"} {
			if v, ok := p[k]; ok {
				text += k + "\n" + v + "\n"
			}
		}
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		p["Signature"] = base64.StdEncoding.EncodeToString(signature)
		body, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	subscribe := signed(map[string]string{"Type": "SubscriptionConfirmation", "Token": "t", "Message": "You have chosen", "SubscribeURL": home + "/?Action=ConfirmSubscription&Token=t"})
	if status, _ := h.post("/events/dock", subscribe); status != 200 || confirmed.Load() != 1 {
		t.Fatalf("subscription: answered %d, confirmed %d times\n%s", status, confirmed.Load(), &h.log)
	}
	down.Store(1)
	if status, _ := h.post("/events/dock", signed(map[string]string{"Type": "SubscriptionConfirmation", "Token": "t", "Message": "m", "SubscribeURL": home + "/?Action=ConfirmSubscription&Token=u"})); status != 503 {
		t.Errorf("SNS does not answer: %d", status)
	}
	// The relay's own names of mails, one of which SES says it delivered.
	delivered := `{"eventType":"Delivery","mail":{"messageId":"0102018f-one-000000","source":"","headers":[]},"delivery":{"timestamp":"` +
		time.Now().UTC().Format(time.RFC3339) + `","recipients":["x@reader.example"],"smtpResponse":"250 2.0.0 OK"}}`
	for _, version := range []string{delivered, "Successfully validated SNS topic for Amazon SES event publishing.", strings.Replace(delivered, "one", "six", 1)} {
		if status, text := h.post("/events/dock", signed(map[string]string{"Type": "Notification", "Message": version})); status != 200 {
			t.Errorf("%.40s: answered %d %q\n%s", version, status, text, &h.log)
		}
		if got := h.states(); got != `map[accepted:1 delivered:1]` {
			t.Errorf("%.40s: the books say %s", version, got)
		}
	}
	forged := bytes.Replace(signed(map[string]string{"Type": "Notification", "Message": delivered}), []byte("0102018f-one"), []byte("0102018f-two"), 1)
	if status, _ := h.post("/events/dock", forged); status != 404 || h.states() != `map[accepted:1 delivered:1]` {
		t.Errorf("another mail than was signed: %d, %s", status, h.states())
	}
}

// TestEventsUnavailable: while nothing can be put on record a provider is asked to come again, and then
// nothing is missing.
func TestEventsUnavailable(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 1)
	body := h.signed(harborSecret, time.Now(), h.event(0, arrived))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	desk := h.reportDesk()
	report, err := h.providers()["dock"].Open(t.Context(), nil, body, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	desk.turn <- struct{}{} // somebody writes for long
	if err := desk.TakeReport(ctx, "dock", &report); err == nil {
		t.Error("it was taken, and is on record nowhere")
	}
	<-desk.turn
	if err := desk.TakeReport(t.Context(), "dock", &report); err != nil || h.states() != `map[delivered:1]` {
		t.Errorf("again: %v, %s", err, h.states())
	}
}

// TestEventsMany has a provider report on two hundred mails at once, each report twice.
func TestEventsMany(t *testing.T) {
	if testing.Short() {
		t.Skip("sends two hundred mails: not with -short")
	}
	const n = 200
	h := newHarbor(t, "mailgun", harborSecret, n)
	var bodies [][]byte
	for i := range n {
		bodies = append(bodies, h.signed(harborSecret, time.Now(), h.event(i, arrived)))
	}
	var wg sync.WaitGroup
	gate := make(chan struct{}, 20)
	for i := range 2 * n {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			if status, _ := h.post("/events/dock", bodies[i/2]); status != 200 {
				t.Errorf("answered %d", status)
			}
		})
	}
	wg.Wait()
	if got := h.states(); got != fmt.Sprintf("map[delivered:%d]", n) {
		t.Errorf("the books say %s", got)
	}
}
