// Package mailer is a post office that knows no newsletters: it takes due deliveries from a
// queue, hands each to a relay and says what became of it.
//
// # One delivery, from lease to outcome
//
// [Sender.Run] (sender.go) leases batches of deliveries from its [Queue] (feed.go) and keeps
// enough of them for its connections (worker.go), which all draw from the same batches. A lease
// that grows old is renewed; one that is lost costs nothing but the deliveries not yet drawn;
// while the relay is waited for for long, none is kept.
//
// A connection is opened only when there is work and the relay is well (dial.go). go-mail dials,
// greets (EHLO, RFC 5321 section 4.1.1.1), goes over to TLS, implicit (RFC 8314) or by STARTTLS
// (RFC 3207, mandatory), and supplies the AUTH mechanisms (RFC 4954; SCRAM is RFC 5802 and 7677).
//
// For each delivery [Queue.Intend] writes the try down before the network hears of it. It may say
// that the delivery is no longer ours or must wait. The [Composer] then gives the message; an
// error or a panic of it is that delivery's outcome and stops nothing else.
//
// A [Dialogue] (plain.go) carries the message: MAIL with SIZE (RFC 1870), BODY=8BITMIME (RFC
// 6152) and SMTPUTF8 (RFC 6531) where needed and offered, RCPT, DATA, the content with its dots
// doubled (RFC 5321 section 4.5.2). Everything but the last CRLF.CRLF is on the wire when
// [Queue.Handed] writes down that the message is about to be whole. Only then do the last octets
// leave. From here until the reply is on record the delivery is in doubt (RFC 1047).
//
// [ReadReply] reads each reply within limits, and each step has one absolute deadline (RFC 5321
// section 4.5.3.2). A reply that does not fit its command, or that nobody asked for, closes the
// connection: no reply is ever matched to a later command.
//
// [Decide] (decide.go) says what reply or silence mean, for the delivery as an [Outcome], for the
// relay as an [Effect]. This is where a reply is judged: one pure function, with the table of its
// cells above it. [Queue.Record] writes the outcome with the fencing number of the lease. The
// effect goes to the gate (gate.go), which makes the relay's connections or messages wait, slows
// them, or holds the relay. A delivery is never charged for what the relay, the network or we did
// wrong.
//
// # Headers
//
// [Header] writes header fields from [Line] values, which cannot hold a line break (RFC 5322
// section 2.2). Messages come as bytes, ready made; nothing here builds MIME.
package mailer
