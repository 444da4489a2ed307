package digest

import (
	"encoding/json"
	"strings"
	"testing"

	"broadsheet/schedule"
)

// TestHandBack: where a provider reports on mails, its field carries the delivery's token, and the mail
// differs in nothing else.
func TestHandBack(t *testing.T) {
	plain, _ := compose(t, morning)
	c := sampleConfig()
	c.Relays = []schedule.Relay{{Name: "a"}, {Name: "b", Events: &schedule.Events{Provider: "ses"}}}
	mail := func() []byte {
		m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(laidOut(t, samplePress(t, c, sampleEdition()), morning), sampleIssue(), sampleDelivery(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return m.Body
	}
	if got := mail(); string(got) != string(plain) {
		t.Errorf("SES names the envelope sender, but the mail differs:\n%s", got)
	}
	for _, provider := range []string{"postmark", "mailgun", "mailgun"} {
		c.Relays = append(c.Relays, schedule.Relay{Name: "c", Events: &schedule.Events{Provider: provider}})
	}
	got := mail()
	h := read(t, got).header
	token := h.Get("X-Broadsheet-Delivery")
	if h.Get("X-PM-Metadata-broadsheet") != token || len(token) > 80 {
		t.Errorf("Postmark's field is %q, want %q", h.Get("X-PM-Metadata-broadsheet"), token)
	}
	var variables map[string]string
	if err := json.Unmarshal([]byte(h.Get("X-Mailgun-Variables")), &variables); err != nil || variables["broadsheet"] != token || len(h["X-Mailgun-Variables"]) != 1 {
		t.Errorf("Mailgun's field is %q (%v), want %q", h["X-Mailgun-Variables"], err, token)
	}
	head, _, _ := strings.Cut(string(got), "\r\n\r\n")
	var rest []string
	for line := range strings.SplitSeq(string(got), "\r\n") {
		if !strings.HasPrefix(line, "X-PM-") && !strings.HasPrefix(line, "X-Mailgun-") && !(strings.HasPrefix(line, ` "`) && strings.Contains(head, line)) {
			rest = append(rest, line)
		}
	}
	if s := strings.Join(rest, "\r\n"); s != string(plain) {
		t.Errorf("the mail differs in more than those fields:\n%s", s)
	}
}
