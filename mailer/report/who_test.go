package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"broadsheet/mailer"
)

// TestReadWho reads whom a report came to and whose it may be, the likeliest first.
func TestReadWho(t *testing.T) {
	r := Read([]byte(`Return-Path: <>
Delivered-To: Bounce+ABC@paper.example
X-Original-To: bounce+def@paper.example
Received: from x by y
From: =?utf-8?B?UG9zdGzDpG1tZXI=?= <MAILER-DAEMON@mx.example>
To: "Bounces" <bounce+abc@paper.example>, undisclosed
Cc: copy@paper.example
Subject: =?iso-8859-1?Q?Zur=FCck?=
  und =?utf-8?q?fort?=
Message-ID: <1@mx.example>
In-Reply-To: <2@paper.example>
References: <3@paper.example> <2@paper.example>
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Original-Envelope-ID: ghi

Original-Recipient: rfc822;ada@reader.example
Final-Recipient: rfc822;ada@inner.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; box.example
Diagnostic-Code: smtp; 550 5.1.1 no such
    user here
Last-Attempt-Date: Thu, 26 Nov 2026 10:00:00 +0100

--b
Content-Type: message/rfc822

Return-Path: <bounce+jkl@paper.example>
X-Broadsheet-Delivery: mno
List-Unsubscribe: <https://paper.example/leave?t=x>, <mailto:unsub+pqr@paper.example?subject=x>
From: paper@paper.example
To: ada@reader.example
Subject: Morning

Text
--b--
`))
	want := Report{
		Class: mailer.Hard,
		News: []mailer.News{{Class: mailer.Hard, Reason: "userunknown", Recipient: "ada@reader.example", Status: "5.1.1", Code: 550,
			Text: "550 5.1.1 no such user here", Host: "box.example", At: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)}},
		To: []string{"Bounce+ABC@paper.example", "bounce+def@paper.example", "bounce+abc@paper.example", "copy@paper.example"},
		Names: []Name{{"ABC", InAddress}, {"def", InAddress}, {"abc", InAddress}, {"ghi", InEnvelope}, {"jkl", InSender}, {"mno", InSender},
			{"pqr", InUnsubscribe}},
		From: "MAILER-DAEMON@mx.example", FromName: "Postlämmer", Subject: "Zurück und fort",
		MessageID: "1@mx.example", Refers: []string{"2@paper.example", "3@paper.example"},
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
}

// TestSender reads From however it is written.
func TestSender(t *testing.T) {
	for v, want := range map[string][2]string{
		"ada@reader.example":                      {"", "ada@reader.example"},
		`"Ada, L." <ada@reader.example>`:          {"Ada, L.", "ada@reader.example"},
		"ada@reader.example (Ada L.)":             {"Ada L.", "ada@reader.example"},
		"Ad\xe1 <ada@reader.example>":             {"Adá", "ada@reader.example"},
		"=?utf-8?q?Ad=C3=A1?= ada@reader.example": {"", "ada@reader.example"},
		"MAILER-DAEMON <>":                        {"MAILER-DAEMON", ""},
		"<ada@reader.example":                     {"", "ada@reader.example"},
		"":                                        {"", ""},
	} {
		if name, address := sender(v); name != want[0] || address != want[1] {
			t.Errorf("%q: %q %q, want %q", v, name, address, want)
		}
	}
}

