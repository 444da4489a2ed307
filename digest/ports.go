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
	// Pool lists the (story, section) pairs that arrived at or after since, up to arrival number upTo,
	// by rising arrival number, each with its latest revision.
	Pool(ctx context.Context, since time.Time, upTo int64) ([]Candidate, error)
	// Stories loads revisions in full, by revision id.
	Stories(ctx context.Context, revisions []int64) (map[int64]*stories.Story, error)
	// WriteChunk takes the next limit members of the audience behind i.Cursor, hands them to plan and writes
	// what it returns: all in one transaction. It supersedes the readers' open deliveries of earlier slots of
	// the edition, advances i.Cursor and adds to i.Audience and i.Digests. done is true when none is left.
	WriteChunk(ctx context.Context, i *Issue, a Audience, limit int, now time.Time,
		plan func(c Chunk) ([]Planned, error)) (done bool, err error)
	// FinishIssue marks it open and spreads its batches over spread from Due on.
	FinishIssue(ctx context.Context, i *Issue, spread time.Duration, now time.Time) error
	// Rehearse hands plan one reader as WriteChunk would, and writes nothing. i need not be on record.
	Rehearse(ctx context.Context, i Issue, subscriber int64, plan func(c Chunk) error) error
}

// Chunk is a run of readers inside the transaction that will write their deliveries.
type Chunk interface {
	Readers() []Reader
	// Seen lists by subscriber the stories each reader of the chunk has had in issues opened at or after since, in any
	// edition: those of deliveries that are on their way or ended accepted, bounced or uncertain. Deliveries that
	// this chunk is about to supersede do not count. ownOnly looks at this edition alone (roundup).
	Seen(ctx context.Context, since time.Time, ownOnly bool) (map[int64][]int64, error)
}

// Archive is what composing needs from the database. store.DB meets it.
type Archive interface {
	// Digest loads a digest with its fragments' ids; bodies come by Fragments.
	Digest(ctx context.Context, id int64) (*Digest, error)
	// Fragments loads bodies by id.
	Fragments(ctx context.Context, ids []int64) (map[int64]*Fragment, error)
	// Issue loads an issue.
	Issue(ctx context.Context, id int64) (Issue, error)
}
