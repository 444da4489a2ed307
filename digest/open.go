package digest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/stories"
)

// chunkSize is how many readers' deliveries one transaction writes: enough for speed, and few enough that intake
// and senders wait for it some tens of milliseconds.
const chunkSize = 500

// Layouter lays a selection out. It must give equal digests for equal selections, whenever it is asked, and is asked
// from several goroutines at once.
type Layouter interface {
	// Layout makes the digest of s in i; story loads a revision, of whose text only the first blocks are there.
	// If it is one story that cannot be laid out, the error holds a [StoryError].
	Layout(ctx context.Context, i *Issue, s *Selection, story func(revision int64) (*stories.Story, error)) (*Digest, error)
}

// StoryError says that a story cannot be laid out: it is left out, and everybody gets the rest.
type StoryError struct {
	Revision int64
	Err      error
}

func (e *StoryError) Error() string { return fmt.Sprintf("lay out revision %d: %v", e.Revision, e.Err) }
func (e *StoryError) Unwrap() error { return e.Err }

// Opener opens the issues of an edition. All fields but Log, Progress and Routes are required.
// It may be used by many goroutines, if what its fields hold may.
type Opener struct {
	Ledger  Ledger
	Layout  Layouter
	Config  *schedule.Config
	Edition *schedule.Edition
	Now     func() time.Time

	Log      *slog.Logger    // nil = discard
	Progress func(i *Issue)  // after each chunk, with the audience so far
	Routes   *Routes         // which relay serves a reader; nil = one without a name
	Domains  *mailer.Domains // for the forecast; nil = no limits
	Proofs   Proofs          // what holds an issue back that is out of bounds or not approved; nil = nothing
}

// Open puts the issue, as [Finder.Due] names it, and the delivery of every reader of its audience on record. It may
// be called again after a crash or an error at any point and goes on where it stood; an issue that is open already
// comes back as it is. Past its end of life an issue that was left half open is closed with the readers it has: the
// windows of the others reach back over it.
func (o *Opener) Open(ctx context.Context, due Due) (Issue, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	i, err := o.Ledger.BeginIssue(ctx, due.Issue, o.Now())
	if err != nil {
		return i, fmt.Errorf("begin issue %s %s: %w", due.Issue.Edition, due.Issue.Slot, err)
	}
	if i.State == Open {
		return i, nil
	}
	log = log.With(slog.String("edition", i.Edition), slog.String("slot", i.Slot), slog.String("zone", i.Zone),
		slog.Int("hour", i.Hour), slog.Int64("issue", i.ID))
	if o.Now().Before(i.Ends) {
		if err := o.write(ctx, &i, due.Audience, log); err != nil {
			return i, fmt.Errorf("open issue %s %s in %s: %w", i.Edition, i.Slot, i.Zone, err)
		}
		if err := o.compare(ctx, &i, log); err != nil {
			return i, fmt.Errorf("compare issue %s %s in %s with those before: %w", i.Edition, i.Slot, i.Zone, err)
		}
	} else {
		log.Warn("issue was left half open and is too late to go on", slog.Int("audience", i.Audience))
	}
	if err := o.Ledger.FinishIssue(ctx, &i, o.Edition.Spread, o.Now()); err != nil {
		return i, fmt.Errorf("finish issue %s %s in %s: %w", i.Edition, i.Slot, i.Zone, err)
	}
	log.Info("issue opened", slog.Int("audience", i.Audience), slog.Int("digests", i.Digests),
		slog.Int64("cutoff", i.Cutoff))
	return i, nil
}

func (o *Opener) write(ctx context.Context, i *Issue, a Audience, log *slog.Logger) error {
	a.EditionID = i.EditionID
	w, err := o.writer(ctx, i, log)
	if err != nil {
		return err
	}
	unrouted := 0
	for done := false; !done; {
		failed := 0
		done, err = o.Ledger.WriteChunk(ctx, i, a, chunkSize, o.Now(), func(c Chunk) ([]Planned, error) {
			planned, err := w.plan(ctx, c)
			failed = 0
			for _, p := range planned {
				if p.State == string(mailer.Failed) {
					failed++
				}
			}
			return planned, err
		})
		if err != nil {
			return fmt.Errorf("write deliveries behind subscriber %d: %w", i.Cursor, err)
		}
		w.keep()
		unrouted += failed
		if o.Progress != nil {
			o.Progress(i)
		}
	}
	if unrouted > 0 {
		log.Error(ReasonNoRelay, slog.Int("deliveries", unrouted))
	}
	return nil
}

// Rehearsal is what a reader would get, or got, in an issue.
type Rehearsal struct {
	Planned
	Selection Selection
	Verdicts  []Verdict // on every (story, section) in the pool, if asked for
}

// Rehearse chooses and lays out for one reader as [Opener.Open] does, and writes nothing. i need not be on record; if
// it is not, its Cutoff is the highest arrival number now. explain asks for the verdicts.
func (o *Opener) Rehearse(ctx context.Context, i Issue, subscriber int64, explain bool) (Rehearsal, error) {
	var out Rehearsal
	w, err := o.writer(ctx, &i, slog.New(slog.DiscardHandler))
	if err != nil {
		return out, err
	}
	if explain {
		w.chooser.Told = func(v Verdict) { out.Verdicts = append(out.Verdicts, v) }
	}
	w.before = func() { out.Verdicts = nil }
	err = o.Ledger.Rehearse(ctx, i, subscriber, func(c Chunk) error {
		planned, err := w.plan(ctx, c)
		if err == nil && len(planned) == 1 {
			out.Planned, out.Selection = planned[0], w.chosen[0].selection
		}
		return err
	})
	if err != nil {
		return out, fmt.Errorf("rehearse issue %s %s for subscriber %d: %w", i.Edition, i.Slot, subscriber, err)
	}
	return out, nil
}
