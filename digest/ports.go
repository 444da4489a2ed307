package digest

import (
	"context"
	"time"

	"broadsheet/stories"
)

// Ledger is what opening an issue needs from the database. store.DB meets it.
type Ledger interface {
	// BeginIssue puts the issue on record as opening, takes the cut-off under the intake's
	// counter lock and releases held stories that are due at now. If the issue is there
	// already it returns it as it stands: half opened ones are resumed, open ones left alone.
	BeginIssue(ctx context.Context, i Issue, now time.Time) (Issue, error)
	// Pool lists every (story, section) pair, up to arrival number upTo, of the stories that entered any section
	// at or after since, by rising arrival number, each with its story's latest revision. A pair may so be older
	// than since: a section muted long ago still hides a story that enters another one today.
	Pool(ctx context.Context, since time.Time, upTo int64) ([]Candidate, error)
	// Stories loads revisions in full, by revision id.
	Stories(ctx context.Context, revisions []int64) (map[int64]*stories.Story, error)
	// WriteChunk takes the next limit members of the audience behind i.Cursor, hands them to plan and writes
	// what it returns: all in one transaction. It supersedes the readers' open deliveries of earlier slots of
	// the edition, advances i.Cursor and adds to i.Audience and i.Digests. done is true when none is left.
	// Earlier means written earlier: a reader who moves west may meet an older date after a newer one.
	// Readers who have a delivery of i.SlotID already (in another zone or hour) are not handed to plan.
	// What is queued counts as assigned to its relay on i.Day(now).
	// A Planned.Digest with ID 0 is stored and its ID filled in, unless the issue has one of that Key (written before
	// a crash): then it is given that one's ID. One with an ID carries nothing else but its Key.
	WriteChunk(ctx context.Context, i *Issue, a Audience, limit int, now time.Time,
		plan func(c Chunk) ([]Planned, error)) (done bool, err error)
	// FinishIssue marks it open and spreads its batches over spread from Due on.
	FinishIssue(ctx context.Context, i *Issue, spread time.Duration, now time.Time) error
	// Rehearse hands plan one reader as WriteChunk would, and writes nothing. i need not be on record.
	Rehearse(ctx context.Context, i Issue, subscriber int64, plan func(c Chunk) error) error
}

// Proofs is what holding a strange issue back needs from the database. store.DB meets it.
type Proofs interface {
	// Figures are what an issue came to so far, without Feeds and Hosts, and those of up to n issues of the
	// same edition, zone and hour before it, the latest first. Of these are left out what was out of
	// bounds and what nobody let go.
	Figures(ctx context.Context, issue int64, n int) (now Figures, past []Figures, err error)
	// Arrivals lists the stories with an arrival number behind after and up to upTo, each once.
	Arrivals(ctx context.Context, after, upTo int64) ([]Arrival, error)
	// KeepFigures puts Feeds and Hosts on record, what tripped, and whether the edition waits for
	// approval. [Ledger.FinishIssue] holds the issue by that.
	KeepFigures(ctx context.Context, f *Figures, trips []Trip, approve string) error
}

// Diary is what finding due issues needs from the database. store.DB meets it.
type Diary interface {
	// Places lists the distinct (zone, hour) of the active readers of an edition, as their settings have
	// them: zone "" and hour -1 where the reader left it open. Those of half opened issues are among them, even
	// if the readers have gone elsewhere since: what is written of such an issue is still to go. The order does
	// not matter, and a place may come twice.
	Places(ctx context.Context, edition string) ([]Place, error)
	// LastIssue is the issue of the edition in zone at hour with the latest Due, opened or half opened; hour -1
	// means at any hour. ok is false if there never was one.
	LastIssue(ctx context.Context, edition, zone string, hour int) (i Issue, ok bool, err error)
}

// Place is a zone and an hour at which readers wish their mail.
type Place struct {
	Zone string // IANA; "" = the default
	Hour int    // 0-23; -1 = the edition's own
}

// Chunk is a run of readers inside the transaction that will write their deliveries.
type Chunk interface {
	Readers() []Reader
	// Seen lists by subscriber the stories each reader of the chunk has had in issues opened at or after since, in any
	// edition: those of deliveries that are on their way or ended accepted, bounced or uncertain. Deliveries that
	// this chunk is about to supersede do not count. ownOnly looks at this edition alone (roundup).
	Seen(ctx context.Context, since time.Time, ownOnly bool) (map[int64][]int64, error)
	// Edits says what editors have done to stories since the issue was begun, by story.
	Edits(ctx context.Context) (map[int64]Edit, error)
	// Assigned counts the deliveries that each relay has been assigned, by relay, for the day on which those of the
	// chunk begin to go: i.Day(now) of [Ledger.WriteChunk], else that of i.Due.
	Assigned(ctx context.Context) (day int64, counts map[string]int, err error)
}

// Archive is what composing needs from the database. store.DB meets it.
type Archive interface {
	// Digests hands the digests with these ids to take, in any order; those that are not there are left out. What p
	// holds is good until take returns, which must not use the archive; its error ends the reading.
	Digests(ctx context.Context, ids []int64, take func(id int64, p Packed) error) error
	// Fragments loads bodies by id.
	Fragments(ctx context.Context, ids []int64) (map[int64]*Fragment, error)
	// Issue loads an issue.
	Issue(ctx context.Context, id int64) (Issue, error)
}
