package provider

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	topic = "arn:aws:sns:eu-west-1:123456789012:harbour"
	home  = "https://sns.eu-west-1.amazonaws.com"
	pemAt = home + "/SimpleNotificationService-0a1b2c3d.pem"
)

var now = time.Date(2026, 4, 2, 7, 0, 30, 0, time.UTC)

// sns stands in for SNS: it signs with a key of its own, whose certificate lies on a TLS server of this
// machine that shows a certificate for the name of Amazon's.
type sns struct {
	*testing.T
	key     *rsa.PrivateKey
	served  atomic.Pointer[map[string][]byte] // by path; what is missing is an error of the server
	asked   atomic.Int32
	arrived chan struct{} // closed at the first question, if it is not nil; answers then wait for release
	release chan struct{}
	server  *httptest.Server
	client  *http.Client
}

// keys that tests sign with; making them takes longer than the tests.
var snsKey, otherKey = sync.OnceValue(rsaKey), sync.OnceValue(rsaKey)

func rsaKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func newSNS(t *testing.T) *sns {
	s := &sns{T: t, key: snsKey()}
	s.serve(map[string][]byte{"/SimpleNotificationService-0a1b2c3d.pem": s.certificate(now.Add(-time.Hour), now.Add(time.Hour))})
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := s.asked.Add(1); s.arrived != nil {
			if n == 1 {
				close(s.arrived)
			}
			<-s.release
		}
		if body, ok := (*s.served.Load())[r.URL.Path]; ok {
			_, _ = w.Write(body)
			return
		}
		http.Error(w, "not now", http.StatusInternalServerError)
	}))
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"sns.eu-west-1.amazonaws.com"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, private.Public(), private)
	s.must(err)
	s.server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	roots := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	s.must(err)
	roots.AddCert(parsed)
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.server.Listener.Addr().String())
	}}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

func (s *sns) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *sns) serve(files map[string][]byte) { s.served.Store(&files) }

// certificate is one of the signing key.
func (s *sns) certificate(from, until time.Time) []byte {
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, s.key.Public(), s.key)
	s.must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// endpoint is ours, with nothing fetched yet.
func (s *sns) endpoint() *Endpoint {
	return &Endpoint{Provider: SES, Topic: topic, Certificates: &Certificates{Fetch: s.fetch}}
}

