package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// sendOnly sends one reader's due delivery of the issues named, and leaves the others queued.
func (p *program) sendOnly(ctx context.Context, e *engine, reader int64, issues []int64) (sent int, err error) {
	for _, id := range issues {
		n, sendErr := e.sendAll(ctx, sendRun{untilIdle: true, connections: 1,
			queue: store.Only{DB: e.db, Number: id, Reader: reader}})
		sent, err = sent+n, errors.Join(err, sendErr)
	}
	return sent, err
}

// sendTest sends a reader a copy of the digest that is next in line: with inert links, a
// subject that says what it is, and no trace in the history.
func (e *engine) sendTest(ctx context.Context, ed *schedule.Edition, address string) (said string, err error) {
	s, err := e.findReader(ctx, address)
	if err != nil {
		return "", err
	}
	if s.Status != subscribers.Active { // who left, paused or never confirmed has not asked for this mail
		return "", &exitError{exitNothing, fmt.Errorf("%w: %s is %s; a test copy goes to active readers only", errNothing, s.Address, s.Status)}
	}
	mail, err := e.rehearse(ctx, ed, address, true)
	if errors.Is(err, errNothing) {
		return "", &exitError{exitNothing, err}
	}
	if err != nil {
		return "", err
	}
	r, err := e.relayFor(s)
	if err != nil {
		return "", err
	}
	reply, err := e.sendOne(ctx, r, mail.Message)
	if errors.Is(err, errNotAdopted) {
		return "", &exitError{exitHeld, err}
	}
	if err != nil {
		return "", fmt.Errorf("send test copy through %s: %w", r.Name, err)
	}
	return fmt.Sprintf("test copy of %s %s taken by %s: %s", ed.Name, mail.Issue.Slot, r.Name, reply), nil
}

// rehearsed is a mail that was put together and not sent.
type rehearsed struct {
	mailer.Message
	Reader   *subscribers.Subscriber
	Issue    digest.Issue
	Delivery mailer.Delivery
	relay    string // that it goes or went through
	edition  *schedule.Edition
	digest   int64 // that is on record, 0 = none
	stories  int   // of one that is not
}

// errNothing says that a reader would get no mail.
var errNothing = errors.New("no mail for this reader")

// rehearse puts together a reader's mail of the issue that is on record for now's slot, or of
// the one that would be opened. The reader need not follow the edition for a test.
func (e *engine) rehearse(ctx context.Context, ed *schedule.Edition, address string, test bool) (rehearsed, error) {
	s, err := e.findReader(ctx, address)
	if err != nil {
		return rehearsed{}, err
	}
	issue, err := e.issueFor(ctx, ed, s.Zone, s.Hour)
	if err != nil {
		return rehearsed{}, err
	}
	return e.rehearseIn(ctx, ed, s, issue, test)
}

// findReader is the reader of an address.
func (e *engine) findReader(ctx context.Context, address string) (*subscribers.Subscriber, error) {
	s, err := e.db.Subscriber(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("there is no reader %s: add one with subscribers add", address)
	}
	return s, err
}

// rehearseIn puts together a reader's mail of an issue.
func (e *engine) rehearseIn(ctx context.Context, ed *schedule.Edition, s *subscribers.Subscriber, issue digest.Issue, test bool) (rehearsed, error) {
	d := mailer.Delivery{Issue: issue.ID, Slot: issue.SlotID, Subscriber: s.ID, Address: s.Address, KeyID: e.keys.SigningID(), Date: e.now()}
	out := rehearsed{Reader: s, Issue: issue, Delivery: d, edition: ed}
	if r, err := e.relayFor(s); err == nil {
		out.relay = r.Name
	}
	if signer := e.dkim.signer(e.profile(out.relay)); signer != nil {
		out.Delivery.Selector = signer.Selector()
	}
	var dg *digest.Digest
	if issue.ID != 0 {
		stored, err := e.db.Delivery(ctx, store.DeliveryID(issue.SlotID, s.ID))
		switch {
		case errors.Is(err, store.ErrNotFound): // no delivery of theirs
		case err != nil:
			return out, err
		case stored.Digest != 0 && !test:
			if !stored.Date.IsZero() {
				out.Delivery.Date, out.Delivery.KeyID, out.Delivery.Selector = stored.Date, stored.KeyID, stored.Selector
			}
			out.Delivery.State, out.digest = stored.State, stored.Digest
			out.Delivery.Digest, out.Delivery.Address, out.Delivery.Issue = stored.Digest, stored.Address, stored.Issue
			out.relay = stored.Relay
			out.Message, err = e.composer.Compose(ctx, &out.Delivery, nil)
			return e.signed(out, err)
		case stored.Digest != 0:
			if dg, err = e.showable(ctx, stored.Digest); err != nil {
				return out, err
			}
		case !test:
			return out, fmt.Errorf("%w: %s in %s %s: %s", errNothing, stored.State, ed.Name, issue.Slot, stored.Reason)
		}
	}
	if dg == nil {
		r, err := e.opener(ed, nil).Rehearse(ctx, issue, s.ID, false)
		if err != nil {
			return out, err
		}
		if dg = r.Digest; dg == nil {
			return out, fmt.Errorf("%w: %s in %s %s: %s", errNothing, r.State, ed.Name, issue.Slot, r.Reason)
		}
	}
	out.stories = len(dg.Items)
	compose := e.composer.Message
	if test {
		compose = e.composer.Test
	}
	var err error
	out.Message, err = compose(dg, &issue, &out.Delivery, nil)
	return e.signed(out, err)
}

