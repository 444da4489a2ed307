// Package digest decides which stories a reader gets, and composes them into the reader's mail.
//
// The way of a story into a mail:
//
//   - [Finder.Due] (due.go) finds the issues that are due: for an edition in one place one, for an edition in
//     readers' zones one for each zone and hour that readers have.
//   - [Opener.Open] (open.go, plan.go) opens such an issue. The [Ledger] puts it on record with a cut-off, the
//     highest arrival number it may show. [NewPool] (pool.go) ranks the stories up to there, once for all readers,
//     and finds those that tell one event ([SameEvent], event.go). Then readers come in chunks, one transaction
//     each, so that a crash costs the chunk at hand and a second call goes on from there.
//   - [Spans.Window] (window.go) says which arrivals a reader has not been sent: from where the last mail that
//     reached this reader ended, up to the cut-off.
//   - [Chooser.Choose] (choose.go) chooses among them, by the reader's sections and levels, and counts what found
//     no place. This is where a story is chosen, and where [Verdict] says why one is not.
//   - A [Layouter] (layout.go) lays the [Selection] out: roles, order, subject, and fragments with marks. Readers
//     with equal selections share one [Digest], which is stored with the issue and not changed again.
//   - [Routes] (routes.go) says through which relay each delivery goes, within the caps of relays that warm up, and
//     [Foresee] (forecast.go) whether all of it can be out in time.
//   - [Composer.Compose] (compose.go) fills the marks of a digest from a delivery, when it is about to be sent. It looks at
//     nothing else, so the same delivery gives the same bytes.
//
// Mails that are no digest ([Notice]) are laid out by [NoticePress] and posted by [Postman], as issues of their own.
//
// The arrows of the floor plan: digest knows stories, subscribers, mailer, schedule and templates; what it needs of
// the database it declares in ports.go, and the store meets it.
package digest
