package maillog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var zone = time.FixedZone("CET", 3600)

// now is in the small hours of a new year.
var now = time.Date(2026, 1, 1, 0, 10, 0, 0, zone)

func TestParse(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 5, 3, 0, zone)
	tests := []struct {
		line string
		want Line // Queue "" = no line
	}{
		{"Jan  1 00:05:03 mx postfix/qmgr[7]: 4XyZ12abcd: from=<bounce+abc@lantern.example>, size=9001, nrcpt=1 (queue active)",
			Line{At: at, Daemon: "qmgr", Queue: "4XyZ12abcd", From: "bounce+abc@lantern.example", HasFrom: true}},
		{"Jan  1 00:05:03 mx postfix/qmgr[7]: A1B2C3D4E5: from=<>, size=9001, nrcpt=1 (queue active)", Line{At: at, Daemon: "qmgr", Queue: "A1B2C3D4E5", HasFrom: true}},
		{"Jan  1 00:05:03 mx postfix/smtp[8]: A1B2C3D4E5: to=<ada@reader.example>, relay=mx.reader.example[192.0.2.1]:25, delay=0.4, delays=0.1/0/0.2/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9F8E7D6C5B)",
			Line{At: at, Daemon: "smtp", Queue: "A1B2C3D4E5", To: "ada@reader.example", Relay: "mx.reader.example[192.0.2.1]:25", DSN: "2.0.0", Status: "sent",
				Text: "250 2.0.0 Ok: queued as 9F8E7D6C5B"}},
		{"2026-01-01T00:05:03+01:00 mx postfix/out/lmtp[8]: A1B2C3D4E5: to=<box@inner.example>, orig_to=<ada@reader.example>, relay=mx[private/lmtp], delay=0.4, delays=0.1/0/0.2/0.1, dsn=4.2.2, status=deferred (host mx[private/lmtp] said: 452 4.2.2 <x> Quota exceeded (in reply to end of DATA command))",
			Line{At: at, Daemon: "lmtp", Queue: "A1B2C3D4E5", To: "ada@reader.example", Relay: "mx[private/lmtp]", DSN: "4.2.2", Status: "deferred",
				Text: "host mx[private/lmtp] said: 452 4.2.2 <x> Quota exceeded (in reply to end of DATA command)"}},
		{"2026-01-01T00:05:03.000000+0100 mx postfix/qmgr[7]: A1B2C3D4E5: from=<a@b.example>, status=expired, returned to sender",
			Line{At: at, Daemon: "qmgr", Queue: "A1B2C3D4E5", From: "a@b.example", HasFrom: true, Status: "expired", Text: "returned to sender"}},
		{"Jan  1 00:05:03 mx postfix/qmgr[7]: A1B2C3D4E5: from=<a@b.example>, status=force-expired, returned to sender",
			Line{At: at, Daemon: "qmgr", Queue: "A1B2C3D4E5", From: "a@b.example", HasFrom: true, Status: "expired", Text: "returned to sender"}},
		{"Jan  1 00:05:03 mx postfix/smtp[7]: A1B2C3D4E5: to=<a@b.example>, relay=none, delay=1, delays=1/0/0/0, dsn=5.1.1, status=SOFTBOUNCE (no)",
			Line{At: at, Daemon: "smtp", Queue: "A1B2C3D4E5", To: "a@b.example", Relay: "none", DSN: "5.1.1", Status: "deferred", Text: "no"}},
		{"Jan  1 00:05:03 mx postfix/qmgr[7]: A1B2C3D4E5: removed", Line{At: at, Daemon: "qmgr", Queue: "A1B2C3D4E5", Removed: true}},
		{"Jan  1 00:05:03 mx postfix/smtpd[9]: A1B2C3D4E5: client=unknown[192.0.2.9]", Line{At: at, Daemon: "smtpd", Queue: "A1B2C3D4E5"}},
		// Nothing that others wrote is taken for ours.
		{`Jan  1 00:05:03 mx postfix/smtp[8]: A1B2C3D4E5: to=<a@b.example>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred (host x[192.0.2.1] said: 450 to=<c@d.example>, dsn=2.0.0, status=sent (250 fine))`,
			Line{At: at, Daemon: "smtp", Queue: "A1B2C3D4E5", To: "a@b.example", Relay: "none", DSN: "4.4.1", Status: "deferred",
				Text: "host x[192.0.2.1] said: 450 to=<c@d.example>, dsn=2.0.0, status=sent (250 fine)"}},
		{"Jan  1 00:05:03 mx postfix/cleanup[9]: A1B2C3D4E5: warning: header Subject: to=<a@b.example>, status=sent (x)", Line{At: at, Daemon: "cleanup", Queue: "A1B2C3D4E5"}},
		{"Jan  1 00:05:03 mx postfix/smtpd[9]: NOQUEUE: reject: RCPT from x[192.0.2.9]: 450 4.7.1", Line{At: at, Daemon: "smtpd", Queue: "NOQUEUE"}},
		{"Jan  1 00:05:03 mx postfix/smtpd[9]: connect from x[192.0.2.9]", Line{}},
		{"Jan  1 00:05:03 mx other[9]: A1B2C3D4E5: removed", Line{}},
		{"Jan  1 00:05:03 mx postfix/qmgr[7]: warning: removed", Line{}},
		{"Jan 32 00:05:03 mx postfix/qmgr[7]: A1B2C3D4E5: removed", Line{}},
		{"Jam  1 00:05:03 mx postfix/qmgr[7]: A1B2C3D4E5: removed", Line{}},
		{"Jan  1 00:05:03", Line{}}, {"", Line{}}, {strings.Repeat("x", 100_000), Line{}},
		{"Jan  1 00:05:03 mx postfix/qmgr[7]: " + strings.Repeat("x", 100_000), Line{}},
	}
	for _, tt := range tests {
		got, ok := Parse([]byte(tt.line), now, zone)
		if !ok {
			got = Line{}
		}
		if ok != (tt.want.Queue != "") || !got.At.Equal(tt.want.At) {
			t.Errorf("%.100s: %t, at %v", tt.line, ok, got.At)
		}
		got.At = tt.want.At
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%.100s:\n%s", tt.line, diff)
		}
	}
}