func (s *sns) fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// post is a notification with some of its fields otherwise, signed by the key.
func (s *sns) post(key *rsa.PrivateKey, change map[string]any) map[string]any {
	p := map[string]any{"Type": "Notification", "MessageId": "b3f0-1", "TopicArn": topic, "Message": `{"eventType":"Send"}`, "Timestamp": "2026-04-02T07:00:20.123Z",
		"SignatureVersion": "2", "SigningCertURL": pemAt, "UnsubscribeURL": home + "/?Action=Unsubscribe"}
	for k, v := range change {
		p[k] = v
	}
	var text string // put together here by the documents, and not as the code does
	keys := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if p["Type"] != "Notification" {
		keys = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	for _, k := range keys {
		if v, ok := p[k].(string); ok {
			text += k + "\n" + v + "\n"
		}
	}
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(text))
	digest := sum[:]
	if p["SignatureVersion"] == "1" {
		old := sha1.Sum([]byte(text))
		hash, digest = crypto.SHA1, old[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
	s.must(err)
	p["Signature"] = base64.StdEncoding.EncodeToString(signature)
	return p
}

func (s *sns) open(e *Endpoint, p map[string]any) (Report, error) {
	s.Helper()
	body, err := json.Marshal(p)
	s.must(err)
	return e.Open(s.Context(), nil, body, now)
}

const delivered = `{"eventType":"Delivery","mail":{"messageId":"0102-1","source":"bounce+tok@harbour.example"},
	"delivery":{"timestamp":"2026-04-02T07:00:18.000Z","recipients":["ada@reader.example"],"smtpResponse":"250 2.0.0 OK 123","reportingMTA":"a8-70.smtp-out.amazonses.com"}}`

// TestSNS opens what SNS signs, in both versions and all types.
func TestSNS(t *testing.T) {
	s := newSNS(t)
	e := s.endpoint()
	for name, change := range map[string]map[string]any{
		"version 1": {"SignatureVersion": "1"}, "version 2": {"SignatureVersion": "2"}, "subject": {"Subject": "Amazon SES\nNotification"},
		"no subject": {"Subject": nil}, "empty subject": {"Subject": ""}, "signs": {"Message": "a \"b\" \\ <&> \u2028 ü\n\tc"},
	} {
		r, err := s.open(e, s.post(s.key, change))
		if err != nil || r.ID != "b3f0-1" || !r.At.Equal(time.Date(2026, 4, 2, 7, 0, 20, 123e6, time.UTC)) || len(r.Events) != 0 || r.Confirm != "" {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
	r, err := s.open(e, s.post(s.key, map[string]any{"Message": delivered}))
	if err != nil || len(r.Events) != 1 || r.Events[0].Queue != "0102-1" || r.Events[0].Names[0] != "tok" {
		t.Errorf("delivery: got %+v, %v", r, err)
	}
	confirm := map[string]any{"Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": home + "/?Action=ConfirmSubscription&TopicArn=" + topic}
	if r, err = s.open(e, s.post(s.key, confirm)); err != nil || r.Confirm != confirm["SubscribeURL"] {
		t.Errorf("subscription: got %+v, %v", r, err)
	}
	confirm["Type"] = "UnsubscribeConfirmation"
	if r, err = s.open(e, s.post(s.key, confirm)); err != nil || r.Confirm != "" || !r.Ended {
		t.Errorf("end: got %+v, %v", r, err)
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the certificate was fetched %d times", n)
	}
}

// TestSNSForged refuses what SNS did not sign, or not for us.
func TestSNSForged(t *testing.T) {
	s := newSNS(t)
	e := s.endpoint()
	good := func(change map[string]any) map[string]any { return s.post(s.key, change) }
	after := func(p map[string]any, k string, v any) map[string]any { p[k] = v; return p }
	subscribe := map[string]any{"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": home + "/?Action=ConfirmSubscription"}
	for name, p := range map[string]map[string]any{
		"another key":         s.post(otherKey(), nil),
		"message":             after(good(nil), "Message", delivered),
		"id":                  after(good(nil), "MessageId", "b3f0-2"),
		"time":                after(good(nil), "Timestamp", "2026-04-02T07:00:21.123Z"),
		"subject added":       after(good(nil), "Subject", "x"),
		"subject gone":        after(good(map[string]any{"Subject": "x"}), "Subject", nil),
		"type":                after(good(nil), "Type", "UnsubscribeConfirmation"),
		"token":               after(good(subscribe), "Token", "u"),
		"address":             after(good(subscribe), "SubscribeURL", home+"/?Action=Other"),
		"address elsewhere":   good(map[string]any{"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "https://attacker.example/"}),
		"address inside":      good(map[string]any{"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "https://127.0.0.1/"}),
		"version as another":  after(good(map[string]any{"SignatureVersion": "1"}), "SignatureVersion", "2"),
		"version 3":           good(map[string]any{"SignatureVersion": "3"}),
		"no version":          good(map[string]any{"SignatureVersion": ""}),
		"no signature":        after(good(nil), "Signature", ""),
		"signature not coded": after(good(nil), "Signature", "***"),
		"another topic":       good(map[string]any{"TopicArn": topic + "2"}),
		"no topic":            good(map[string]any{"TopicArn": ""}),
		"type unknown":        good(map[string]any{"Type": "Other"}),
		"no id":               good(map[string]any{"MessageId": ""}),
		"long id":             good(map[string]any{"MessageId": strings.Repeat("x", 201)}),
	} {
		if r, err := s.open(e, p); !errors.Is(err, ErrForged) {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
	for _, body := range []string{"", "{", "null", "[]", `{"Type":5}`, delivered} { // raw delivery of messages is not signed
		if r, err := e.Open(t.Context(), nil, []byte(body), now); !errors.Is(err, ErrForged) {
			t.Errorf("%q: got %+v, %v", body, r, err)
		}
	}
}

// TestSNSTime refuses what is older than SNS tries, and what is to come.
func TestSNSTime(t *testing.T) {
	s := newSNS(t)
	e := s.endpoint()
	for at, want := range map[string]error{
		"2026-04-02T06:00:00.000Z": nil, "2026-04-02T07:10:00Z": nil, "2026-04-02T09:00:30.000+02:00": nil,
		"2026-04-02T05:00:00.000Z": ErrTime, "2026-04-02T07:11:00.000Z": ErrTime, "2025-04-02T07:00:00.000Z": ErrTime, "yesterday": ErrTime, "": ErrTime,
	} {
		if r, err := s.open(e, s.post(s.key, map[string]any{"Timestamp": at})); !errors.Is(err, want) {
			t.Errorf("%s: got %+v, %v", at, r, err)
		}
	}
}

// TestCertificateAddress fetches no certificate from where SNS is not, and none for a post of another
// topic.
func TestCertificateAddress(t *testing.T) {
	s := newSNS(t)
	e := s.endpoint()
	for _, at := range []string{
		"http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem", "https://sns.eu-west-1.amazonaws.com.attacker.example/SimpleNotificationService-0a1b2c3d.pem",
		"https://attacker.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem", "https://sns.eu-west-1.amazonaws.com@attacker.example/SimpleNotificationService-0a1b2c3d.pem",
		"https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0a1b2c3d.pem", "https://s3.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem",
		"https://sns.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem", "https://sns.x.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem",
		"https://sns.eu-west-1.amazonaws.com/", "https://sns.eu-west-1.amazonaws.com/other.pem", "https://sns.eu-west-1.amazonaws.com/a/../SimpleNotificationService-0a1b2c3d.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem?x=1", "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem#x",
		"https://127.0.0.1/SimpleNotificationService-0a1b2c3d.pem", "https://169.254.169.254/SimpleNotificationService-0a1b2c3d.pem", "//sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem", "%", "",
	} {
		if r, err := s.open(e, s.post(s.key, map[string]any{"SigningCertURL": at})); !errors.Is(err, ErrForged) {
			t.Errorf("%s: got %+v, %v", at, r, err)
		}
	}
	if _, err := s.open(e, s.post(s.key, map[string]any{"TopicArn": topic + "x"})); !errors.Is(err, ErrForged) {
		t.Error(err)
	}
	if n := s.asked.Load(); n != 0 {
		t.Errorf("something was fetched %d times", n)
	}
	for _, host := range []string{"sns.eu-west-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn", "sns.us-gov-west-1.amazonaws.com"} {
		if _, ok := atSNS("https://" + host + "/x"); !ok {
			t.Errorf("%s is one of SNS", host)
		}
	}
}

// TestCertificate has certificates that are of no use, and a server that has none: then the provider
// is asked to come again, and the server is not asked at every post.
func TestCertificate(t *testing.T) {
	s := newSNS(t)
	path := "/SimpleNotificationService-0a1b2c3d.pem"
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	c := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	s.must(err)
	for name, file := range map[string][]byte{
		"expired": s.certificate(now.Add(-2*time.Hour), now.Add(-time.Hour)), "to come": s.certificate(now.Add(time.Hour), now.Add(2*time.Hour)),
		"no PEM": []byte("hello"), "no certificate": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1, 2}}),
		"another type": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "not RSA": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), "empty": nil,
	} {
		s.serve(map[string][]byte{path: file})
		if r, err := s.open(s.endpoint(), s.post(s.key, nil)); !errors.Is(err, ErrForged) {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}

	s.serve(nil)
	e := s.endpoint()
	s.asked.Store(0)
	for range 5 {
		if _, err := s.open(e, s.post(s.key, nil)); !errors.Is(err, ErrBusy) {
			t.Errorf("server without it: %v", err)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the server was asked %d times in one minute", n)
	}
	s.serve(map[string][]byte{path: s.certificate(now.Add(-time.Hour), now.Add(time.Hour))})
	body, err := json.Marshal(s.post(s.key, nil))
	s.must(err)
	if _, err := e.Open(t.Context(), nil, body, now.Add(certificateAgain)); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// TestCertificateOnce has many posts come before the certificate is there: it is fetched once, and one
// who goes away takes it from nobody.
func TestCertificateOnce(t *testing.T) {
	s := newSNS(t)
	s.arrived, s.release = make(chan struct{}), make(chan struct{})
	e := s.endpoint()
	body, err := json.Marshal(s.post(s.key, nil))
	s.must(err)
	first, cancel := context.WithCancel(t.Context())
	results := make(chan error, 20)
	go func() {
		_, err := e.Open(first, nil, body, now)
		results <- err
	}()
	<-s.arrived
	for range 19 {
		go func() {
			_, err := e.Open(t.Context(), nil, body, now)
			results <- err
		}()
	}
	cancel()
	close(s.release)
	for range 20 {
		if err := <-results; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("it was fetched %d times", n)
	}
}

// TestManyCertificates: who makes up addresses gets no more than a few fetched, and takes no memory.
func TestManyCertificates(t *testing.T) {
	s := newSNS(t)
	s.serve(nil)
	e := s.endpoint()
	for i := range 100 {
		url := strings.Replace(pemAt, "0a1b2c3d", strings.Repeat("a", i%64+1)+string(rune('a'+i/64)), 1)
		if _, err := e.Certificates.key(t.Context(), url, now); !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
	}
	if n := s.asked.Load(); n != certificatesKept || len(e.Certificates.known) != certificatesKept {
		t.Errorf("%d fetched, %d kept", n, len(e.Certificates.known))
	}
	s.serve(map[string][]byte{"/SimpleNotificationService-0a1b2c3d.pem": s.certificate(now.Add(-time.Hour), now.Add(time.Hour))})
	if _, err := e.Certificates.key(t.Context(), pemAt, now.Add(certificateAgain)); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// TestConfirm fetches the address, of SNS alone.
func TestConfirm(t *testing.T) {
	s := newSNS(t)
	c := s.endpoint().Certificates
	s.serve(map[string][]byte{"/": []byte("<ConfirmSubscriptionResponse/>")})
	if err := c.Confirm(t.Context(), home+"/?Action=ConfirmSubscription"); err != nil {
		t.Error(err)
	}
	s.serve(nil)
	if err := c.Confirm(t.Context(), home+"/?Action=ConfirmSubscription"); err == nil {
		t.Error("an error of the server is none")
	}
	before := s.asked.Load()
	if err := c.Confirm(t.Context(), "https://attacker.example/"); err == nil || s.asked.Load() != before {
		t.Error("another address was fetched")
	}
}
