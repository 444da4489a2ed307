package mailer

// Reply is what a relay said. Code 0 means that it said nothing (end of connection, timeout).
type Reply struct {
	Code     int    // three digits of RFC 5321 section 4.2
	Enhanced string // RFC 3463 "5.1.1", "" if absent or of another class than Code
	Text     string // without code and enhanced code, lines joined by a blank
}

// Verb is the point of the dialogue at which a reply came.
type Verb string

const (
	Connect  Verb = "connect"
	Ehlo     Verb = "ehlo"
	StartTLS Verb = "starttls"
	Auth     Verb = "auth"
	Mail     Verb = "mail"
	Rcpt     Verb = "rcpt"
	Data     Verb = "data"
	Dot      Verb = "dot"
)
