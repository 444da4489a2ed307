package commands

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/web/room"
)

// roomIssues meets [room.Issues].
type roomIssues struct{ *engine }

// Live meets [room.Issues].
func (w roomIssues) Live(ctx context.Context) (*room.Live, error) { return w.board.read(ctx) }

// Plots meets [room.Issues].
func (w roomIssues) Plots(ctx context.Context, id int64) (*room.Plots, error) {
	return w.board.plots(ctx, id)
}

// List meets [room.Issues].
func (w roomIssues) List(ctx context.Context, before int64, limit int) ([]room.Issue, error) {
	var list []room.Issue
	for i, err := range w.db.Issues(ctx, store.IssueFilter{Before: before}) {
		if err != nil {
			return nil, err
		}
		row, _, err := issueView(ctx, w.db, &i)
		if err != nil {
			return nil, err
		}
		if list = append(list, row); len(list) == limit {
			break
		}
	}
	return list, nil
}

// Issue meets [room.Issues].
func (w roomIssues) Issue(ctx context.Context, id int64) (*room.Issue, error) {
	i, err := w.db.Issue(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("there is no issue %d: %w", id, room.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	row, _, err := issueView(ctx, w.db, &i)
	return &row, err
}

// issueView is an issue as pages show it, and its books by relay.
func issueView(ctx context.Context, db *store.DB, i *digest.Issue) (room.Issue, []store.Book, error) {
	v := room.Issue{ID: i.ID, Edition: i.Edition, Slot: i.Slot, Zone: i.Zone, Hour: i.Hour, Local: i.Local, Due: i.Due, Opened: i.Opened, Ends: i.Ends,
		State: i.State, Digests: i.Digests, Books: []room.Book{}}
	books, audience, err := db.Books(ctx, i.ID)
	if err != nil {
		return v, nil, err
	}
	states, sum := make(map[mailer.State]int), 0
	for _, b := range books {
		states[b.State] += b.N
		sum += b.N
		if unsettled(b.State) {
			v.Left += b.N
		}
	}
	for _, s := range mailer.States {
		if n := states[s]; n != 0 {
			v.Books = append(v.Books, room.Book{State: string(s), N: n})
		}
	}
	v.Audience, v.Balanced = audience, sum == audience
	return v, books, nil
}

// unsettled says of a state that a delivery in it is still to go or to be answered.
func unsettled(s mailer.State) bool {
	return s == mailer.Queued || s == mailer.Sending || s == mailer.Handed || s == mailer.Deferred
}

const (
	browsed     = 100                   // deliveries on a page
	browseTime  = 60 * time.Millisecond // to look for them: a page has a third of a second in all, and mails go meanwhile
	exportChunk = 1000
)

// Browse meets [room.Issues].
func (w roomIssues) Browse(ctx context.Context, f room.Filter) ([]room.Delivery, int64, error) {
	began := time.Now()
	if f.State != "" { // the books know of none without a look
		books, _, err := w.db.Books(ctx, f.Issue)
		if err != nil {
			return nil, 0, err
		}
		if !slices.ContainsFunc(books, func(b store.Book) bool { return string(b.State) == f.State }) {
			return nil, 0, nil
		}
	}
	rows, next, err := w.db.BrowseDeliveries(ctx, browseOf(&f), browsed, func() bool { return time.Since(began) > browseTime })
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("there is no issue %d: %w", f.Issue, room.ErrNotFound)
	}
	list := make([]room.Delivery, len(rows))
	for n := range rows {
		list[n] = deliveryView(&rows[n])
	}
	return list, next, err
}

func browseOf(f *room.Filter) store.Browse {
	return store.Browse{Issue: f.Issue, State: mailer.State(f.State), Reply: f.Reply, Domain: f.Domain, Relay: f.Relay, Address: f.Address, After: f.After}
}

// Export meets [room.Issues].
func (w roomIssues) Export(ctx context.Context, f room.Filter) iter.Seq2[room.Delivery, error] {
	return func(yield func(room.Delivery, error) bool) {
		f.After = 0
		for {
			rows, next, err := w.db.BrowseDeliveries(ctx, browseOf(&f), exportChunk, func() bool { return ctx.Err() != nil })
			if err != nil {
				yield(room.Delivery{}, err)
				return
			}
			for n := range rows {
				if !yield(deliveryView(&rows[n]), nil) {
					return
				}
			}
			if f.After = next; next == 0 {
				return
			}
		}
	}
}

func deliveryView(d *store.DeliveryRow) room.Delivery {
	return room.Delivery{ID: d.ID(), Issue: d.Issue, Subscriber: d.Subscriber, Address: d.Address, State: string(d.State), Reason: d.Reason,
		Attempts: d.Attempts, Code: d.Reply.Code, Enhanced: d.Reply.Enhanced, Text: d.Reply.Text, Relay: d.Relay, At: d.At}
}

// Delivery meets [room.Issues].
func (w roomIssues) Delivery(ctx context.Context, id int64) (*room.DeliveryLife, error) {
	d, err := w.db.Delivery(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("there is no delivery %d: %w", id, room.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	life, err := lifeOf(ctx, w.db, &d)
	if err != nil {
		return nil, err
	}
	v := &room.DeliveryLife{Delivery: deliveryView(&d), Edition: d.Edition, Slot: d.SlotKey, Copies: d.Copies, Summary: life.String(), Life: []room.DeliveryStep{}}
	past, err := w.db.PastDelivery(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // its reader was erased
		return nil, err
	}
	v.Subject = past.Subject
	for _, m := range life {
		v.Life = append(v.Life, room.DeliveryStep{At: m.at, What: m.what, Class: string(m.class), By: m.by, Reply: said(m.reply), Reason: m.reason, Source: m.source})
	}
	return v, nil
}
