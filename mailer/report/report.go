// Package report reads mail that came back: delivery reports of all kinds, complaints, machines'
// answers and people's. It is pure: octets in, what they say out. Mail is hostile input, and
// whatever comes is read within [MaxSize], [MaxDepth] and [MaxParts], and what it says is looked at once, of
// so many recipients and so much text that no message takes a second.
//
// A message is taken apart (parse.go), and then asked in turn whether it is a complaint (arf.go), a
// delivery report by its form (status.go, RFC 3464), a machine's answer (autoreply.go), a delivery report
// in words alone (postoffice.go says whether, bounce.go what), and at last a person's answer. What a
// server said becomes a reason by words first, then by codes (classify.go; refusals.go and troubles.go hold
// the words), and a reason a class. When in doubt, nobody is charged: [mailer.Hard] needs more than "user
// unknown".
package report

import "broadsheet/mailer"

// Limits of what is read of a message. What is beyond is not looked at.
const (
	MaxSize  = 1 << 20 // octets of the message
	MaxDepth = 8       // parts in parts
	MaxParts = 100
)

// Report is what a message says.
type Report struct {
	Class mailer.Class  // of the whole: that of the gravest news
	News  []mailer.News // one for each recipient that it speaks of; none if it is no report

	// To lists the addresses that it came to, those first that servers wrote: Delivered-To,
	// X-Original-To, Envelope-To, To, Cc.
	To []string
	// Names lists what may be one of our own tokens, the likeliest first: from To (what stands
	// behind the first '+' of a local part), Original-Envelope-Id, and of the mail that came back
	// Return-Path, X-Broadsheet-Delivery and List-Unsubscribe's mailto, and what a report says in
	// words. As they stand, in any case.
	Names []Name

	From      string // bare address; "" if none can be read
	FromName  string
	Subject   string // decoded
	MessageID string
	Refers    []string // message ids of In-Reply-To and References
	Text      string   // what a person wrote, without what is quoted
	Leave     bool     // a person asks to leave, in English or Arabic
}

// Name is what may be one of our own tokens. Whoever reads it decides by the place what it is good for.
type Name struct {
	Token string
	Place Place
}

// Place is where a name stood.
type Place byte

// Places of names.
const (
	InWords       Place = iota // in what a report says to people, or a field that none of the others is
	InAddress                  // an address that the message came to
	InEnvelope                 // Original-Envelope-Id or the like, of the report itself
	InSender                   // Return-Path or X-Broadsheet-Delivery of the mail that came back
	InUnsubscribe              // its List-Unsubscribe
)

// Read reads a message with any line ends. It never fails: what cannot be understood is
// [mailer.NoBounce].
func Read(raw []byte) Report {
	m := parseMessage(raw)
	r := Report{Class: mailer.NoBounce}
	readWho(m, &r)
	switch {
	case readFeedback(m, &r), readStatus(m, &r), readRefusal(m, &r), readAway(m, &r), readWords(m, &r), readAutoReply(m, &r):
	default:
		readAnswer(m, &r)
	}
	if r.Class.Bounce() || r.Class == mailer.Put {
		r.takeNames(m)
	}
	return r
}
