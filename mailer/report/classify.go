package report

import (
	"regexp"
	"strconv"
	"strings"

	"broadsheet/mailer"
)

// replyMax is how much of what a server said is looked at, in octets.
const replyMax = 4 << 10

// Classify says what a refusal means: status is its RFC 3463 code or "", code its reply code or 0,
// text what the server said, with or without codes of its own. reason is one word of the list in
// [classOf]. A refusal that is for now only (4xx, 4.x.x) is never Hard.
func Classify(status string, code int, text string) (class mailer.Class, reason string) {
	v := verdictOf(status, code, &wording{text: text})
	return v.class, v.reason
}

// verdict is what a refusal comes to.
type verdict struct {
	class  mailer.Class
	reason string
	status string // the most telling one
	code   int

	definite bool // words gave the reason
	doubtful bool // a mailbox that is not there, perhaps: Soft until it is surer
}

func verdictOf(status string, code int, w *wording) verdict {
	why, told := w.byRules()
	v := verdict{status: betterStatus(told.status, status), code: code}
	if v.code == 0 {
		v.code = told.code
	}
	if v.definite = why.reason != "" && surest[v.status] == ""; !v.definite {
		why = reasonOf(v.status, v.code, w)
	}
	v.reason, v.class = why.reason, classOf(why.reason)
	if v.class == mailer.Hard {
		later := temporary(v.status, v.code)
		v.doubtful = !later && why.perhaps && doubtful(v.status, v.code, w)
		if later || v.doubtful {
			v.class = mailer.Soft
		}
	}
	return v
}

// temporary reports whether the codes say that it may be different later. Where they disagree the
// reply code decides: it is what a server must send, the other one is often made up on the way.
func temporary(status string, code int) bool {
	if code != 0 {
		return code/100 == 4
	}
	return strings.HasPrefix(status, "4")
}

// doubtful reports whether a refusal that says no more than "user unknown" may mean something else:
// some servers say so to the content of mail that a reader's filter does not let in. It is believed
// with an enhanced code for it, as answer to RCPT, and where no reply code is told, for then the words
// are all there is.
func doubtful(status string, code int, w *wording) bool {
	return code != 0 && (!strings.HasPrefix(status, "5.1.") || status == "5.1.0") && !w.toRecipient()
}

// toRecipient finds that a refusal is the answer to RCPT: servers on the way say so, as Postfix does in its log
// and in its reports.
var toRecipient = regexp.MustCompile(`(?i)\brcpt to\b|rcpt command|smtp:rcpt|(after|following|to) rcpt|\[rcpt_to\]|\(state 1[34]\)|rejected recipient|recipient command|not like recipient|requested action not taken|recipient address rejected|refused recipient`)

// reasonOf returns the reason where no plain words tell it: words are what people wrote for people, and
// codes what their software made of them. Words that may mean anything come after codes that do not.
// A status that was not told with the reply, a server on the way has made of the reply code.
func reasonOf(status string, code int, w *wording) finding {
	if r, ok := surest[status]; ok {
		return finding{reason: r}
	}
	if w.codes.code != 0 && w.codes.status == "" && w.byVagueRules().reason != "" {
		return w.byVagueRules()
	}
	r := statusReason(status)
	if r != "" && (!strings.HasSuffix(status, ".0") || strings.HasSuffix(status, ".6.0") || strings.HasSuffix(status, ".7.0")) {
		return finding{reason: r}
	}
	if vague := w.byVagueRules(); vague.reason != "" {
		return vague
	}
	if r != "" {
		return finding{reason: r}
	}
	return finding{reason: codeReason(code)}
}

// codeReason returns what a reply code means by itself.
func codeReason(code int) string {
	switch {
	case code == 551:
		return "hasmoved"
	case code == 552:
		return "mailboxfull"
	case code == 556 || code == 521:
		return "notaccept"
	case code >= 500 && code <= 504:
		return "syntaxerror"
	case code == 525 || code == 530 || code == 535 || code == 534:
		return "securityerror"
	case code/100 == 4:
		return "expired" // it was tried until it was too late
	}
	return "undefined"
}

