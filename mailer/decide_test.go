package mailer

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func half() float64 { return 0.5 } // no jitter

func rep(code int, enhanced, text string) Reply { return Reply{code, enhanced, text} }

// cell is one of the reply table: what the relay said, and what follows.
type cell struct {
	reply   Reply
	state   State
	effect  Effect
	charged bool
	hard    bool
}

// replyTable is all of it, by where the relay said it.
func replyTable() map[Verb][]cell {
	greeting := []cell{
		{rep(421, "4.7.0", "too busy"), Queued, RedialLater, false, false},
		{rep(450, "", ""), Queued, RedialLater, false, false},
		{rep(451, "", ""), Queued, RedialLater, false, false},
		{rep(452, "", ""), Queued, RedialLater, false, false},
		{rep(454, "4.7.0", "TLS not available"), Queued, RedialLater, false, false},
		{rep(454, "", "Throttling failure: Maximum sending rate exceeded."), Queued, Slow, false, false},
		{rep(530, "", ""), Queued, Hold, false, false},
		{rep(534, "", ""), Queued, Hold, false, false},
		{rep(535, "5.7.8", "bad credentials"), Queued, Hold, false, false},
		{rep(550, "", ""), Queued, Hold, false, false},
		{rep(551, "", ""), Queued, Hold, false, false},
		{rep(553, "", ""), Queued, Hold, false, false},
		{rep(552, "", ""), Queued, Hold, false, false},
		{rep(554, "5.7.1", "no service for you"), Queued, Hold, false, false},
	}
	return map[Verb][]cell{
		Connect: greeting, Ehlo: greeting, StartTLS: greeting, Auth: greeting,
		Mail: {
			{rep(421, "", ""), Queued, RedialLater, false, false},
			{rep(450, "4.7.1", "busy"), Deferred, BackOff, false, false},
			{rep(451, "", ""), Deferred, BackOff, false, false},
			{rep(452, "4.3.1", "disk"), Deferred, BackOff, false, false},
			{rep(450, "4.7.1", "Error: too much mail from 192.0.2.1"), Queued, Slow, false, false},
			{rep(454, "", "Throttling failure: Maximum sending rate exceeded."), Queued, Slow, false, false},
			{rep(550, "5.1.8", "sender"), Queued, SenderRefused, false, false},
			{rep(551, "", ""), Queued, SenderRefused, false, false},
			{rep(553, "", ""), Queued, SenderRefused, false, false},
			{rep(552, "5.3.4", "too big"), Failed, GoOn, true, false},
			{rep(554, "", ""), Queued, SenderRefused, false, false},
			{rep(500, "", ""), Queued, SenderRefused, false, false},
			{rep(503, "5.5.1", "nested MAIL"), Queued, RedialLater, false, false},
			{rep(530, "5.7.0", "authenticate first"), Queued, Hold, false, false},
			{rep(535, "", ""), Queued, Hold, false, false},
			{rep(354, "", ""), Queued, BackOff, false, false},
			{rep(220, "", ""), Queued, BackOff, false, false},
		},
		Rcpt: {
			{rep(421, "", ""), Queued, RedialLater, false, false},
			{rep(450, "4.2.1", "greylisted"), Deferred, GoOn, true, false},
			{rep(451, "", ""), Deferred, GoOn, true, false},
			{rep(452, "4.2.2", "mailbox full"), Deferred, GoOn, true, false},
			{rep(450, "4.2.1", "mailbox gets too many messages"), Deferred, GoOn, true, false},
			{rep(454, "", "Maximum sending rate exceeded"), Queued, Slow, false, false},
			{rep(421, "4.7.28", "an unusual rate of mail, and so it is rate limited"), Deferred, Redial, true, false},
			{rep(450, "4.7.28", "too much mail"), Deferred, GoOn, true, false},
			{rep(451, "4.7.650", "rate limited for its IP reputation"), Deferred, GoOn, true, false},
			{rep(421, "4.7.0", "[TSS04] put off for unexpected volume or user complaints"), Deferred, Redial, true, false},
			{rep(450, "4.7.1", "Error: too much mail from 192.0.2.1"), Queued, Slow, false, false},
			{rep(421, "4.7.0", "Error: too many connections from 192.0.2.1"), Queued, RedialLater, false, false},
			{rep(552, "", ""), Deferred, GoOn, true, false},
			{rep(552, "5.2.2", "full"), Deferred, GoOn, true, false},
			{rep(552, "5.1.1", "unknown"), Failed, GoOn, true, true},
			{rep(550, "", ""), Failed, GoOn, true, true},
			{rep(551, "", ""), Failed, GoOn, true, true},
			{rep(553, "", ""), Failed, GoOn, true, true},
			{rep(550, "5.1.1", ""), Failed, GoOn, true, true},
			{rep(550, "5.1.2", ""), Failed, GoOn, true, true},
			{rep(553, "5.1.3", ""), Failed, GoOn, true, true},
			{rep(551, "5.1.6", ""), Failed, GoOn, true, true},
			{rep(556, "5.1.10", ""), Failed, GoOn, true, true},
			{rep(550, "5.7.1", ""), Failed, GoOn, true, false},
			{rep(550, "5.2.1", ""), Failed, GoOn, true, false},
			{rep(554, "", ""), Failed, GoOn, true, false},
			{rep(554, "5.7.1", "policy"), Failed, GoOn, true, false},
			{rep(500, "", ""), Failed, GoOn, true, false},
			{rep(503, "", "need MAIL"), Queued, RedialLater, false, false},
			{rep(530, "", ""), Queued, Hold, false, false},
			{rep(354, "", ""), Queued, BackOff, false, false},
		},
		Data: {
			{rep(421, "", ""), Queued, RedialLater, false, false},
			{rep(450, "", ""), Deferred, GoOn, true, false},
			{rep(451, "", ""), Deferred, GoOn, true, false},
			{rep(452, "", ""), Deferred, GoOn, true, false},
			{rep(550, "5.1.1", ""), Failed, GoOn, true, false},
			{rep(551, "", ""), Failed, GoOn, true, false},
			{rep(553, "", ""), Failed, GoOn, true, false},
			{rep(552, "", ""), Failed, GoOn, true, false},
			{rep(554, "", "no valid recipients"), Failed, GoOn, true, false},
			{rep(503, "", "need RCPT"), Queued, RedialLater, false, false},
			{rep(250, "", ""), Queued, BackOff, false, false},
		},
		Dot: {
			{rep(250, "2.0.0", "taken"), Accepted, GoOn, true, false},
			{rep(421, "", ""), Deferred, Redial, true, false},
			{rep(450, "", ""), Deferred, GoOn, true, false},
			{rep(451, "", ""), Deferred, GoOn, true, false},
			{rep(452, "", ""), Deferred, GoOn, true, false},
			{rep(454, "", "Throttling failure: Daily message quota exceeded."), Queued, Slow, false, false},
			{rep(421, "4.7.28", "an unusual rate of mail"), Deferred, Redial, true, false},
			{rep(451, "4.7.28", "too much mail, slow down"), Deferred, GoOn, true, false},
			{rep(550, "5.1.1", ""), Failed, GoOn, true, false},
			{rep(551, "", ""), Failed, GoOn, true, false},
			{rep(553, "", ""), Failed, GoOn, true, false},
			{rep(552, "5.3.4", ""), Failed, ContentRefused, true, false},
			{rep(554, "5.7.1", "spam"), Failed, ContentRefused, true, false},
		},
	}
}

