package mailer

import (
	"slices"
	"strings"
	"time"
)

const (
	// quietTime is how long a slowed group must be quiet for its rate to double.
	quietTime = 10 * time.Minute
	// halvePause is how far apart two halvings are: what comes meanwhile was sent before the first.
	halvePause = time.Minute
	// slowestRate is the least that a group gets, in mails a second.
	slowestRate = 0.1
	// guessedRate is what a group counts as sent at of which nothing is known, in mails a second.
	guessedRate = 1
)

// Slowed is a group of recipients' domains that is written to more slowly for a while, because
// servers there say that they get too much of it. Times are the program's.
type Slowed struct {
	Name  string    // of the group, as [Domains.GroupOf] has it
	Rate  float64   // mails a second when it was last heard of
	Base  float64   // what it was sent at before: free again once it is back there
	Since time.Time // when it was first slowed
	Heard time.Time // when a server there last put a mail off
	Why   string    // what that server said
}

// slowed is a group after the first such news.
func newSlowed(name, why string, base float64, at time.Time) Slowed {
	base = max(base, 2*slowestRate)
	return Slowed{Name: name, Rate: base / 2, Base: base, Since: at, Heard: at, Why: why}
}

// RateAt is what the group may be sent at t: twice as much after each ten quiet minutes. free says
// that it is as before, and the rate no limit any more.
func (s Slowed) RateAt(t time.Time) (rate float64, free bool) {
	rate = s.Rate
	for quiet := t.Sub(s.Heard); quiet >= quietTime && rate < s.Base; quiet -= quietTime {
		rate *= 2
	}
	return rate, rate >= s.Base
}

// Until is when the group will be free if all stays quiet.
func (s Slowed) Until() time.Time {
	until := s.Heard
	for rate := s.Rate; rate < s.Base; rate *= 2 {
		until = until.Add(quietTime)
	}
	return until
}

// after is how long from t on the turns of n mails take, if all stays quiet.
func (s Slowed) after(t time.Time, n int) time.Duration {
	left, at := float64(n), t
	for {
		rate, free := s.RateAt(at)
		if free {
			return at.Sub(t)
		}
		step := quietTime - at.Sub(s.Heard)%quietTime
		if at.Before(s.Heard) {
			step = s.Heard.Sub(at) + quietTime
		}
		room := rate * step.Seconds()
		if left <= room {
			return at.Sub(t) + time.Duration(left/rate*float64(time.Second))
		}
		left, at = left-room, at.Add(step)
	}
}

// slower is s after more news of the kind; halved says that it may be halved once more.
func (s Slowed) slower(why string, at time.Time, halve bool) Slowed {
	rate, _ := s.RateAt(at)
	if halve {
		rate = max(rate/2, slowestRate)
	}
	s.Rate, s.Heard, s.Why = min(rate, s.Base), at, why
	return s
}

// lessReasons are the causes of delays that are about how much we send, or what the provider thinks of
// us, as [mailer/report] calls them.
var lessReasons = []string{"ratelimited", "toomanyconn", "speeding", "badreputation"}

// AsksForLess reports whether news of a delay is a reason to write to the whole group more slowly: a
// server there says that it has had too much, or too much of us. One that is down or cannot be reached
// does not ask for less, and it would not help. What is said of one mailbox or address (RFC 3463 sections
// 3.2 and 3.3) is about that alone, and a greylist asks for the same mail once more, however slowly the
// others come.
func (n *News) AsksForLess() bool {
	if n.Class != Put || strings.HasPrefix(n.Status, "4.2.") || strings.HasPrefix(n.Status, "4.1.") || says(n.Text, greylistTexts) {
		return false
	}
	return slices.Contains(providerCodes, n.Status) || slices.Contains(lessReasons, n.Reason) ||
		says(n.Text, providerTexts) || says(n.Text, throttleTexts)
}

// greylistTexts are words of a greylist, in lower case.
var greylistTexts = []string{"greylist", "graylist", "grey list", "gray list"}