// signed signs what could be composed, as the relay's sender does.
func (e *engine) signed(r rehearsed, err error) (rehearsed, error) {
	if err == nil {
		r.Message, err = e.dkim.sign(r.Message, &r.Delivery, e.profile(r.relay))
	}
	return r, err
}

// showable is a digest on record with its fragments; nil if a story that it shows was withdrawn.
func (e *engine) showable(ctx context.Context, id int64) (*digest.Digest, error) {
	dg, err := e.storedDigest(ctx, id)
	if err != nil {
		return nil, err
	}
	var revisions []int64
	for _, item := range dg.Items {
		revisions = append(revisions, item.Revision)
	}
	found, err := e.db.Stories(ctx, revisions)
	if err != nil {
		return nil, err
	}
	for _, s := range found {
		if !s.Withdrawn.IsZero() {
			return nil, nil
		}
	}
	return dg, nil
}

// storedDigest is a digest on record with its fragments.
func (e *engine) storedDigest(ctx context.Context, id int64) (*digest.Digest, error) {
	dg, err := e.db.Digest(ctx, id)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(dg.Pieces))
	for i, p := range dg.Pieces {
		ids[i] = p.Fragment.ID
	}
	fragments, err := e.db.Fragments(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if dg.Pieces[i].Fragment = fragments[id]; fragments[id] == nil {
			return nil, fmt.Errorf("digest %d: fragment %d is gone", dg.ID, id)
		}
	}
	return dg, nil
}

// issueFor is the issue of the latest slot due at the clock's now for a reader of that zone and
// hour, as it is on record or as it would be opened.
func (e *engine) issueFor(ctx context.Context, ed *schedule.Edition, zone string, hour int) (digest.Issue, error) {
	name := editionZone(e.cfg, ed, zone)
	loc, err := e.cfg.Location(name)
	if err != nil {
		return digest.Issue{}, err
	}
	hour = ed.ReaderHour(hour)
	slot, ok := ed.Latest(loc, hour, e.now().Add(ed.Prepare))
	if !ok {
		return digest.Issue{}, fmt.Errorf("edition %q has no slot before %s", ed.Name, e.now().Format(time.RFC3339))
	}
	i, err := e.db.IssueBySlot(ctx, ed.Name, slot.Key, slot.Zone, slot.Hour)
	if !errors.Is(err, store.ErrNotFound) {
		return i, err
	}
	id, err := e.db.EditionID(ctx, ed.Name)
	if err != nil {
		return digest.Issue{}, err
	}
	i = digest.NewIssue(ed, loc, hour, slot, e.now())
	i.EditionID = id
	return i, nil
}

// dryRun prints what would be opened now, reader by reader in sum, and writes nothing.
func (p *program) dryRun(ctx context.Context, e *engine, ed *schedule.Edition, asJSON bool) error {
	due, err := e.finder.Due(ctx, ed, e.now())
	if err != nil {
		return err
	}
	var rows []issueJSON
	var loads []digest.Load
	for _, d := range due {
		f, err := e.opener(ed, nil).Survey(ctx, e.db, d)
		if err != nil {
			return err
		}
		rows = append(rows, jsonIssue(f.Issue, f.Counts))
		loads = append(loads, f.Loads...)
	}
	if len(rows) == 0 {
		return nothingDue(ed)
	}
	if err := p.printIssues(rows, asJSON); err != nil {
		return err
	}
	out := p.stdout
	if asJSON {
		out = p.stderr
	}
	for _, w := range e.prospects(loads) {
		fmt.Fprintln(out, inWords(&w))
	}
	return nil
}