// TestDecideEveryCell goes through the table for a delivery without an unanswered copy and for one with.
func TestDecideEveryCell(t *testing.T) {
	for verb, cells := range replyTable() {
		for _, c := range cells {
			for earlier := range 2 {
				d := Delivery{State: Sending, Attempts: 1 + earlier, Copies: earlier, Ends: noon.Add(6 * time.Hour)}
				if verb == Dot {
					d.State, d.Copies = Handed, earlier+1
				}
				want := Outcome{State: c.state, Charged: c.charged, Hard: c.hard, Copies: earlier}
				if c.state == Accepted {
					want.Copies = earlier + 1
				}
				if earlier > 0 && c.state == Failed {
					want.State = Uncertain
				}
				got, effect := Decide(verb, c.reply, nil, &d, noon, half)
				name := fmt.Sprintf("%s %s, %d unanswered", verb, c.reply, earlier)
				if got.State != want.State || effect != c.effect || got.Charged != want.Charged || got.Hard != want.Hard || got.Copies != want.Copies {
					t.Errorf("%s:\n got %s %q charged=%t hard=%t copies=%d\nwant %s %q charged=%t hard=%t copies=%d", name,
						got.State, effect, got.Charged, got.Hard, got.Copies,
						want.State, c.effect, want.Charged, want.Hard, want.Copies)
				}
				if got.Reply != c.reply {
					t.Errorf("%s: the reply became %v", name, got.Reply)
				}
				switch got.State {
				case Deferred:
					if !got.Due.After(noon) {
						t.Errorf("%s: deferred, but due at %v", name, got.Due)
					}
				case Queued:
					if got.Due.IsZero() {
						t.Errorf("%s: queued without a due time", name)
					}
				default:
					if !got.Due.IsZero() {
						t.Errorf("%s: ended, but due at %v", name, got.Due)
					}
				}
				if got.State != Accepted && got.Reason == "" {
					t.Errorf("%s: no reason", name)
				}
			}
		}
	}
	o, _ := Decide(Mail, rep(552, "", ""), nil, &Delivery{Attempts: 1}, noon, half)
	if o.Reason != ReasonTooBig {
		t.Errorf("MAIL 552 gave the reason %q", o.Reason)
	}
}

