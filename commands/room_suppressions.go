package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

// Suppressions meets [room.Readers].
func (w roomReaders) Suppressions(ctx context.Context, q room.BarSearch) (*room.BarList, error) {
	q.Text = strings.TrimSpace(q.Text)
	if q.Reason != "" && !slices.Contains(subscribers.Reasons(), q.Reason) {
		return nil, fmt.Errorf("%w: %q is no reason", room.ErrRefused, q.Reason)
	}
	page, err := w.db.FindSuppressions(ctx, store.BarQuery{Address: q.Text, Reason: q.Reason, After: q.After})
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: this page of the list is not there", room.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	list := &room.BarList{Search: q, Next: page.Next, Bars: []room.Bar{}}
	for _, b := range page.Bars {
		bar := room.Bar{Address: b.Address, Hash: b.Hash.String(), Reason: b.Reason, Words: barWords(b.Reason), Note: b.Note, At: b.At,
			Lifts: b.Address != "" && subscribers.MayReturn(b.Reason, subscribers.ByOperator)}
		if b.Address != "" {
			s, err := w.db.Subscriber(ctx, b.Address)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			if err == nil {
				bar.Reader = s.ID
			}
		}
		list.Bars = append(list.Bars, bar)
	}
	for _, r := range subscribers.Reasons() {
		list.Reasons = append(list.Reasons, room.Choice{Value: r, Name: barWords(r), Chosen: r == q.Reason})
	}
	return list, nil
}

// Suppress meets [room.Readers].
func (w roomReaders) Suppress(ctx context.Context, by operators.By, address, reason, note string) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	address, err := subscribers.ParseAddress(strings.TrimSpace(address))
	if err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	if !slices.Contains(subscribers.Reasons(), reason) || reason == "erased" {
		return "", fmt.Errorf("%w: %q is no reason to bar an address for", room.ErrRefused, reason)
	}
	added, err := w.db.SuppressFor(ctx, by, subscribers.Suppression{Address: address, Reason: reason, Note: strings.TrimSpace(note)}, w.now())
	switch {
	case err != nil:
		return "", refusal(err)
	case !added:
		return address + " is barred already.", nil
	}
	return address + " is barred: nothing more goes there.", nil
}

// Lift meets [room.Readers].
func (w roomReaders) Lift(ctx context.Context, by operators.By, address string) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	lifted, err := w.db.LiftFor(ctx, by, address, w.now())
	switch {
	case err != nil:
		return "", refusal(err)
	case !lifted:
		return "", fmt.Errorf("%w: %s is not barred", room.ErrRefused, address)
	}
	return address + " is not barred any more. That makes nobody a reader: who unsubscribed comes back by a sign-up.", nil
}
