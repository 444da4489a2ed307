package report

import (
	"encoding/json"
	"strings"

	"broadsheet/mailer"
)

// notice is the JSON that a large relay sends instead of a report, when asked to send it by mail.
type notice struct {
	Type      string `json:"notificationType"`
	EventType string `json:"eventType"`
	Bounce    struct {
		Type       string `json:"bounceType"`
		SubType    string `json:"bounceSubType"`
		MTA        string `json:"reportingMTA"`
		Recipients []struct {
			Address    string `json:"emailAddress"`
			Status     string `json:"status"`
			Diagnostic string `json:"diagnosticCode"`
		} `json:"bouncedRecipients"`
	} `json:"bounce"`
}

// readNotice reports whether the text is such a notice, and reads it.
func readNotice(m *message, r *Report) bool {
	if m.kind != "text/plain" && m.kind != "application/json" {
		return false
	}
	text := strings.TrimSpace(m.text())
	if !strings.HasPrefix(text, "{") || !strings.Contains(text, "bouncedRecipients") {
		return false
	}
	var n notice
	if json.NewDecoder(strings.NewReader(strings.ReplaceAll(text, "\n", ""))).Decode(&n) != nil || n.Type != "Bounce" && n.EventType != "Bounce" {
		return false
	}
	var news []mailer.News
	for _, to := range n.Bounce.Recipients[:min(len(n.Bounce.Recipients), newsMax)] {
		said := typed(to.Diagnostic)
		v := verdictOf(to.Status, 0, m.look(said))
		if n.Bounce.Type == "Transient" && v.class == mailer.Hard {
			v.class = mailer.Soft
		}
		news = append(news, mailer.News{Class: v.class, Reason: v.reason, Recipient: first(addressesIn(to.Address)),
			Status: v.status, Code: v.code, Text: cutText(said), Host: cutText(typed(n.Bounce.MTA))})
	}
	return r.take(news)
}