func TestDecideSilence(t *testing.T) {
	garbled := fmt.Errorf("read: %w", ErrProtocol)
	tests := []struct {
		name    string
		verb    Verb
		reply   Reply
		err     error
		copies  int
		ends    time.Duration
		state   State
		wantN   int
		due     time.Duration
		effect  Effect
		charged bool
	}{
		{"EOF at MAIL", Mail, Reply{}, io.EOF, 0, time.Hour, Queued, 0, 0, RedialLater, false},
		{"EOF at MAIL of a second try", Mail, Reply{}, io.EOF, 1, time.Hour, Queued, 1, 0, RedialLater, false},
		{"reset in the content", Data, Reply{}, io.ErrUnexpectedEOF, 0, time.Hour, Queued, 0, 0, RedialLater, false},
		{"garbled at RCPT", Rcpt, Reply{}, garbled, 0, time.Hour, Deferred, 0, time.Minute, BackOff, false},
		{"silence after the first copy", Dot, Reply{}, io.EOF, 1, time.Hour, Deferred, 1, time.Minute, Redial, true},
		{"garbled after the first copy", Dot, Reply{}, garbled, 1, time.Hour, Deferred, 1, time.Minute, Redial, true},
		{"354 to the dot", Dot, rep(354, "", ""), nil, 1, time.Hour, Deferred, 1, time.Minute, Redial, true},
		{"silence after the second copy", Dot, Reply{}, io.EOF, 2, time.Hour, Uncertain, 2, 0, Redial, true},
		{"silence with no life left for a second try", Dot, Reply{}, io.EOF, 1, 30 * time.Second, Uncertain, 1, 0, Redial, true},
		{"ledger not writable", Data, Reply{}, errNotHanded, 0, time.Hour, Queued, 0, 0, RedialLater, false},
		{"not composed", Mail, Reply{}, &Unsendable{Reason: "compose", Err: errors.New("x")}, 0, time.Hour, Failed, 0, 0, GoOn, true},
		{"not composed the second time", Mail, Reply{}, &Unsendable{Reason: "compose"}, 1, time.Hour, Uncertain, 1, 0, GoOn, true},
		{"dial refused", Connect, Reply{}, io.EOF, 0, time.Hour, Queued, 0, 0, RedialLater, false},
		{"no AUTH in common", Auth, Reply{}, errNoAuth, 0, time.Hour, Queued, 0, 0, Hold, false},
	}
	for _, tt := range tests {
		d := Delivery{Attempts: 1, Copies: tt.copies, Ends: noon.Add(tt.ends)}
		o, effect := Decide(tt.verb, tt.reply, tt.err, &d, noon, half)
		var due time.Duration
		if !o.Due.IsZero() {
			due = o.Due.Sub(noon)
		}
		if o.State != tt.state || o.Copies != tt.wantN || due != tt.due || effect != tt.effect || o.Charged != tt.charged {
			t.Errorf("%s: got %s copies=%d due=%v %q charged=%t", tt.name, o.State, o.Copies, due, effect, o.Charged)
		}
	}
}

