package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

// roomProofs meets [room.Proofs].
type roomProofs struct{ *engine }

var _ room.Proofs = roomProofs{}

// at is the engine with another clock, for looking only.
func (e *engine) at(t time.Time) *engine {
	return &engine{cfg: e.cfg, db: e.db, keys: e.keys, dkim: e.dkim, now: func() time.Time { return t }, log: e.log, worker: e.worker,
		finder: digest.Finder{Diary: e.db, Config: e.cfg}, composer: e.composer, routes: e.routes, domains: e.domains, presses: e.presses}
}

// Preview meets [room.Proofs].
func (w roomProofs) Preview(ctx context.Context, q room.PreviewQuery) (*room.Preview, error) {
	out := &room.Preview{MaxHTML: digest.MaxHTML, Findings: []room.LintFinding{}}
	for _, ed := range w.cfg.Editions {
		out.Editions = append(out.Editions, ed.Name)
	}
	if q.As == "" {
		return out, nil
	}
	mail, err := w.previewed(ctx, q)
	switch wrong, ok := errors.AsType[*exitError](err); {
	case errors.Is(err, errNothing), errors.Is(err, errAsked), ok && wrong.code == exitUsage:
		out.None = err.Error()
		return out, nil
	case err != nil:
		return nil, err
	}
	if mail.digest != 0 {
		d, err := w.db.Digest(ctx, mail.digest)
		if err != nil {
			return nil, err
		}
		mail.stories = len(d.Items)
	}
	describe(out, &mail)
	return out, nil
}

// errAsked says that a preview was asked for of what is not there.
var errAsked = errors.New("nothing to show")

// previewed is the mail that is asked for.
func (w roomProofs) previewed(ctx context.Context, q room.PreviewQuery) (mail rehearsed, err error) {
	s, err := w.db.Subscriber(ctx, q.As)
	if errors.Is(err, store.ErrNotFound) {
		return mail, fmt.Errorf("%w: there is no reader %s", errAsked, q.As)
	}
	if err != nil {
		return mail, err
	}
	if q.Issue != 0 {
		i, err := w.db.Issue(ctx, q.Issue)
		if errors.Is(err, store.ErrNotFound) {
			return mail, fmt.Errorf("%w: there is no issue %d", errAsked, q.Issue)
		}
		if err != nil {
			return mail, err
		}
		ed := w.cfg.Edition(i.Edition)
		if ed == nil {
			return mail, fmt.Errorf("%w: %s no longer has the edition %s", errAsked, w.cfg.File, i.Edition)
		}
		return w.rehearseIn(ctx, ed, s, i, false)
	}
	ed, err := findEdition(w.cfg, q.Edition)
	if err != nil {
		return mail, err
	}
	e := w.engine
	if q.At != "" {
		t, err := w.moment(ed, s, q.At)
		if err != nil {
			return mail, err
		}
		e = e.at(t)
	}
	return e.rehearse(ctx, ed, s.Address, false)
}

// moment reads a time that an operator typed: an instant, or the wall's time where the reader is.
func (w roomProofs) moment(ed *schedule.Edition, s *subscribers.Subscriber, text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	zone, err := w.cfg.Location(editionZone(w.cfg, ed, s.Zone))
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.ParseInLocation("2006-01-02 15:04", strings.Replace(text, "T", " ", 1), zone)
	if err != nil {
		return t, fmt.Errorf("%w: %q is no time; write e.g. 2026-04-02 07:00", errAsked, text)
	}
	return t, nil
}

// describe fills in what there is to see of a mail.
func describe(p *room.Preview, mail *rehearsed) {
	l := digest.Lint(mail.Body)
	header, _, _ := strings.Cut(string(mail.Body), "\r\n\r\n")
	p.Edition, p.Issue, p.Slot, p.Zone, p.Due = mail.Issue.Edition, mail.Issue.ID, mail.Issue.Slot, mail.Issue.Zone, mail.Issue.Due
	p.State, p.Relay = string(mail.Delivery.State), mail.relay
	p.Stories, p.Note = mail.stories, ""
	if p.State == "" {
		p.Note = outside(mail.Reader, mail.edition)
	}
	p.Subject, p.Preheader, p.Size, p.HTMLSize, p.TextSize = l.Subject, l.Preheader, l.Size, l.HTMLSize, l.TextSize
	p.Header, p.Text, p.HTML, p.Source = strings.ReplaceAll(header, "\r\n", "\n"), l.Text, l.HTML, string(mail.Body)
	for host, n := range l.Hosts {
		p.Links = append(p.Links, room.Share{Name: host, Count: n})
	}
	slices.SortFunc(p.Links, func(a, b room.Share) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	for _, f := range l.Findings {
		p.Findings = append(p.Findings, room.LintFinding(f))
	}
}

// TestSend meets [room.Proofs].
func (w roomProofs) TestSend(ctx context.Context, by operators.By, edition, address string) (string, error) {
	ed, err := findEdition(w.cfg, edition)
	if err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	s, err := w.findReader(ctx, address)
	if err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	if err := w.db.Note(ctx, by, "test copy", fmt.Sprintf("reader %d", s.ID), "of "+ed.Name, w.now()); err != nil { // before it leaves
		return "", err
	}
	said, err := w.sendTest(ctx, ed, s.Address)
	if err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	return said, nil
}