// wordsReason returns the reason that the words give.
func wordsReason(rules []rule, words string) finding {
	for _, r := range rules {
		for _, p := range r.phrases {
			if holds(words, p) {
				return finding{r.reason, r.perhaps}
			}
		}
	}
	return finding{}
}

// classOf maps reasons to classes.
func classOf(reason string) mailer.Class {
	switch reason {
	case "userunknown", "hostunknown", "hasmoved", "notaccept":
		return mailer.Hard
	case "filtered", "rejected", "blocked", "spamdetected", "policyviolation", "norelaying",
		"authfailure", "badreputation", "requireptr", "speeding", "ratelimited", "toomanyconn", "securityerror":
		return mailer.Policy
	case "mesgtoobig", "exceedlimit", "virusdetected", "contenterror", "notcompliantrfc":
		return mailer.Content
	}
	// mailboxfull, suspend, onhold, greylisted, expired, networkerror, systemerror, systemfull, mailererror,
	// syntaxerror, undefined
	return mailer.Soft
}

var (
	statusForm  = regexp.MustCompile(`(^|[^0-9.])([45]\.[0-9]{1,3}\.[0-9]{1,3})($|[^0-9.]|\.($|[^0-9]))`)
	codeForm    = regexp.MustCompile(`(^|[^0-9A-Za-z.\-/:@#=_]|\s:)([45][0-5][0-9])([-\s,;:)\]>"']|$)`)
	lineCodes   = regexp.MustCompile(`(^|\s)[245][0-9][0-9][- ]([245]\.[0-9]{1,3}\.[0-9]{1,3}\s+)?`)
	linkForm    = regexp.MustCompile(`(https?://|www\.)[^\s>)\]]+`)
	hostForm    = regexp.MustCompile(`host \S+ (\[[0-9a-fA-F.:]+\] )?(said|refused to talk to me)`)
	anyAddress  = regexp.MustCompile(`[^\s<>()\[\],;:"']+@[^\s<>()\[\],;:"']+`)
	blanksForm  = regexp.MustCompile(`\s+`)
	quotesTable = strings.NewReplacer("’", "'", "‘", "'", "`", "'", "“", `"`, "”", `"`, "\u00a0", " ")
)

// bareText leaves of a text what its phrases are looked for in: lower case, on one line, without
// addresses, links, hosts and codes. A mailbox may be called anything.
func bareText(s string) string {
	if len(s) > replyMax {
		s = strings.ToValidUTF8(s[:replyMax], "")
	}
	s = strings.ToLower(quotesTable.Replace(s))
	s = linkForm.ReplaceAllString(s, "")
	s = anyAddress.ReplaceAllString(s, "@")
	s = hostForm.ReplaceAllString(s, "$2")
	s = lineCodes.ReplaceAllString(s, " ")
	return strings.TrimSpace(blanksForm.ReplaceAllString(s, " "))
}

// codes are the codes that stand in a text.
type codes struct {
	status string
	code   int
}

// codesIn finds the first reply code of a refusal and the most telling enhanced code.
func codesIn(text string) codes {
	var c codes
	if !strings.ContainsAny(text, "45") {
		return c
	}
	if len(text) > replyMax {
		text = text[:replyMax]
	}
	for _, m := range statusForm.FindAllStringSubmatch(text, 20) {
		c.status = betterStatus(c.status, m[2])
	}
	for _, m := range codeForm.FindAllStringSubmatch(text, 20) {
		if n, _ := strconv.Atoi(m[2]); c.code == 0 || c.code/100 == 4 && n/100 == 5 {
			c.code = n
		}
	}
	return c
}

// betterStatus returns the first status, unless it says nothing and the second does.
func betterStatus(a, b string) string {
	switch {
	case a == "" || vague(a) && b != "" && !vague(b):
		return b
	}
	return a
}

// vague reports whether a status says no more than its class.
func vague(status string) bool { return strings.HasSuffix(status, ".0.0") }
