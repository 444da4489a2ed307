package mailer

import (
	"slices"
	"strings"
)

// throttleTexts are words by which large relays ask for a slower pace, in lower case.
var throttleTexts = []string{
	"maximum sending rate", "sending rate exceeded", "throttl", "rate limit", "too many messages",
	"too much mail", "too many connections", "message quota exceeded", "sending quota", "sending limit",
	"slow down", "too many concurrent",
}

func throttled(r Reply) bool {
	if r.class() != 4 || r.Code == 421 || strings.HasPrefix(r.Enhanced, "4.2.") {
		return false // 421 closes the connection and is handled so; 4.2.x is about one mailbox
	}
	return says(r.Text, throttleTexts)
}

// providerTexts are words by which the large mailbox providers, and no relay of our own, say that
// they have had enough of a sender for now, in lower case.
var providerTexts = []string{
	"unusual rate of", "unsolicited mail", "unexpected volume", "user complaints", "ip reputation",
	"reputation of your", "sender reputation", "domain reputation", "low reputation", "poor reputation",
	"postmaster.live.com", "postmaster.yahooinc.com", "help.yahoo.com", "postmaster.aol.com",
	"[tss0", "[ts0", "(s775)", "rp-001", "rp-002", "rp-003",
}

// providerCodes are the enhanced codes that say the same: of RFC 7372 and the registry of RFC 5248
// ("mail flood detected" is 4.7.28), and those that providers have made up.
var providerCodes = []string{
	"4.7.20", "4.7.23", "4.7.24", "4.7.25", "4.7.26", "4.7.27", "4.7.28", "4.7.29", "4.7.30", "4.7.32", "4.7.40",
	"4.7.500", "4.7.650", "4.7.651", "4.7.652", "4.7.750",
}

// byProvider reports whether a temporary refusal is what a recipient's provider thinks of us: it
// comes through the relay, says nothing about it, and nothing about other providers' recipients.
func byProvider(r Reply) bool {
	return r.class() == 4 && !strings.HasPrefix(r.Enhanced, "4.2.") &&
		(slices.Contains(providerCodes, r.Enhanced) || says(r.Text, providerTexts))
}

func says(text string, words []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}
