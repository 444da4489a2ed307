// Package capacity reckons what a day of mail would take, minute by minute: how many mails are due
// where, how fast a number of machines opens and sends them, and what waits meanwhile. Nothing is
// sent, nothing is drawn by chance, and no clock is read: the same [Plan] gives the same days.
//
// Readers are dealt out over time zones ([World]) and the hours at which they want their mail
// ([Morning]). Each zone and hour is an issue; its slot is found by package schedule, with all that
// daylight saving does to it. [Plan.Replay] walks through the minutes. In each of them
//
//   - issues are opened in the order of their slots, as fast as the databases do that. The mail of an
//     issue leaves only when all of it is on record, as in the product;
//   - an issue's mails become due batch by batch over its spread;
//   - urgent mail (confirmations and the like) leaves first, then what has been due longest, as much
//     as the scarcest of the [Fleet]'s resources allows: processors of senders and of databases, wire,
//     connections times round trip, what the relays take. A provider with a limit has a lane of its
//     own, and the others overtake it;
//   - what was tried is accepted, failed, or deferred by the mailer's own retry plan; what is left at
//     its end of life expires.
//
// Everything is counted in whole mails, and the books balance in every minute: due = accepted + failed
// + expired + deferred + backlog ([Minute]). What a mail costs is in measured.go and nowhere else.
//
// Not reckoned: retries' jitter of a fifth, relays in trouble, an uneven split over databases, mail of
// other editions, news of mails that come back, and readers' pages.
package capacity