// TestStatus reads reports of RFC 3464 as they are and as they should not be.
func TestStatus(t *testing.T) {
	const head = "From: MAILER-DAEMON@mx.example\nTo: bounce+a@paper.example\nSubject: Report\n"
	const report = head + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nSorry\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n"
	const to = "Final-Recipient: rfc822; ada@reader.example\n"
	for name, c := range map[string]struct {
		text  string
		class []mailer.Class
	}{
		"failed":            {report + "\n" + to + "Action: failed\nStatus: 5.1.1\n", []mailer.Class{mailer.Hard}},
		"in capitals":       {report + "\nFINAL-RECIPIENT: RFC822; ada@reader.example\nACTION: FAILED\nSTATUS: 5.1.1\n", []mailer.Class{mailer.Hard}},
		"expired":           {report + "\n" + to + "Action: failed\nStatus: 4.4.7\n", []mailer.Class{mailer.Soft}},
		"delayed":           {report + "\n" + to + "Action: delayed\nStatus: 4.4.1\nWill-Retry-Until: Thu, 26 Nov 2026 10:00:00 +0000\n", []mailer.Class{mailer.Put}},
		"delivered":         {report + "\n" + to + "Action: delivered\nStatus: 2.0.0\n", []mailer.Class{mailer.Arrived}},
		"relayed":           {report + "\n" + to + "Action: relayed\nStatus: 2.0.0\n", nil},
		"no action":         {report + "\n" + to + "Status: 5.1.1\n", []mailer.Class{mailer.Hard}},
		"no blank line":     {report + to + "Action: failed\nStatus: 5.1.1\n", []mailer.Class{mailer.Hard}},
		"two":               {report + "\n" + to + "Action: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; eve@reader.example\nAction: failed\nStatus: 5.2.2\n", []mailer.Class{mailer.Hard, mailer.Soft}},
		"two in one":        {report + "\n" + to + "Action: failed\nStatus: 5.2.2\nFinal-Recipient: rfc822; eve@reader.example\nAction: failed\nStatus: 5.7.1\n", []mailer.Class{mailer.Soft, mailer.Policy}},
		"short status":      {report + "\n" + to + "Action: failed\nStatus: 5.1\nDiagnostic-Code: smtp; 550 no such mailbox\n", []mailer.Class{mailer.Hard}},
		"why in words":      {strings3464, []mailer.Class{mailer.Soft}},
		"in plain text":     {head + "\nReport\n\nReporting-MTA: dns; mx.example\n\n" + to + "Action: failed\nStatus: 5.1.1\n", []mailer.Class{mailer.Hard}},
		"sent on":           {"From: ada@reader.example\nSubject: Fwd: Undelivered\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nLook\n--c\nContent-Type: message/rfc822\n\n" + report + "\n" + to + "Action: failed\nStatus: 5.1.1\n--b--\n--c--\n", nil},
		"base64":            {head + "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\nRmluYWwtUmVjaXBpZW50OiByZmM4MjI7IGFAYi5leGFtcGxlCkFjdGlvbjogZmFpbGVkClN0YXR1czogNS4xLjEK\n--b--\n", []mailer.Class{mailer.Hard}},
		"global (RFC 6533)": {head + "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/global-delivery-status\n\nFinal-Recipient: utf-8; آدا@reader.example\nAction: failed\nStatus: 5.1.1\n--b--\n", []mailer.Class{mailer.Hard}},
	} {
		var got []mailer.Class
		for _, n := range Read([]byte(c.text)).News {
			got = append(got, n.Class)
		}
		if d := cmp.Diff(c.class, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// strings3464 is a report whose fields do not say why.
const strings3464 = `From: MAILER-DAEMON@mx.example
Subject: Undeliverable
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

<ada@reader.example>: the mailbox is full
--b
Content-Type: message/delivery-status

Final-Recipient: rfc822; ada@reader.example
Action: failed
Status: 5.0.0
--b--
`

// TestNotABounce reads what people and machines write about mail that did not come: nobody is charged.
func TestNotABounce(t *testing.T) {
	for name, text := range map[string]string{
		"asks":       "From: ada@reader.example\nSubject: Mail delivery failed?\n\nMy mail to eve@reader.example came back: 550 5.1.1 user unknown, could not be delivered.\n",
		"answers":    "From: ada@reader.example\nSubject: Re: Undelivered Mail Returned to Sender\nIn-Reply-To: <x@mx.example>\n\nI do not understand.\n> 550 5.1.1 <eve@reader.example>: User unknown\n",
		"postmaster": "From: Postmaster <postmaster@reader.example>\nSubject: Re: your question\nIn-Reply-To: <x@paper.example>\n\nYour address was unknown: 550 5.1.1 user unknown. It could not be delivered.\n",
		"by hand":    "Return-Path: <pat@reader.example>\nFrom: Postmaster <postmaster@reader.example>\nSubject: Delivery problems\n\nYour mail could not be delivered: 550 5.1.1 <eve@reader.example> user unknown.\n",
		"sends on":   "From: ada@reader.example\nSubject: Look\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nLook\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; eve@reader.example\nAction: failed\nStatus: 5.1.1\n--b--\n",
		"tls":        "From: noreply-smtp-tls-reporting@provider.example\nSubject: Report Domain: paper.example\nContent-Type: multipart/report; report-type=tlsrpt; boundary=b\n\n--b\n\nThis could not be delivered: user unknown 550 5.1.1\n--b--\n",
		"news":       "From: news@other.example\nSubject: How to avoid undeliverable mail\nList-Id: <x.example>\n\nA mail is undeliverable if the user is unknown (550 5.1.1).\n",
		"vacation":   "Return-Path: <>\nFrom: ada@reader.example\nSubject: Out of office: Morning\nAuto-Submitted: auto-replied\n\nThis mailbox is no longer read. User unknown? Mail to eve@reader.example could not be delivered.\n",
		"gone":       "Return-Path: <>\nFrom: ada@reader.example\nSubject: Automatic reply: Morning\n\nAda has left the company. The address does not exist any more, your message was not delivered.\n",
		"dmarc":      "From: postmaster@provider.example\nSubject: Report Domain: paper.example Submitter: provider.example\nContent-Type: application/zip; name=\"report.zip\"\n\nUEsDBA==\n",
	} {
		if r := Read([]byte(text)); r.Class == mailer.Hard {
			t.Errorf("%s: %s, %+v", name, r.Class, r.News)
		}
	}
}
