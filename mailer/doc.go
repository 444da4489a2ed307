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
// A [Dialogue] carries the message: MAIL with SIZE (RFC 1870), BODY=8BITMIME (RFC 6152), SMTPUTF8
// (RFC 6531) and what a report must have (DSN, RFC 3461), each where needed and offered, then
// RCPT, then the content (envelope.go). There are three, and EHLO says which is had:
//
//   - plain (plain.go) asks and waits: four round trips a message (RFC 5321 section 3.3). Everything
//     but the last CRLF.CRLF is on the wire when the message is handed.
//   - pipelining (pipelining.go) sends a content with its dot and the next MAIL, RCPT and DATA in
//     one write: one round trip (RFC 2920 section 3.1). If DATA is agreed to though nobody is to
//     get the mail, a lone dot ends it.
//   - chunking (chunking.go) sends MAIL, RCPT and BDAT with the whole content, and more of the
//     same before the replies come: less than a round trip (RFC 3030, with RFC 2920). A RSET stands
//     before what follows a message without an answer, which may be refused and leave its
//     transaction open. The first message of a connection goes alone: a relay that offers BDAT
//     and does not know it must not take more than one content for commands.
//
// In plain and pipelining lines that begin with a dot get another (RFC 5321 section 4.5.2). No
// body with a lone CR or LF goes out in any: nothing that is read as two messages elsewhere
// (SMTP smuggling). A refused transaction is reset before the next. LIMITS (RFC 9422) may say
// after how many messages leave is to be taken. A relay that goes out of step in one dialogue is
// talked to in the next plainer one from then on (ladder.go), and Relay.Dialogue may ask for that
// from the beginning.
//
// A message is handed, which is on record by then, before its last octet leaves. From here until
// the reply is on record the delivery is in doubt (RFC 1047). No more than Relay.InDoubt messages
// of a connection ever are. If the connection is lost, those whose last octet the network took and
// that were not answered stay in doubt; the others have not been tried.
//
// [ReadReply] reads each reply within limits, and each has one absolute deadline, from the moment
// when the one before it came (RFC 5321 section 4.5.3.2). A reply that does not fit its command, or that nobody asked for, closes the
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
