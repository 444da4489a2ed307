// Package store keeps everything on record: all SQL of the program is here, and nothing else is.
//
// [DB] is one concrete type; the small interfaces it meets belong to those who call them
// (stories.Shelf, digest.Ledger, digest.Diary, digest.Archive, mailer.Queue, and those of web).
//
// The flow. Intake ([DB.AddStories], intake.go) gives every (story, section) the next number of
// the counter `arrival`. [DB.BeginIssue] (issue.go) takes the same counter row to fix an issue's
// cut-off, so that nothing commits later under a lower number. [DB.WriteChunk] (chunk.go,
// planned.go) writes the deliveries of a run of readers, in one transaction and in the order of
// the primary key (slot, subscriber), and [DB.FinishIssue] lets their batches go. A sender takes
// a batch with [DB.Lease] (queue.go, held.go) and puts the marks of its deliveries on record with
// [DB.Commit]: intent, hand and outcome, each by the rules of send.go. All of them stand under the
// batch's fencing number, so a late worker changes nothing.
// An issue on hold (holds.go) has no batch to lease, and whoever has one leased begins nothing more: intents and
// hands look at the holds in their own transaction. What operators do to deliveries is in stop.go and retry.go.
// Mails that are no digest are noted in the transaction of the change that they tell of and posted
// by [DB.PostNotices] (notice.go) as issues of their own, whose batches go first.
// An answer that came in and is to be passed on ([DB.NextForward], forward.go) is on record as handed
// before a relay sees it; what a person has to decide is a task (tasks.go).
// [DB.Assigned] and [DB.Reassign] (relays.go) know what relays were given to carry.
//
// How marks come on record, for many connections at a time:
//
//   - Calls of Commit share a transaction (commit.go). The first one leads: it waits for those who
//     have deliveries in hand and took part of late (callers.go), as long as one comes after the
//     other and two milliseconds at most, and commits for all. Who is alone does not wait. It returns when the disk has it.
//   - Common marks (new intents, hands, mail accepted at the first try) are written many rows to a
//     statement (bulk.go), by what is known of the leased batch (held.go). If the rows are not as
//     expected, the transaction is done again, one by one. Both ways leave the same rows.
//   - Hands go into the journal of this process first (journal.go), a file beside the database that
//     is synced before the transaction commits: what left cannot be undone by an older database. So
//     do readers who leave (leave.go) and stories that are withdrawn, and [DB.Recover] says both again.
//   - [DB.Recover], under the lock of [DB.LockSender] (lock.go), cleans up behind a sender that
//     died: what was sending is queued again, what was handed goes once more or is uncertain. It
//     holds the journals against the database (replay.go), and mails that left after the backup
//     that it is now do not go again.
//
// Rules that hold over all of it:
//
//   - A reader has at most one open delivery (queued, sending, deferred) in an edition: the one
//     that followers.last_slot points at. Whatever would reopen an older one ends it instead.
//   - A delivery with an unanswered copy ends as accepted or uncertain, or as news of it say.
//   - A delivery that a relay took is changed by news alone (news.go): delayed, delivered, bounced. No
//     sender, later issue, erasure or restart touches it again.
//   - A delivery that ends unreached after a later one was written leaves its window start in
//     followers.carry, so the next window reaches back to it.
//   - An issue's audience is the number of its deliveries, whatever their states.
//   - Its books are counters (books.go) that every change of a state keeps, in its own transaction:
//     [tx.save] does, and whoever writes states with other statements calls [tx.moved]. What retention
//     drops stays in them, and in dropped_states ([DB.CheckBooks]).
//
// What is heard of a mail after the relay took it comes as messages ([DB.TakeIn], inbound.go: each
// once, by its hash) and as news without a message ([DB.TakeEvents]; a relay's log by [DB.TakeLog],
// log.go, in one transaction with how far it was read); takeEvent (news.go) is the one place where they
// change a delivery. Relays' own names of mails are kept with the outcome where they are of use
// ([DB.Trace], queueids.go).
//
//   - Whose mail it is says a token, or the relay's own name of the mail (newsof.go). Without either
//     news is on record under the slot 0, and changes nothing: anybody may have written it.
//   - Each news is on record once in `events`, by delivery and class, and delays by their time too. That
//     a mail arrived has no row there as long as it is the last news: that would be a row for every
//     mail. The delivery itself says when and in what words (at, code, enhanced, reply), by whom and how
//     that is known (server), and since when the relay had it (taken); it becomes a row when a bounce
//     follows. [DB.Events] lists both alike.
//   - A mail that a sender has in hand is left to it: such news is early, leaves no trace and comes
//     again. Of one that was never answered, news are the answer: it does not go again if a server has
//     put it off, taken it or returned it.
//   - What servers say is kept without addresses and ids, once for all who are told the same.
//   - Messages are kept for 90 days, or as the operator says ([DB.ForgetInbound]); those of a reader who is erased or forgotten go
//     at once, and what comes of their mails later is kept as numbers alone.
//
// What readers do by themselves goes through [DB.EditReader], [DB.LeaveAll] and [DB.Undo] (edit.go):
// the settings as they stand, the dated row that comes of it, journal, suppression and notice, all in
// one transaction. The way back from a suppression is a table ([subscribers.WayBack]); who comes back
// sooner than they left, by undoing it, keeps the window. Pauses with an end are in `pauses`, until
// [DB.EndPauses]. [DB.Erase] (erase.go) leaves a reader's deliveries without an address, and numbers
// of readers are never given again: followers, deliveries and old links go by them.
//
// What comes after a relay took a mail goes through [DB.TakeIn] and [DB.TakeEvents] (news.go). Bounces
// and refusals of recipients leave marks (marks.go), by which addresses are barred; whether an address
// kept a mail in between is looked up among its deliveries (kept.go). Hard marks of many readers of a
// domain in one slot are a wave and bar nobody (waves.go, waveend.go). What became of mails is counted
// by day, domain and relay (tally.go, rates.go).
//
// What editors do with stories is in editing.go and withdraw.go. Each act raises the counter `stories`, by
// which whoever keeps pages in memory knows, and is kept at the story (stories.edited): digests of issues
// begun before it (issues.edits) may be stale. The act takes what is stale out of senders' hands and
// withholds all batches of such issues (batches.withheld, edits.go); [DB.Recast] lays their digests out anew and lets
// them go, batch by batch. Each lease looks once more ([DB.Lease], withhold), so that nothing stale goes
// whatever reopens it: a crash, a retry, an answer that was late. A delivery with a copy out keeps its digest.
// [DB.Having] says who has a story.
//
// Times are microseconds since 1970 in UTC, 0 where there is none. SQL is written once, with ?1
// ?2; what engines do differently is in dialect.go, and their tables are in migrations. Texts
// that people see are wrapped with what was tried; a full, locked or damaged database is
// [ErrFull], [ErrBusy] or [ErrDamaged].
package store
