package digest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"broadsheet/mailer"
)

// Surveyor is what looking ahead needs from the database beside a Ledger. store.DB meets it.
type Surveyor interface {
	// Survey hands the whole audience of an issue, chunk by chunk, to see and writes nothing.
	Survey(ctx context.Context, i Issue, a Audience, limit int, see func(c Chunk) error) error
}

// Forecast is what opening an issue would bring about.
type Forecast struct {
	Issue  Issue // with Audience and Digests
	Counts map[mailer.State]int
	Loads  []Load // what relays get of it

	Stories int // in all mails together
	Octets  int // of all mails together, but for what is each reader's own
}

// Survey chooses for every reader of a due issue as [Opener.Open] does, and writes nothing.
func (o *Opener) Survey(ctx context.Context, db Surveyor, due Due) (Forecast, error) {
	out := Forecast{Issue: due.Issue, Counts: map[mailer.State]int{}}
	w, err := o.writer(ctx, &out.Issue, slog.New(slog.DiscardHandler))
	if err != nil {
		return out, err
	}
	w.dry = true
	loads := map[string]*Load{}
	batches := map[*Load]int{} // one for each chunk in which the relay is met
	count := func(relay, address string, met map[string]bool) {
		l := loads[relay]
		if l == nil {
			l = &Load{Relay: relay, Groups: map[*mailer.DomainLimit]int{}}
			loads[relay] = l
		}
		if !met[relay] {
			met[relay] = true
			batches[l]++
		}
		l.Mails++
		if g := o.Domains.Group(address); g != nil {
			l.Groups[g]++
		}
	}
	distinct := map[key]bool{}
	err = db.Survey(ctx, out.Issue, due.Audience, chunkSize, func(c Chunk) error {
		planned, err := w.plan(ctx, c)
		readers, met := c.Readers(), map[string]bool{}
		for n, p := range planned {
			out.Issue.Audience++
			out.Counts[mailer.State(p.State)]++
			if p.State == string(mailer.Queued) {
				count(p.Relay, readers[n].Address, met)
				out.Stories += p.Stories
				out.Octets += p.Digest.octets()
			}
		}
		for k := range w.fresh {
			distinct[k] = true
		}
		if o.Progress != nil {
			o.Progress(&out.Issue)
		}
		return err
	})
	out.Issue.Digests = len(distinct)
	for _, relay := range slices.Sorted(maps.Keys(loads)) {
		l := loads[relay]
		l.Issue, l.Begins, l.Last = out.Issue, out.Issue.Due, out.Issue.Due.Add(o.Edition.Spread*time.Duration(batches[l]-1)/time.Duration(batches[l]))
		out.Loads = append(out.Loads, *l)
	}
	if err != nil {
		return out, fmt.Errorf("look ahead at issue %s %s in %s: %w", due.Issue.Edition, due.Issue.Slot, due.Issue.Zone, err)
	}
	return out, nil
}

// octets are those of the mail that d makes, without the reader's own marks.
func (d *Digest) octets() (n int) {
	for i := range d.Pieces {
		n += len(d.Pieces[i].Fragment.Body)
		for _, v := range d.Pieces[i].Values {
			n += len(v)
		}
	}
	return n
}
