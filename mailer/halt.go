package mailer

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// haltEvery is how often a sender looks whether issues that it has leased are on hold. It looks at once
// where the ledger has refused it a mark. The ledger keeps mails here without it; the look spares
// relays the messages that would be begun and broken off, and gives batches back.
const haltEvery = 500 * time.Millisecond

// lost counts a delivery that is not ours any more.
func (r *run) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Lost++
	r.doubt = true
}

// halt gives back what it has of issues on hold, but for what connections have begun.
func (r *run) halt(ctx context.Context) {
	q, ok := r.Queue.(Halter)
	if !ok {
		return
	}
	r.mu.Lock()
	ask := len(r.batches) > 0 && (r.doubt || now().Sub(r.looked) >= haltEvery)
	if ask {
		r.doubt, r.looked = false, now()
	}
	r.mu.Unlock()
	if !ask {
		return
	}
	issues, err := q.Halted(ctx)
	if err != nil {
		r.Log.Debug("not known what is on hold", slog.String("error", err.Error()))
	}
	if len(issues) == 0 {
		return
	}
	all := slices.Contains(issues, 0)
	var free []*Batch
	r.mu.Lock()
	for _, l := range r.batches {
		if l.halted.Load() || !all && !slices.Contains(issues, l.batch.Issue) {
			continue
		}
		l.halted.Store(true)
		l.next = len(l.batch.Deliveries)
		if l.inHand == 0 && !l.lost {
			free = append(free, l.batch)
		}
	}
	r.batches = slices.DeleteFunc(r.batches, func(l *leased) bool { return l.halted.Load() && l.inHand == 0 })
	r.wake()
	r.mu.Unlock()
	r.returnSpares((*Letter).halted)
	r.settled(r.emptyLanes((*Letter).halted)...)
	for _, b := range free {
		r.release(context.WithoutCancel(ctx), b)
	}
}

// halted says that the letter is of an issue on hold.
func (l *Letter) halted() bool { return l.leased.halted.Load() }

// anyLetter is every letter.
func anyLetter(*Letter) bool { return true }
