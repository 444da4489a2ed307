package demo

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// letter is a mail that the relay took, as what comes back of it needs to know it.
type letter struct {
	from, to string // of the envelope
	id       string // that the sender gave it (RFC 3461 section 4.4), "" if none
	raw      []byte
	number   int       // in the inbox
	at       time.Time // when it was taken
}

// failures are the reports of mail that could not be delivered.
var failures = map[Back]struct {
	code         int
	status, text string
	after        time.Duration
}{
	NoMailbox: {550, "5.1.1", "The mailbox you wrote to does not exist here", 40 * time.Second},
	OverQuota: {552, "5.2.2", "The mailbox is full, and has been for a week", 3 * time.Minute},
	Unwanted:  {554, "5.7.1", "Message refused by the policy of this house", 20 * time.Second},
	TooLarge:  {552, "5.3.4", "Message is larger than this server takes", 30 * time.Second},
}

// comesBack is what comes of the letter, and when.
func (l *letter) comesBack(back Back) []returned {
	in := func(after time.Duration, from, to, text string) returned {
		at := l.at.Add(after).UTC()
		return returned{at: at, from: from, to: to, text: fmt.Sprintf("Date: %s\nMessage-ID: <%d.%s>\nTo: %s\n", at.Format(time.RFC1123Z), at.UnixNano(),
			strings.ReplaceAll(l.to, "@", ".back@"), to) + text}
	}
	report := func(after time.Duration, action, status, said string) returned {
		return in(after, "", l.from, l.report(l.at.Add(after), action, status, said))
	}
	switch back {
	case NoMailbox, OverQuota, Unwanted, TooLarge:
		f := failures[back]
		m := report(f.after, "failed", f.status, fmt.Sprintf("%d %s %s", f.code, f.status, f.text))
		m.away = &Refusal{Address: l.to, Code: f.code, Text: f.status + " " + f.text}
		return []returned{m}
	case Late:
		const busy = "421 4.7.28 Too much mail from you just now, come again"
		return []returned{report(15*time.Minute, "delayed", "4.7.28", busy), report(45*time.Minute, "delayed", "4.7.28", busy),
			report(75*time.Minute, "delivered", "2.0.0", "250 2.0.0 Taken at last")}
	case Spam:
		pressed := in(2*time.Hour, "", "fbl@"+domainIn(l.from), l.complaint())
		pressed.junk = l.number
		return []returned{pressed}
	case Leaves:
		if to := l.leaveBy(); to != "" {
			return []returned{in(10*time.Minute, l.to, to, "From: "+l.to+"\nSubject:\nX-Apple-Unsubscribe: true\nAuto-Submitted: auto-replied\n\n")}
		}
	case Away:
		return []returned{in(5*time.Second, "", l.from, "From: "+l.to+"\nSubject: Out of office: "+l.field("Subject")+
			"\nAuto-Submitted: auto-replied\nIn-Reply-To: "+l.field("Message-ID")+"\n\nI am away until Monday, and read no mail.\n")}
	case Answers:
		return []returned{in(25*time.Minute, l.to, l.answerTo(), l.answer("The piece on the shipyard is the best I have read this year. Who took the pictures?"))}
	case AsksToLeave:
		return []returned{in(50*time.Minute, l.to, l.answerTo(), l.answer("Thank you, but please take me off this list."))}
	}
	return nil
}

// report is one of RFC 3464 with the header of the mail it is about (RFC 3462 section 2).
func (l *letter) report(at time.Time, action, status, said string) string {
	host := "mx." + domainIn(l.to)
	envelope := ""
	if l.id != "" {
		envelope = "Original-Envelope-Id: " + l.id + "\n"
	}
	words := map[string]string{"failed": "could not be delivered", "delayed": "is late; nothing needs to be done", "delivered": "has arrived"}
	return fmt.Sprintf(`From: Mail Delivery System <mailer-daemon@relay.meridian-courier.example>
Subject: Your mail %[1]s
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=cut

--cut
Content-Type: text/plain; charset=us-ascii

Your mail to <%[2]s> %[1]s.
%[3]s said: %[4]s

--cut
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.meridian-courier.example
%[5]sArrival-Date: %[6]s

Final-Recipient: rfc822; %[2]s
Action: %[7]s
Status: %[8]s
Remote-MTA: dns; %[3]s
Diagnostic-Code: smtp; %[4]s
Last-Attempt-Date: %[9]s

--cut
Content-Type: text/rfc822-headers

%[10]s
--cut--
`, words[action], l.to, host, said, envelope, l.at.UTC().Format(time.RFC1123Z), action, status, at.UTC().Format(time.RFC1123Z), l.head())
}

// complaint is a report of RFC 5965, as a large provider sends it: without the reader's address.
func (l *letter) complaint() string {
	return fmt.Sprintf(`From: Feedback <feedback@%[1]s>
Subject: A complaint about a mail of yours
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=cut

--cut
Content-Type: text/plain; charset=us-ascii

One of our users has marked the mail below as spam.

--cut
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: feedback/1
Version: 1
Source-IP: 127.0.0.1

--cut
Content-Type: message/rfc822

%[2]s

The text is not passed on.
--cut--
`, domainIn(l.to), strings.ReplaceAll(l.head(), l.to, "redacted@"+domainIn(l.to)))
}

// answer is what a person writes above a mail.
func (l *letter) answer(text string) string {
	return "From: " + l.to + "\nSubject: Re: " + l.field("Subject") + "\nIn-Reply-To: " + l.field("Message-ID") +
		"\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n" + text + "\n\nOn " + l.at.UTC().Format("2 January") + " we wrote:\n> " + l.field("Subject") + "\n"
}

// head is the letter's header with LF line ends.
func (l *letter) head() string {
	head, _, _ := splitHead(l.raw)
	return strings.ReplaceAll(string(head), "\r\n", "\n")
}

// field is a header field as it stands, on one line; "" if it is not there.
func (l *letter) field(name string) string {
	unfolded := strings.NewReplacer("\n ", " ", "\n\t", " ").Replace(l.head())
	for line := range strings.SplitSeq(unfolded, "\n") {
		if have, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(have, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

var mailto = regexp.MustCompile(`<mailto:([^>?]+)[^>]*>`)

// leaveBy is the address in List-Unsubscribe (RFC 2369), "" if there is none.
func (l *letter) leaveBy() string {
	if m := mailto.FindStringSubmatch(strings.ReplaceAll(l.field("List-Unsubscribe"), " ", "")); m != nil {
		return m[1]
	}
	return ""
}

var bareAddress = regexp.MustCompile(`[^\s<>"]+@[^\s<>"]+`)

// answerTo is where a mail program sends an answer.
func (l *letter) answerTo() string {
	for _, name := range []string{"Reply-To", "From"} {
		if a := bareAddress.FindString(l.field(name)); a != "" {
			return a
		}
	}
	return l.from
}

func domainIn(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}
