package mailer

import "time"

// Class says what kind of news came of a mail after a relay had taken it.
type Class string

const (
	Hard       Class = "hard"       // a bounce: there is no such mailbox, and there will be none
	Soft       Class = "soft"       // a bounce: full, out of order, too late
	Policy     Class = "policy"     // a bounce: the receiver does not want mail from us, or not this way
	Content    Class = "content"    // a bounce: too large, or broken in the receiver's eyes
	Put        Class = "delayed"    // on its way still: a server behind the relay has put it off
	Arrived    Class = "delivered"  // it is in the mailbox
	Complained Class = "complaint"  // the reader pressed "this is spam"
	OptedOut   Class = "opt-out"    // the reader asks to leave, by way of the provider or by mail
	AutoReply  Class = "auto-reply" // a machine's answer: vacation, out of office, receipt
	Answer     Class = "answer"     // a person's answer
	NoBounce   Class = "none"       // none of these
)

// Bounce reports whether the class is one of a mail that came back.
func (c Class) Bounce() bool { return c == Hard || c == Soft || c == Policy || c == Content }

// News is what a report, a line of a log or a provider's event says of one mail. All of it is
// other people's word.
type News struct {
	Class     Class
	Reason    string    // one word for the cause, as [mailer/report] lists them: userunknown, mailboxfull, …
	Recipient string    // address, as it says; "" if it does not
	Status    string    // RFC 3463 "5.1.1"; "" if there is none
	Code      int       // SMTP reply code; 0 if there is none
	Text      string    // what the server said, on one line
	Host      string    // the server that said so; "" if it does not say
	At        time.Time // when; zero if it does not say
}
