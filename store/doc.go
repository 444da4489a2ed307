// Package store keeps everything on record: all SQL of the program is here, and nothing else is.
//
// [DB] is one concrete type; the small interfaces it meets belong to those who call them
// (stories.Shelf, digest.Ledger, digest.Diary, digest.Archive, mailer.Queue, web.StoryFinder).
//
// The flow. Intake ([DB.AddStories], intake.go) gives every (story, section) the next number of
// the counter `arrival`. [DB.BeginIssue] (issue.go) takes the same counter row to fix an issue's
// cut-off, so that nothing commits later under a lower number. [DB.WriteChunk] (chunk.go,
// planned.go) writes the deliveries of a run of readers, in one transaction and in the order of
// the primary key (slot, subscriber), and [DB.FinishIssue] lets their batches go. A sender takes
// a batch with [DB.Lease] (queue.go, held.go) and puts the marks of its deliveries on record with
// [DB.Commit]: intent, hand and outcome, each by the rules of send.go. Many callers share a
// transaction (commit.go, callers.go), and common marks are written many rows to a statement
// (bulk.go). All of them stand under the batch's fencing number, so a late worker changes nothing.
// Hands are written into a journal beside the database first (journal.go). [DB.Recover] cleans up
// behind a sender that died, and holds the journal against a database put back from a backup
// (replay.go).
// [DB.Assigned] and [DB.Reassign] (relays.go) know what relays were given to carry.
//
// Rules that hold over all of it:
//
//   - A reader has at most one open delivery (queued, sending, deferred) in an edition: the one
//     that followers.last_slot points at. Whatever would reopen an older one ends it instead.
//   - A delivery with an unanswered copy ends as accepted or uncertain, never otherwise.
//   - A delivery that ends unreached after a later one was written leaves its window start in
//     followers.carry, so the next window reaches back to it.
//   - An issue's audience is the number of its deliveries, whatever their states.
//
// Times are microseconds since 1970 in UTC, 0 where there is none. SQL is written once, with ?1
// ?2; what engines do differently is in dialect.go, and their tables are in migrations. Texts
// that people see are wrapped with what was tried; a full, locked or damaged database is
// [ErrFull], [ErrBusy] or [ErrDamaged].
package store
