package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/web/room"
)

// waiting lists the issues that are open and have not gone.
func (w roomProofs) waiting(ctx context.Context) ([]room.Waiting, error) {
	list, err := w.db.Waiting(ctx, w.now())
	if err != nil {
		return nil, err
	}
	out := []room.Waiting{}
	for i := range list {
		one, err := w.waitingOf(ctx, &list[i])
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func (w roomProofs) waitingOf(ctx context.Context, i *digest.Issue) (room.Waiting, error) {
	out := room.Waiting{Issue: i.ID, Edition: i.Edition, Slot: i.Slot, Zone: i.Zone, Due: i.Due, Ends: i.Ends, Readers: i.Audience, Holds: []string{}}
	holds, err := w.db.HoldsOf(ctx, i.ID, w.now())
	for _, h := range holds {
		out.Holds = append(out.Holds, upper(heldOf(h).Line())+".")
	}
	return out, err
}

// Proof meets [room.Proofs].
func (w roomProofs) Proof(ctx context.Context, issue int64) (*room.Proof, error) {
	i, err := w.db.Issue(ctx, issue)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: there is no issue %d", room.ErrNotFound, issue)
	}
	if err != nil {
		return nil, err
	}
	p, err := w.db.Proof(ctx, issue)
	if err != nil {
		return nil, err
	}
	out := &room.Proof{Local: i.Local, Approve: cmp.Or(p.Approve, "none"), Past: len(p.Past), Trips: []string{}, Said: []room.Decision{}, Sample: []room.Sample{}}
	if out.Waiting, err = w.waitingOf(ctx, &i); err != nil {
		return nil, err
	}
	counts, err := w.db.IssueCounts(ctx, issue)
	if err != nil {
		return nil, err
	}
	left := 0
	for state, n := range counts {
		switch s := mailer.State(state); {
		case s == mailer.Queued, s == mailer.Sending, s == mailer.Deferred:
			left += n
		case s.Taken(), s == mailer.Handed, s == mailer.Uncertain:
			out.Gone += n
		}
	}
	out.Over = !i.Ends.After(w.now()) || left == 0 && i.State == digest.Open
	for _, t := range p.Trips {
		out.Trips = append(out.Trips, t.Text)
	}
	for _, d := range p.Said {
		out.Said = append(out.Said, room.Decision{At: d.At, Who: d.By.Who, Why: d.By.Why, Approved: d.Approved, Issue: d.Issue})
	}
	out.Figures = compared(&p)
	out.Next = w.next(&i, out)
	if stop, err := w.db.StopOf(ctx, issue); err != nil {
		return nil, err
	} else if stop != nil {
		out.Next = "It was stopped: what is left of it is cancelled, not sent."
	}
	return out, nil
}

// Sample meets [room.Proofs].
func (w roomProofs) Sample(ctx context.Context, p *room.Proof) error {
	list, err := w.db.Sample(ctx, p.Issue)
	p.Sample = sampleOf(list)
	return err
}

// next says what will happen if nobody says anything.
func (w roomProofs) next(i *digest.Issue, p *room.Proof) string {
	at := i.Due.UTC().Format("2006-01-02 15:04 UTC")
	approved := len(p.Said) > 0 && p.Said[len(p.Said)-1].Approved
	switch {
	case i.State != digest.Open:
		return "It is still being opened."
	case p.Over && p.Gone == 0 && !i.Ends.After(w.now()):
		return "Its life has ended, and nothing of it has gone."
	case p.Over:
		return fmt.Sprintf("It is over; %s went out.", mailsGone(p.Gone))
	case len(p.Holds) > 0:
		return "Nothing more of it leaves until it is let go; at its end of life it expires."
	case i.Due.After(w.now()) && approved:
		return fmt.Sprintf("It is approved and goes at %s.", at)
	case i.Due.After(w.now()):
		return fmt.Sprintf("It goes at %s, unless somebody holds it back.", at)
	}
	return "It is on its way."
}

func mailsGone(n int) string { return count(n, "mail") }

// compared sets an issue's figures beside those of earlier ones.
func compared(p *store.Proof) (list []room.Compared) {
	share := func(a, b int) float64 { return float64(a) / float64(max(b, 1)) }
	whole := func(v float64) string { return thousands(int(v + 0.5)) }
	with := p.Past
	add := func(name string, form func(float64) string, of func(f *digest.Figures) float64) {
		c := room.Compared{Name: name, Now: form(of(&p.Figures))}
		var past []float64
		for i := range with {
			past = append(past, of(&with[i]))
		}
		if slices.Sort(past); len(past) > 0 {
			c.Usual, c.Lowest, c.Most = form(past[len(past)/2]), form(past[0]), form(past[len(past)-1])
		}
		list = append(list, c)
	}
	add("Readers", whole, func(f *digest.Figures) float64 { return float64(f.Readers) })
	add("Mails", whole, func(f *digest.Figures) float64 { return float64(f.Mails) })
	add("Nothing for", func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }, func(f *digest.Figures) float64 { return share(f.Skipped, f.Mails+f.Skipped) })
	add("Stories a mail", func(v float64) string { return fmt.Sprintf("%.1f", v) }, func(f *digest.Figures) float64 { return share(f.Stories, f.Mails) })
	add("Different digests", whole, func(f *digest.Figures) float64 { return float64(f.Digests) })
	add("HTML part, octets on average", whole, func(f *digest.Figures) float64 { return share(f.HTMLSize, f.HTML) })
	add("HTML part, octets of the largest", whole, func(f *digest.Figures) float64 { return float64(f.Largest) })
	if p.Figures.Feeds == nil {
		return list
	}
	with = slices.DeleteFunc(slices.Clone(p.Past), func(f digest.Figures) bool { return f.Feeds == nil }) // the first issue has none before it
	add("New stories", whole, func(f *digest.Figures) float64 { return float64(sum(f.Feeds)) })
	feeds, hosts := map[string]bool{}, map[string]bool{}
	for _, f := range append([]digest.Figures{p.Figures}, with...) {
		for name := range f.Feeds {
			feeds[name] = true
		}
		for name := range f.Hosts {
			hosts[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(feeds)) {
		add("New stories of "+name, whole, func(f *digest.Figures) float64 { return float64(f.Feeds[name]) })
	}
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		add("New stories that lead to "+cmp.Or(name, "nowhere"), whole, func(f *digest.Figures) float64 { return float64(f.Hosts[name]) })
	}
	return list
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// sampleOf chooses mails that are worth a look: the fullest, the emptiest, the heaviest, and one of each
// language and format.
func sampleOf(list []store.Sampled) []room.Sample {
	out := []room.Sample{}
	if len(list) == 0 {
		return out
	}
	add := func(what string, s store.Sampled) {
		out = append(out, room.Sample{Address: s.Address, What: what, Stories: s.Stories, Size: s.HTMLSize})
	}
	byStories := func(a, b store.Sampled) int { return cmp.Compare(a.Stories, b.Stories) }
	add("most stories", slices.MaxFunc(list, byStories))
	add("fewest stories", slices.MinFunc(list, byStories))
	add("largest", slices.MaxFunc(list, func(a, b store.Sampled) int { return cmp.Compare(a.HTMLSize, b.HTMLSize) }))
	met := map[string]bool{}
	for _, s := range list {
		what := "in " + s.Language
		if s.TextOnly {
			what += ", text only"
		}
		if !met[what] {
			met[what] = true
			add(what, s)
		}
	}
	return out
}

// Approve meets [room.Proofs].
func (w roomProofs) Approve(ctx context.Context, by operators.By, issue int64) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	v, err := w.db.Approve(ctx, issue, by, w.now())
	if err != nil {
		return acted(nameOf(issue), "", err)
	}
	said := fmt.Sprintf("Issue %d and its slot are approved", issue)
	if len(v.Wires) > 0 {
		said += fmt.Sprintf(", and the %s let go", verb(len(v.Wires), "tripwire is", "tripwires are"))
	}
	said += "."
	if len(v.Changed) > 0 {
		said += fmt.Sprintf(" Let go: %s.", issueNames(v.Changed))
	}
	if len(v.Waiting) > 0 {
		said += fmt.Sprintf(" Still held by tripwires of their own: %s.", issueNames(v.Waiting))
	}
	holds, err := w.db.HoldsOf(ctx, issue, w.now())
	for _, h := range holds {
		said += " But " + heldOf(h).Line() + "."
	}
	return said, err
}

// Disapprove meets [room.Proofs].
func (w roomProofs) Disapprove(ctx context.Context, by operators.By, issue int64) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	v, err := w.db.Disapprove(ctx, issue, by, w.now())
	if err != nil {
		return acted(nameOf(issue), "", err)
	}
	return fmt.Sprintf("Issue %d and its slot are held back (%s): nothing more of it leaves until somebody approves it.", issue, issueNames(v.Changed)), nil
}

func issueNames(ids []int64) string {
	var names []string
	for _, id := range ids {
		names = append(names, fmt.Sprintf("issue %d", id))
	}
	return strings.Join(names, ", ")
}
