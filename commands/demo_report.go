package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"broadsheet/store"
)

// demoReport prints the books of every issue and what became of every reader's mail.
func (p *program) demoReport(ctx context.Context, s *stage) error {
	var issues []issueJSON
	balanced := true
	for i, err := range s.db.Issues(ctx, store.IssueFilter{}) {
		if err != nil {
			return err
		}
		row, err := countIssue(ctx, s.db, i)
		if err != nil {
			return err
		}
		balanced = balanced && row.balanced()
		issues = append(issues, row)
	}
	slices.Reverse(issues)
	if err := p.issueTable(issues); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout)
	t := p.table("READER", "ISSUE", "STATE", "SUBJECT OR REASON")
	for d, err := range s.db.Deliveries(ctx, store.DeliveryFilter{}) {
		if err != nil {
			return err
		}
		what := d.Reason
		if d.Digest != 0 && (what == "" || d.State.Taken()) {
			stored, err := s.db.Digest(ctx, d.Digest)
			if err != nil {
				return err
			}
			what = stored.Subject
		}
		t.row(d.Address, d.Edition+" "+d.SlotKey, string(d.State), what)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if err := p.demoBack(ctx, s); err != nil {
		return err
	}
	for _, url := range slices.Sorted(maps.Keys(s.failed)) {
		fmt.Fprintf(p.stdout, "feed %s: %v\n", url, s.failed[url])
	}
	if !balanced {
		return errors.New("the books do not balance")
	}
	fmt.Fprintf(p.stdout, "\n%d issues, %d mails in the inbox, books balance\n", len(issues), len(s.inbox.Mails()))
	return nil
}

// demoBack prints what is known of the mails behind the relay, and what came back.
func (p *program) demoBack(ctx context.Context, s *stage) error {
	came := map[int64][]store.InboundRow{} // by delivery, 0 for what is about none
	for m, err := range s.db.Inbound(ctx, store.InboundFilter{}) {
		if err != nil {
			return err
		}
		came[m.Delivery()] = append([]store.InboundRow{m}, came[m.Delivery()]...) // the first one first
	}
	fmt.Fprintln(p.stdout)
	t := p.table("READER", "BEHIND THE RELAY (UTC)", "CAME BACK", "SO")
	row := func(address, life string, mails []store.InboundRow) {
		var classes, effects []string
		for _, m := range mails {
			class, effect := string(m.Class), m.Effect
			if m.Reason != "" && m.Reason != class {
				class += " (" + m.Reason + ")"
			}
			if m.Aside != "" {
				effect = joinNotes("set aside: "+m.Aside, effect)
			}
			classes, effects = append(classes, class), append(effects, effect)
		}
		t.row(address, life, joinNotes(slices.Compact(classes)...), joinNotes(slices.Compact(effects)...))
	}
	for d, err := range s.db.Deliveries(ctx, store.DeliveryFilter{}) {
		if err != nil {
			return err
		}
		mails := came[d.ID()]
		if len(mails) == 0 {
			continue
		}
		life, err := lifeOf(ctx, s.db, &d)
		if err != nil {
			return err
		}
		row(d.Address, life.String(), mails)
	}
	for _, m := range came[0] {
		row(m.From, "", []store.InboundRow{m})
	}
	return t.flush()
}