// TestParseYear: a stamp has no year, and is of the latest one that does not lie ahead.
func TestParseYear(t *testing.T) {
	for _, tt := range []struct {
		stamp string
		now   time.Time
		want  string
	}{
		{"Dec 31 23:59:59", now, "2025-12-31"},
		{"Jan  1 00:05:00", now, "2026-01-01"},
		{"Jan  1 20:00:00", now, "2026-01-01"}, // a clock that is ahead, not one of a year ago
		{"Jan  3 00:00:00", now, "2025-01-03"},
		{"Jan  1 00:00:01", time.Date(2025, 12, 31, 23, 59, 0, 0, zone), "2026-01-01"},
		{"Feb 29 12:00:00", time.Date(2028, 3, 1, 0, 0, 0, 0, zone), "2028-02-29"},
		{"Feb 29 12:00:00", now, "2024-02-29"},
	} {
		l, ok := Parse([]byte(tt.stamp+" mx postfix/qmgr[7]: A1B2C3D4E5: removed"), tt.now, zone)
		if got := l.At.In(zone).Format(time.DateOnly); !ok || got != tt.want {
			t.Errorf("%s, read %s: %s, want %s", tt.stamp, tt.now.Format(time.DateTime), got, tt.want)
		}
	}
}

func TestSaid(t *testing.T) {
	for _, tt := range []struct {
		words, host string
		code        int
		text        string
	}{
		{"host mx.example[192.0.2.1] said: 550 5.1.1 <a@b.example>: unknown (in reply to RCPT TO command)", "mx.example", 550, "<a@b.example>: unknown"},
		{"host mx.example[192.0.2.1] said: 421-4.7.28 an unusual rate of mail. 421-4.7.28 Slow down, 421 4.7.28 please. (in reply to end of DATA command)",
			"mx.example", 421, "an unusual rate of mail. Slow down, please."},
		{"delivery temporarily suspended: host unknown[192.0.2.1] refused to talk to me: 421 busy said: 250 yes", "192.0.2.1", 421, "busy said: 250 yes"},
		{"host mx.example[192.0.2.1] said: 554-no 554-never 554 not here (in reply to MAIL FROM command)", "mx.example", 554, "no never not here"},
		{"250 2.0.0 Ok: queued as 9F8E7D6C5B", "", 250, "Ok: queued as 9F8E7D6C5B"},
		{"connect to mx.example[192.0.2.1]:25: Connection refused", "", 0, "connect to mx.example[192.0.2.1]:25: Connection refused"},
		{"delivered to maildir", "", 0, "delivered to maildir"},
		{"host mx.example[192.0.2.1] said: 450 (in reply to RCPT TO command)", "mx.example", 450, ""},
		{"host mx.example[192.0.2.1] said: 450  (in reply to RCPT TO command)", "mx.example", 450, ""},
		{"250 ", "", 250, ""}, {"", "", 0, ""}, {"4500 x", "", 0, "4500 x"},
	} {
		host, code, text := said(tt.words)
		if host != tt.host || code != tt.code || text != tt.text {
			t.Errorf("%s: %q %d %q", tt.words, host, code, text)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"Jan  1 00:05:03 mx postfix/qmgr[7]: A1B2C3D4E5: from=<a@b.example>, status=expired, returned to sender",
		"2026-01-01T00:05:03+01:00 mx postfix/smtp[8]: 4XyZ12abcd: to=<x@y>, orig_to=<\"a>, b\"@c>, relay=h[1]:25, delay=1, delays=1/0/0/0, dsn=4.7.28, status=deferred (host h[1] said: 421-4.7.28 a 421 4.7.28 b (in reply to RCPT TO command))",
		"Jan  1 00:05:03 mx postfix/local[8]: A1B2C3D4E5: to=<a@b>, relay=local, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (forwarded as B1B2C3D4E5)",
		"Jan  1 00:05:03 mx postfix/qmgr[7]: A1B2C3D4E5: removed",
	} {
		f.Add([]byte(seed), int64(1767222600))
	}
	f.Fuzz(func(t *testing.T, line []byte, unix int64) {
		now := time.Unix(unix%(1<<36), 0)
		l, ok := Parse(line, now, zone)
		if !ok {
			return
		}
		if !isQueueID(l.Queue) || l.Daemon == "" || len(l.Text) > maxLine {
			t.Errorf("%+v", l)
		}
		host, code, text := said(l.Text)
		if len(host)+len(text) > 2*maxLine || code != 0 && (code < 200 || code > 599) {
			t.Errorf("%q %d %q", host, code, text)
		}
		if id := queuedAs(l.Text); id != "" && (!isQueueID(id) || !strings.Contains(l.Text, id)) {
			t.Errorf("queued as %q", id)
		}
		if !strings.Contains(string(line), l.Queue) || !strings.Contains(string(line), l.From) || !strings.Contains(string(line), l.To) {
			t.Errorf("made up: %+v", l)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	line := []byte("Jan  1 00:05:03 mx postfix/smtp[8]: A1B2C3D4E5: to=<ada@reader.example>, relay=mx.reader.example[192.0.2.1]:25, delay=0.4, delays=0.1/0/0.2/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9F8E7D6C5B)")
	for b.Loop() {
		if _, ok := Parse(line, now, zone); !ok {
			b.Fatal("not read")
		}
	}
}
