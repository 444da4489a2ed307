package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
)

// feedbackToken has the form of a token; whether it is one is not for this package to say.
const feedbackToken = "aab2bw4nb3uqpvj4v2kbgafecgwi4hhq"

// ourMail is the mail of which a report speaks, as a provider sends it back.
const ourMail = "Return-Path: <bounce+" + feedbackToken + "@meridian.example>\nReceived: from a by b\nFrom: The Meridian Post <digest@meridian.example>\n" +
	"To: ada@reader.example\nSubject: Morning\nMessage-ID: <1@meridian.example>\n" +
	"List-Unsubscribe: <https://news.meridian.example/l/x>,\n <mailto:unsub+" + feedbackToken + "l@meridian.example>\nX-Broadsheet-Delivery: " + feedbackToken + "\n\nGood morning.\n"

// feedback is a report of RFC 5965 with these fields, and that mail.
func feedback(fields, returned string) string {
	return "From: fbl@provider.example\nTo: fbl@meridian.example\nSubject: FW: Morning\nDate: Thu, 26 Nov 2026 09:00:00 +0100\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nThis is an abuse report.\n\n" +
		"--b\nContent-Type: message/feedback-report\n\n" + fields + "\n--b\nContent-Type: message/rfc822\n\n" + returned + "--b--\n"
}

