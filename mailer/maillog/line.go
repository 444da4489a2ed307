package maillog

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// maxLine is how many octets of a line are read. Postfix's own have 2,000 at most.
const maxLine = 8 << 10

// Line is what a line of Postfix's log says of a mail in its queue.
type Line struct {
	At     time.Time // as the line has it, to the second or better
	Daemon string    // that wrote it: smtp, lmtp, virtual, local, pipe, discard, error, qmgr, cleanup, bounce, smtpd, …
	Queue  string    // id of the mail

	From    string // qmgr: envelope sender
	HasFrom bool   // it may be empty

	// Of a try to deliver it to one recipient.
	To     string // as it came to this server if that has rewritten it, else as it is
	Relay  string // next server, as "mx.example[192.0.2.1]:25"; "none", "virtual", …
	DSN    string // RFC 3463 "4.7.28"
	Status string // sent, deferred, bounced, expired; "" if the line tells of no try
	Text   string // what the next server said, or why it could not be asked

	Removed bool // the mail has left the queue
}

// Parse reads a line, without its end. ok is false for what is no line of Postfix's or says nothing
// of a mail in the queue. Stamps without a year or a zone are those of the latest year and of the zone
// that make them at most a day later than now.
func Parse(line []byte, now time.Time, zone *time.Location) (l Line, ok bool) {
	line = line[:min(len(line), maxLine)]
	at, rest, ok := stamp(line, now, zone)
	if !ok {
		return l, false
	}
	_, rest, ok = word(rest) // host
	if !ok {
		return l, false
	}
	tag, rest, ok := word(rest)
	if !ok || len(tag) < 2 || tag[len(tag)-1] != ':' {
		return l, false
	}
	l.At, l.Daemon = at, daemon(string(tag[:len(tag)-1]))
	if l.Daemon == "" {
		return l, false
	}
	// The rest is text of our own server around text that others have written, so it is read from
	// the left, and nothing is looked for further on.
	id, text, ok := strings.Cut(string(rest), ": ")
	if !ok || !isQueueID(id) {
		return l, false
	}
	l.Queue = id
	if text == "removed" {
		l.Removed = l.Daemon == "qmgr"
		return l, true
	}
	l.fields(text)
	return l, true
}

// word cuts the first word off.
func word(line []byte) (w, rest []byte, ok bool) {
	w, rest, ok = bytes.Cut(line, []byte(" "))
	return w, bytes.TrimLeft(rest, " "), ok && len(w) > 0
}

// daemon is the last part of "postfix/smtp[123]", "postfix-out/submission/smtpd[123]" and the like; ""
// if there is no part before it: then it is another program.
func daemon(tag string) string {
	tag, _, _ = strings.Cut(tag, "[")
	slash := strings.LastIndexByte(tag, '/')
	if slash <= 0 {
		return ""
	}
	return tag[slash+1:]
}

// isQueueID reports whether s can be the id of a queue file, short (hexadecimal) or long (base 52 with
// digits; enable_long_queue_ids).
func isQueueID(s string) bool {
	if len(s) < 6 || len(s) > 25 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "warning" // which a server's name may stand before
}

// fields reads "to=<a@b>, orig_to=<c@d>, relay=e[f]:25, delay=1, delays=…, dsn=2.0.0, status=sent (text)".
func (l *Line) fields(text string) {
	origin := ""
	for text != "" {
		name, value, ok := strings.Cut(text, "=")
		if !ok || strings.ContainsAny(name, " <>,()") {
			return
		}
		if name == "status" {
			l.status(value)
			break
		}
		var rest string
		if address, found := strings.CutPrefix(value, "<"); found {
			// An address may hold anything in quotes; what ends it is what follows.
			if value, rest, ok = strings.Cut(address, ">, "); !ok {
				value, ok = strings.CutSuffix(value, ">")
				rest = ""
			}
			if !ok {
				return
			}
		} else {
			value, rest, _ = strings.Cut(value, ", ")
		}
		switch name {
		case "from":
			if l.Daemon == "qmgr" {
				l.From, l.HasFrom = value, true
			}
		case "to":
			l.To = value
		case "orig_to":
			origin = value
		case "relay":
			l.Relay = value
		case "dsn":
			l.DSN = value
		}
		text = rest
	}
	if origin != "" {
		l.To = origin
	}
}

// status reads "sent (text)" and qmgr's "expired, returned to sender".
func (l *Line) status(s string) {
	status, text, _ := strings.Cut(s, " ")
	l.Status = strings.TrimSuffix(status, ",")
	if l.Status == "SOFTBOUNCE" { // soft_bounce = yes: it is tried again
		l.Status = "deferred"
	}
	if l.Status == "force-expired" {
		l.Status = "expired"
	}
	l.Text = strings.TrimSuffix(strings.TrimPrefix(text, "("), ")")
}

// stamp reads "Jan  2 15:04:05" or a form of RFC 3339 at the beginning of a line.
func stamp(line []byte, now time.Time, zone *time.Location) (at time.Time, rest []byte, ok bool) {
	if len(line) < 16 {
		return at, nil, false
	}
	if line[0] >= '0' && line[0] <= '9' {
		w, rest, ok := word(line)
		if !ok || len(w) > 40 {
			return at, nil, false
		}
		for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
			if at, err := time.Parse(form, string(w)); err == nil {
				return at, rest, true
			}
		}
		return at, nil, false
	}
	if line[15] != ' ' {
		return at, nil, false
	}
	at, ok = yearless(line[:15], now.In(zone), zone)
	return at, bytes.TrimLeft(line[16:], " "), ok
}

// yearless reads "Jan  2 15:04:05" as of the latest year in which it is not a day or more after now.
func yearless(s []byte, now time.Time, zone *time.Location) (at time.Time, ok bool) {
	month := bytes.Index([]byte("JanFebMarAprMayJunJulAugSepOctNovDec"), s[:3])
	day, ok1 := number(bytes.TrimLeft(s[4:6], " "), 31)
	hour, ok2 := number(s[7:9], 23)
	minute, ok3 := number(s[10:12], 59)
	second, ok4 := number(s[13:15], 60)
	if month < 0 || month%3 != 0 || day == 0 || !ok1 || !ok2 || !ok3 || !ok4 || s[3] != ' ' || s[6] != ' ' || s[9] != ':' || s[12] != ':' {
		return at, false
	}
	for year := now.Year() + 1; year > now.Year()-8; year-- { // eight years have a 29 February but around 2100
		at = time.Date(year, time.Month(month/3+1), day, hour, minute, second, 0, zone)
		if at.Day() == day && at.Before(now.Add(24*time.Hour)) {
			return at, true
		}
	}
	return at, false
}

func number(s []byte, most int) (n int, ok bool) {
	n, err := strconv.Atoi(string(s))
	return n, err == nil && n >= 0 && n <= most && s[0] != '+' && s[0] != '-'
}