func TestDecidePlanUntilTheEndOfLife(t *testing.T) {
	want := []time.Duration{1, 5, 15, 30, 60, 60, 60, 60}
	at := noon
	d := Delivery{Ends: noon.Add(4 * time.Hour)}
	for i, minutes := range want {
		d.Attempts = i + 1
		o, _ := Decide(Rcpt, rep(451, "", ""), nil, &d, at, half)
		if at.Add(minutes * time.Minute).After(d.Ends) {
			if o.State != Expired {
				t.Fatalf("try %d at %v: %s, want expired", i+1, at, o.State)
			}
			d.Copies = 1
			if o, _ = Decide(Rcpt, rep(451, "", ""), nil, &d, at, half); o.State != Uncertain {
				t.Fatalf("with an unanswered copy it ended %s", o.State)
			}
			return
		}
		if o.State != Deferred || o.Due.Sub(at) != minutes*time.Minute {
			t.Fatalf("try %d: %s due in %v, want %v", i+1, o.State, o.Due.Sub(at), minutes*time.Minute)
		}
		at = o.Due
	}
	t.Fatal("it never expired")
}

func TestDecideJitterIsAFifth(t *testing.T) {
	d := Delivery{Attempts: 3, Ends: noon.Add(time.Hour)}
	for _, tt := range []struct {
		r    float64
		want time.Duration
	}{{0, 12 * time.Minute}, {0.5, 15 * time.Minute}, {1, 18 * time.Minute}} {
		o, _ := Decide(Rcpt, rep(451, "", ""), nil, &d, noon, func() float64 { return tt.r })
		if got := o.Due.Sub(noon); got.Round(time.Second) != tt.want {
			t.Errorf("at %v the wait is %v, want %v", tt.r, got, tt.want)
		}
	}
}

// TestDecideIsTotal goes through every code at every verb: an unanswered copy never ends as
// failed or expired, only the recipient's refusal marks an address, only tries that count are charged.
func TestDecideIsTotal(t *testing.T) {
	for _, verb := range []Verb{Connect, Ehlo, StartTLS, Auth, Mail, Rcpt, Data, Dot} {
		for code := 200; code < 600; code++ {
			for copies := range 3 {
				for _, ends := range []time.Time{noon.Add(-time.Second), noon.Add(time.Hour)} {
					d := Delivery{Attempts: 2, Copies: copies, Ends: ends}
					o, effect := Decide(verb, rep(code, "", ""), nil, &d, noon, half)
					before := copies
					if verb == Dot {
						before = max(copies-1, 0)
					}
					if before > 0 && (o.State == Failed || o.State == Expired) {
						t.Errorf("%s %d with %d unanswered copies ended %s", verb, code, before, o.State)
					}
					if o.Hard && (verb != Rcpt || code/100 != 5) {
						t.Errorf("%s %d left a hard mark", verb, code)
					}
					if o.State == "" || effect == "" {
						t.Errorf("%s %d: undecided", verb, code)
					}
					if o.State == Queued && o.Charged {
						t.Errorf("%s %d: queued and charged", verb, code)
					}
				}
			}
		}
	}
}