func TestFeedback(t *testing.T) {
	const version = "User-Agent: Provider-Feedback/2.0\nVersion: 1\n"
	redacted := strings.NewReplacer("ada@reader.example", "redacted@reader.example", "bounce+"+feedbackToken, "redacted").Replace(ourMail)
	for name, tt := range map[string]struct {
		raw   string
		class mailer.Class
		to    []string
		name  string // that must be among Names; "" = none of ours
	}{
		"abuse":         {feedback("Feedback-Type: abuse\n"+version+"Original-Rcpt-To: <ada@reader.example>\nReporting-MTA: dns; mx.provider.example\n", ourMail), mailer.Complained, []string{"ada@reader.example"}, feedbackToken},
		"in capitals":   {feedback("FEEDBACK-TYPE: Abuse\n"+version, ourMail), mailer.Complained, []string{"ada@reader.example"}, feedbackToken},
		"fraud":         {feedback("Feedback-Type: fraud\n"+version, ourMail), mailer.Complained, []string{"ada@reader.example"}, feedbackToken},
		"redacted":      {feedback("Feedback-Type: abuse\n"+version+"Redacted-Address: redacted\nOriginal-Rcpt-To: redacted@reader.example\n", redacted), mailer.Complained, []string{""}, feedbackToken},
		"opt-out":       {feedback("Feedback-Type: opt-out\n"+version, ourMail), mailer.OptedOut, []string{"ada@reader.example"}, feedbackToken},
		"not spam":      {feedback("Feedback-Type: not-spam\n"+version, ourMail), mailer.NoBounce, nil, feedbackToken},
		"auth failure":  {feedback("Feedback-Type: auth-failure\n"+version+"Auth-Failure: dkim\nDelivery-Result: reject\n", ourMail), mailer.NoBounce, nil, feedbackToken},
		"virus":         {feedback("Feedback-Type: virus\n"+version, ourMail), mailer.NoBounce, nil, feedbackToken},
		"unheard of":    {feedback("Feedback-Type: x-lunar\n"+version, ourMail), mailer.NoBounce, nil, feedbackToken},
		"no type":       {feedback(version, ourMail), mailer.Complained, []string{"ada@reader.example"}, feedbackToken},
		"many":          {feedback("Feedback-Type: abuse\n"+version+"Original-Rcpt-To: ada@reader.example\nOriginal-Rcpt-To: bo@reader.example\n", ourMail), mailer.Complained, []string{"ada@reader.example", "bo@reader.example"}, feedbackToken},
		"headers alone": {strings.Replace(feedback("Feedback-Type: abuse\n"+version, ourMail), "message/rfc822", "text/rfc822-headers", 1), mailer.Complained, []string{"ada@reader.example"}, feedbackToken},
		"plain parts": {"From: scomp@provider.example\nSubject: Client TOS Notification\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nFeedback-Type: abuse\n" + version +
			"Original-Rcpt-To: ada@reader.example\n\n--b\nContent-Type: text/plain\n\n" + ourMail + "--b--\n", mailer.Complained, []string{"ada@reader.example"}, feedbackToken},
		"one text": {"From: feedback@provider.example\nSubject: Abuse Report\n\nThis is a report.\n\nFeedback-Type: abuse\n" + version + "Removal-Recipient: ada@reader.example\n\n" + ourMail,
			mailer.Complained, []string{"ada@reader.example"}, feedbackToken},
		"by subject": {"From: feedbackloop@provider.example\nSubject: Spam report\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nOne of our users pressed a button.\n--b\nContent-Type: message/rfc822\n\n" + redacted + "--b--\n",
			mailer.Complained, []string{""}, feedbackToken},
		"microsoft": {"From: staff@provider.example\nSubject: complaint about message from 192.0.2.1\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: ada@reader.example\n" +
			ourMail + "--b--\n", mailer.Complained, []string{"ada@reader.example"}, feedbackToken},
		"apple": {"From: Ada <ada@reader.example>\nTo: unsub+" + feedbackToken + "@meridian.example\nSubject: unsubscribe\nX-Apple-Unsubscribe: true\n\nApple Mail sent this email to unsubscribe.\n",
			mailer.OptedOut, []string{"ada@reader.example"}, feedbackToken},
		"apple, empty": {"From: <>\nTo: unsub+" + feedbackToken + "@meridian.example\nSubject: \nX-Apple-Unsubscribe: true\n\n", mailer.OptedOut, []string{""}, feedbackToken},
		"a reader's own": {"From: Ada <ada@reader.example>\nSubject: Spam report\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nIs this really from you?\n--b\nContent-Type: message/rfc822\n\n" + ourMail + "--b--\n",
			mailer.NoBounce, nil, feedbackToken},
		"dmarc": {"From: noreply@provider.example\nSubject: Report domain: meridian.example Submitter: provider.example Report-ID: 1\nAuto-Submitted: auto-generated\nContent-Type: application/zip; name=\"provider.example!meridian.example!1633996800!1634083199.zip\"\nContent-Transfer-Encoding: base64\n\nUEsDBA==\n",
			mailer.NoBounce, nil, ""},
		"dmarc by name": {"From: noreply@provider.example\nSubject: [Preview] Report\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nA report.\n--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment;\n filename=\"provider.example!meridian.example!1633996800!1634083199!x.xml.gz\"\n\nx\n--b--\n",
			mailer.NoBounce, nil, ""},
		"tls": {"From: tls@provider.example\nSubject: Report\nTLS-Report-Domain: meridian.example\nContent-Type: multipart/report; report-type=\"tlsrpt\"; boundary=b\n\n--b\n\nx\n--b\nContent-Type: application/tlsrpt+gzip\n\nx\n--b--\n",
			mailer.NoBounce, nil, ""},
	} {
		for _, raw := range []string{tt.raw, strings.ReplaceAll(tt.raw, "\n", "\r\n")} {
			r := Read([]byte(raw))
			var to []string
			for _, n := range r.News {
				to = append(to, n.Recipient)
				if n.Class != tt.class || n.Reason != "feedback" || n.Text == "" || strings.ContainsAny(n.Text, "\r\n") {
					t.Errorf("%s: news %+v", name, n)
				}
			}
			if r.Class != tt.class || !slices.Equal(to, tt.to) {
				t.Errorf("%s: %s to %q, want %s to %q", name, r.Class, to, tt.class, tt.to)
			}
			if tt.name != "" && !slices.ContainsFunc(r.Names, func(n Name) bool { return n.Token == tt.name }) {
				t.Errorf("%s: names %v", name, r.Names)
			}
		}
	}
	n := Read([]byte(feedback("Feedback-Type: abuse\n"+version+"Reporting-MTA: dns; mx.provider.example\n", ourMail))).News[0]
	if !n.At.Equal(time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)) || n.Host != "mx.provider.example" || n.Text != "abuse, reported by Provider-Feedback/2.0" {
		t.Errorf("%+v", n)
	}
}
