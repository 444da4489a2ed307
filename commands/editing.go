package commands

import (
	"context"
	"log/slog"
	"time"

	"broadsheet/digest"
	"broadsheet/store"
)

// recast has digests on record follow what editors did to stories, in today's look. Of an edition that
// has left the configuration nobody can lay anything out: its digests with such stories come to nothing.
func (e *engine) recast(ctx context.Context, told func(store.Recast)) (store.Recast, error) {
	return e.db.Recast(ctx, func(ctx context.Context, i *digest.Issue, old []*digest.Digest, edits map[int64]digest.Edit) ([]*digest.Digest, error) {
		ed := e.cfg.Edition(i.Edition)
		if ed == nil {
			return make([]*digest.Digest, len(old)), nil
		}
		return e.opener(ed, nil).Recast(ctx, i, old, edits)
	}, e.now, told)
}

// recastWithheld does so if batches wait for it.
func (e *engine) recastWithheld(ctx context.Context) error {
	waiting, err := e.db.Withheld(ctx)
	if err != nil || !waiting {
		return err
	}
	began := time.Now()
	done, err := e.recast(ctx, nil)
	if done.Batches > 0 {
		e.recasts.Add(1)
	}
	if err == nil {
		e.log.Info("digests followed an editor", slog.Int("deliveries", done.Deliveries), slog.Int("digests", done.Digests),
			slog.Int("cancelled", done.Cancelled), slog.Int("uncertain", done.Uncertain), slog.Duration("took", time.Since(began).Round(time.Millisecond)))
	}
	return err
}

// recastPause is how often whoever sends looks for batches that wait for their digests.
const recastPause = 500 * time.Millisecond

// keepRecasting does so until ctx ends.
func (e *engine) keepRecasting(ctx context.Context) {
	repeat(ctx, func(ctx context.Context) time.Duration {
		e.complain(ctx, "lay digests out anew", e.recastWithheld(ctx))
		return recastPause
	})
}
