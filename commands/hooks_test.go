package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/subscribers"
)

// TestWebhookSignature holds the signature against the vectors of the Standard Webhooks' own libraries.
func TestWebhookSignature(t *testing.T) {
	secret, err := schedule.ParseWebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"test": 2432232314}`
	if got := signWebhook(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(body)); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
	for _, bad := range []string{"", "whsec_", "whsec_AAAA", "whsec_%%%%", "whsec_" + strings.Repeat("AAAA", 22)} {
		if _, err := schedule.ParseWebhookSecret(bad); err == nil {
			t.Errorf("%q is a secret", bad)
		}
	}
}

// listener is another system.
type listener struct {
	mu     sync.Mutex
	status int
	heard  []heard
}

type heard struct {
	id, kind, body string
	data           map[string]any
	good           bool
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	secret, _ := schedule.ParseWebhookSecret(hookSecret)
	h := heard{id: r.Header.Get("webhook-id"), body: string(body)}
	h.good = r.Method == "POST" && r.Header.Get("webhook-signature") == signWebhook(secret, h.id, r.Header.Get("webhook-timestamp"), body)
	var e struct {
		Type string
		Data map[string]any
	}
	h.good = json.Unmarshal(body, &e) == nil && h.good
	h.kind, h.data = e.Type, e.Data
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, h)
	w.WriteHeader(l.status)
}

func (l *listener) kinds() (kinds []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.heard {
		kinds = append(kinds, h.kind)
	}
	return kinds
}

func (l *listener) answers(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status, l.heard = status, nil
}

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hooked is an engine that tells a listener everything.
func hooked(t *testing.T) (*harbor, *listener) {
	l := &listener{status: http.StatusNoContent}
	srv := httptest.NewServer(l)
	t.Cleanup(srv.Close)
	h := newHarbor(t, "mailgun", harborSecret, 3)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	h.cfg.Fetch.Allow = append(h.cfg.Fetch.Allow, u.Host)
	h.cfg.Webhooks = []schedule.Webhook{{Name: "newsroom", URL: srv.URL + "/hook", Events: schedule.WebhookEvents}}
	if err := h.cfg.WebhookSecrets(func(name string) string {
		return map[string]string{"BROADSHEET_WEBHOOK_NEWSROOM": hookSecret}[name]
	}); err != nil {
		t.Fatal(err)
	}
	h.tellWebhooks(t.Context()) // from now on
	return h, l
}

// tellWebhooks does for each webhook once what is done again and again.
func (e *engine) tellWebhooks(ctx context.Context) {
	for _, task := range e.hookTasks() {
		task(ctx)
	}
}

// TestDeadWebhook: a webhook that does not answer is asked once at a time, and another one hears of 200
// events in the meantime.
func TestDeadWebhook(t *testing.T) {
	h, l := hooked(t)
	h.tellWebhooks(t.Context())
	asked := make(chan struct{}, 300)
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		http.Error(w, "no", http.StatusBadGateway)
	}))
	t.Cleanup(gone.Close)
	u, err := url.Parse(gone.URL)
	if err != nil {
		t.Fatal(err)
	}
	h.cfg.Fetch.Allow = append(h.cfg.Fetch.Allow, u.Host)
	h.cfg.Webhooks = append([]schedule.Webhook{{Name: "dead", URL: gone.URL, Events: schedule.WebhookEvents, Secret: h.cfg.Webhooks[0].Secret}}, h.cfg.Webhooks...)
	h.tellWebhooks(t.Context())
	l.answers(200)
	for n := range 200 {
		row := subscribers.Row{Settings: subscribers.NewSettings(fmt.Sprintf("r%d@reader.example", n)), Given: subscribers.FieldConsentSource | subscribers.FieldStatus}
		row.Settings.ConsentSource, row.Settings.Status = "test", subscribers.Active
		if _, _, err := h.db.UpsertReader(t.Context(), operators.By{Who: "test"}, fmt.Sprint("crm-", n), row, h.now()); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 { // 200 events and a look that finds no more
		h.tellWebhooks(t.Context())
	}
	if got := l.kinds(); len(got) != 200 {
		t.Errorf("the one that answers hears of %d events\n%s", len(got), &h.log)
	}
	if len(asked) != 5 {
		t.Errorf("the dead one is asked %d times", len(asked))
	}
	// Who is erased is told by the other system's own word.
	l.answers(200)
	s, err := h.db.ReaderByExternalID(t.Context(), "crm-7")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (roomReaders{h.engine}).Erase(t.Context(), operators.By{Who: "test", Why: "test"}, s.ID, s.Address); err != nil {
		t.Fatal(err)
	}
	h.tellWebhooks(t.Context())
	if got := l.kinds(); !slices.Equal(got, []string{"reader.left"}) || l.heard[0].data["external_id"] != "crm-7" {
		t.Errorf("of who is erased it hears %v", l.heard)
	}
}

// TestWebhooks tells what happened, once, signed, and with no address in it.
func TestWebhooks(t *testing.T) {
	h, l := hooked(t)
	h.tellWebhooks(t.Context())
	if got := l.kinds(); len(got) != 0 {
		t.Errorf("of what was before it hears %v", got)
	}
	sender := &program{getenv: surroundings(t, filepath.Dir(h.cfg.File), harborKey, harborSecret), stdin: strings.NewReader(""), stdout: &h.log, stderr: &h.log}
	if code := sender.run(t.Context(), []string{"--config", h.cfg.File, "send", "morning", "--at", "2026-01-14T07:00:30Z"}); code != 0 && code != 3 {
		t.Fatalf("send: exit code %d\n%s", code, &h.log)
	}
	h.tellWebhooks(t.Context())
	h.tellWebhooks(t.Context())
	if got := l.kinds(); !slices.Equal(got, []string{"issue.opened", "issue.done"}) || l.heard[1].data["issue"] != float64(2) {
		t.Errorf("of another run it hears %v, %v", got, l.heard)
	}
	l.answers(200)
	if status, _ := h.post("/events/dock", h.signed(harborSecret, time.Now(), h.event(0, noSuch))); status != 200 {
		t.Fatal(status)
	}
	by := operators.By{Who: "test", Why: "test"}
	row := subscribers.Row{Settings: subscribers.NewSettings("ada@reader.example"), Given: subscribers.FieldConsentSource | subscribers.FieldStatus}
	row.Settings.ConsentSource, row.Settings.Status = "test", subscribers.Active
	s, _, err := h.db.UpsertReader(t.Context(), by, "crm-1", row, h.now())
	if err != nil {
		t.Fatal(err)
	}
	row.Settings.Status = subscribers.Unsubscribed
	if _, _, err := h.db.UpsertReader(t.Context(), by, "crm-1", row, h.now()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.db.WithdrawStory(t.Context(), by, 1, h.now()); err != nil {
		t.Fatal(err)
	}
	h.tellWebhooks(t.Context())
	h.tellWebhooks(t.Context())
	if got := l.kinds(); !slices.Equal(got, []string{"delivery.bounced", "reader.joined", "reader.left", "story.withdrawn"}) {
		t.Errorf("it hears %v\n%s", got, &h.log)
	}
	ids := map[string]bool{}
	for _, e := range l.heard {
		ids[e.id] = true
		if !e.good || strings.Contains(e.body, "@") || !strings.HasPrefix(e.id, "msg_") {
			t.Errorf("%s: %s", e.id, e.body)
		}
		if e.kind == "reader.joined" && (e.data["reader"] != float64(s.ID) || e.data["external_id"] != "crm-1") {
			t.Errorf("joined: %v", e.data)
		}
	}
	if len(ids) != len(l.heard) {
		t.Errorf("ids %v", ids)
	}
}

// TestWebhookFails: what is not taken comes again under the same id, a person is told, and after days it is
// given up until somebody has it tried again.
func TestWebhookFails(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	h, l := hooked(t)
	h.tellWebhooks(t.Context())
	l.answers(500)
	by := operators.By{Who: "test", Why: "test"}
	if _, err := h.db.WithdrawStory(t.Context(), by, 1, h.now()); err != nil {
		t.Fatal(err)
	}
	h.tellWebhooks(t.Context())
	h.tellWebhooks(t.Context()) // it is not due yet
	if got := l.kinds(); len(got) != 1 {
		t.Fatalf("it hears %v", got)
	}
	first := l.heard[0]
	now := time.Now()
	due, err := h.db.DueWebhooks(t.Context(), "newsroom", now.Add(hookWaits[0]), 10)
	if err != nil || len(due) != 1 || due[0].Tries != 1 || "msg_"+due[0].UID != first.id {
		t.Fatalf("%+v, %v", due, err)
	}
	if alarms, err := h.webhookAlarms(t.Context()); err != nil || len(alarms) != 0 {
		t.Errorf("one failure alarms: %v, %v", alarms, err)
	}
	later := now.Add(hookPatience + time.Hour)
	if err := h.db.WebhookTold(t.Context(), due[0], "it answered 500", later, later, hookPatience); err != nil {
		t.Fatal(err)
	}
	if alarms, err := h.webhookAlarms(t.Context()); err != nil || len(alarms) != 1 || alarms[0].Level != red || !strings.Contains(alarms[0].Do, "webhooks retry newsroom") {
		t.Errorf("given up: %v, %v", alarms, err)
	}
	if due, err := h.db.DueWebhooks(t.Context(), "newsroom", later.Add(time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("given up it is tried: %v, %v", due, err)
	}
	l.answers(200)
	if n, err := h.db.RetryWebhook(t.Context(), by, "newsroom", time.Now()); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	h.tellWebhooks(t.Context())
	if l.mu.Lock(); len(l.heard) != 1 || l.heard[0].id != first.id {
		t.Errorf("tried again it hears %v", l.heard)
	}
	l.mu.Unlock()
}

// TestCheckWebhookSecret: check says what serve would not start without.
func TestCheckWebhookSecret(t *testing.T) {
	h, _ := hooked(t)
	text, err := os.ReadFile(h.cfg.File)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(h.cfg.File), "hooked.yaml")
	if err := os.WriteFile(file, append(text, "\nwebhooks:\n  - {name: newsroom, url: \"https://newsroom.example.org/hooks\"}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]string{"": "FAIL  webhook secrets", hookSecret: "ok    webhook secrets"} {
		var out strings.Builder
		p := &program{getenv: surroundings(t, filepath.Dir(h.cfg.File), harborKey, harborSecret, "BROADSHEET_WEBHOOK_NEWSROOM", secret), stdin: strings.NewReader(""), stdout: &out, stderr: &out}
		if code := p.run(t.Context(), []string{"--config", file, "check", "--offline"}); (code == 2) != (secret == "") || !strings.Contains(out.String(), want) {
			t.Errorf("with %q: exit code %d\n%s", secret, code, &out)
		}
	}
}

// TestWebhookGuarded: a webhook leads nowhere inside, unless the configuration allows it; without webhooks
// nothing is kept.
func TestWebhookGuarded(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	h, l := hooked(t)
	h.tellWebhooks(t.Context())
	l.answers(200)
	h.cfg.Fetch.Allow = nil
	if _, err := h.db.WithdrawStory(t.Context(), operators.By{Who: "test"}, 1, h.now()); err != nil {
		t.Fatal(err)
	}
	h.tellWebhooks(t.Context())
	list, err := h.db.Webhooks(t.Context())
	if err != nil || len(l.kinds()) != 0 || len(list) != 1 || !strings.Contains(list[0].Said, "not a public address") {
		t.Errorf("%v, %v, %v", l.kinds(), list, err)
	}
	h.cfg.Webhooks = nil
	h.tellWebhooks(t.Context())
	before := strings.Count(h.dump(), "story.withdrawn")
	if _, err := h.db.WithdrawStory(t.Context(), operators.By{Who: "test"}, 2, h.now()); err != nil {
		t.Fatal(err)
	}
	if now := strings.Count(h.dump(), "story.withdrawn"); now != before {
		t.Error("nobody wants to know, and it is kept")
	}
}
