// Package mailer is a post office that knows no newsletters: it takes due deliveries from a
// queue, hands each to a relay and says what became of it.
//
// # One delivery, from lease to outcome
//
// [Sender.Run] (sender.go) is the work for one relay; several run beside each other and know
// nothing of one another, but for [Sender.StandIn]. It leases batches of deliveries from its
// [Queue] (feed.go) and keeps enough of them for its connections, which all draw from the same
// batches. A lease that grows old is renewed; one that is lost costs nothing but the deliveries not
// yet drawn; an urgent one goes before all others ([Hurrier]); while the relay is waited for for long, none is kept. A delivery to a provider with a
// limit ([Domains]), or one whose servers have asked for less ([Pace]), waits in that provider's
// lane (lane.go), and the others overtake it; what is too much for a lane goes back to the queue.
//
// A connection is opened only when there is work and the gate is open (worker.go). The gate
// (gate.go) is what all connections know of the relay's health: how many of them it likes, whether
// a new one or a message may go now, and how fast. They begin with four and double while all goes
// well; a relay that refused one more keeps those it has.
//
// Where senders of several processes share a relay, a [Sharer] says which of its connections are
// ours and for how long (share.go): the gate's numbers, and those of the lanes, are then parts of the whole, and
// change while it runs. Who has none leases nothing.
//
// go-mail dials (dial.go), greets (EHLO, RFC 5321 section 4.1.1.1), goes over to TLS, implicit
// (RFC 8314) or by STARTTLS (RFC 3207, mandatory), and supplies the AUTH mechanisms (RFC 4954;
// SCRAM is RFC 5802 and 7677). From there on we speak ourselves.
//
// Each connection has a desk (desk.go), its place at the ledger. The desk draws deliveries in
// slices, small ones at first and larger ones while they are used up within a second, and writes
// down with one [Queue.Commit] all there is to write: outcomes that are known, which letters are
// about to leave ([Hand]), and the intents ([Intend]) of the next slice. So nothing of a delivery
// reaches the network before its intent is on record, and a message costs a share of a commit.
// Where several letters may be in doubt, or the dialogue hands before it says anything, intent and
// hand go together; a letter that was handed so and whose turn comes later is asked about once more
// ([Recaller]). The queue may answer an intent with [ErrLost], the delivery is no longer ours,
// or [ErrWait], it may not go yet. A desk that waits behind a slow reply gives its slice to others.
//
// The [Composer] puts the message together, the [Signer] (signer.go, dkim.go) puts its
// DKIM-Signature in front (RFC 6376, 8301, 8463), on any processor and ahead of its turn, so that
// the connection does not wait for it. Date, key and selector are frozen with the first intent: a
// second copy is the same to the byte, signed as the first or not at all. An error or a panic in
// here is that delivery's outcome and stops nothing else.
//
// A [Dialogue] carries the [Letter]: MAIL with SIZE (RFC 1870), BODY=8BITMIME (RFC 6152), SMTPUTF8
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
// after how many messages leave is to be taken. The ladder (ladder.go) goes a rung down for a relay
// that goes out of step in a dialogue; Relay.Dialogue may ask for that from the beginning.
//
// A message is handed, which is on record by then, before its last octet leaves. From here until
// the reply is on record the delivery is in doubt (RFC 1047). No more than Relay.InDoubt messages
// of a connection ever are. If the connection is lost, those whose last octet the network took and
// that were not answered stay in doubt; the others have not been tried.
//
// [ReadReply] reads each reply within limits, and each has one absolute deadline, from the moment
// when the one before it came (RFC 5321 section 4.5.3.2), which the guard (guard.go) holds below
// TLS and shortens when the run is to end. A reply that does not fit its command, or that nobody
// asked for, closes the connection: no reply is ever matched to a later command.
//
// [Decide] (decide.go) says what reply or silence mean, for the delivery as an [Outcome], for the
// relay as an [Effect]. This is where a reply is judged: one pure function, with the table of its
// cells above it. The outcome goes on record ([Settle]) with the desk's next commit, after half a
// second at the latest, under the fencing number of the lease. The effect goes to the gate, which
// makes connections or messages wait, slows them, or holds the relay; many recipients refused alike
// in a row are the relay's doing, and it keeps them from being marked. What a reply says of one provider's
// view of us slows that provider's recipients alone. A delivery is never charged
// for what the relay, the network or we did wrong.
//
// # Headers
//
// [Header] writes header fields from [Line] values, which cannot hold a line break (RFC 5322
// section 2.2). Messages come as bytes, ready made; nothing here builds MIME.
package mailer
