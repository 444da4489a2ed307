package digest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// NoticePress lays notices out. Safe for many goroutines.
type NoticePress struct {
	press  *Press
	titles map[string]string // of editions, by name
}

// noticeView is what the templates of a notice see.
type noticeView struct {
	W                                                       *templates.Words
	Publication, Subject, Heading, Text, Button, Note, Foot string
	Action, Address                                         templates.Mark
	Postal                                                  []string
	Padding                                                 []struct{}
}

// NewNoticePress makes the press of notices. The error says what is wrong with a template or with
// publication.notices_from.
func NewNoticePress(c *schedule.Config, set *templates.Set) (*NoticePress, error) {
	p := &Press{pub: c.Publication, edition: schedule.Edition{Name: NoticeEdition}, set: set,
		kept: newLRU[fragmentKey, *rendered](pressMemory / 8), zones: map[string]*time.Location{}}
	p.pub.From = cmp.Or(c.Publication.NoticesFrom, c.Publication.From)
	from, err := mail.ParseAddress(p.pub.From)
	if err != nil {
		return nil, fmt.Errorf("make press of notices: publication.notices_from %q: %w", p.pub.From, err)
	}
	p.domain = domainOf(from.Address)
	n := &NoticePress{press: p, titles: map[string]string{}}
	for _, e := range c.Editions {
		n.titles[e.Name] = (&Press{edition: e}).title()
	}
	if _, err := n.Layout(&Notice{Kind: NoticeLink}); err != nil {
		return nil, fmt.Errorf("try out templates of notices: %w", err)
	}
	return n, nil
}

// Layout makes the mail of a notice. Of what people have typed there is nothing in it, but for the
// address. Notices that say the same, with the same link, give the same digest. The error says
// what is wrong with the notice or a template.
func (p *NoticePress) Layout(n *Notice) (*Digest, error) {
	kind, number := noticeLink(n)
	if kind == 0 {
		return nil, fmt.Errorf("lay out notice: there is no kind %q", n.Kind)
	}
	w := p.press.set.Words(cmp.Or(n.Language, p.press.pub.Language))
	v, err := p.view(w, n)
	if err != nil {
		return nil, err
	}
	zone, err := p.press.zone("")
	if err != nil {
		return nil, fmt.Errorf("lay out notice: %w", err)
	}
	d := &Digest{Language: w.Language, Zone: zone.String(), TextOnly: n.TextOnly, Subject: v.Subject}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %t %d %q", n.Kind, w.Language, n.TextOnly, number, v.Text))
	d.Key = hex.EncodeToString(sum[:16])
	if err := p.assemble(d, v, linkMark(kind, number, "")); err != nil {
		return nil, fmt.Errorf("lay out notice: %w", err)
	}
	return d, nil
}

// noticeLink is what a notice's button leads to; kind 0 if there is no such notice.
func noticeLink(n *Notice) (kind subscribers.Kind, number int64) {
	switch n.Kind {
	case NoticeConfirm, NoticeNewAddress:
		return subscribers.Confirm, n.Number
	case NoticeMoved, NoticeLeft, NoticePaused, NoticeChanged:
		return subscribers.Undo, n.Number
	case NoticeKnown, NoticeLink:
		return subscribers.Preferences, 0
	case NoticeData:
		return subscribers.OwnData, 0
	case NoticeAddress:
		return subscribers.ChangeAddress, 0
	case NoticeErase:
		return subscribers.Erase, 0
	case NoticeFeed:
		return subscribers.FeedAddress, 0
	}
	return 0, 0
}

// view fills a notice's words.
func (p *NoticePress) view(w *templates.Words, n *Notice) (*noticeView, error) {
	key := n.Kind
	publication := cut(clean(p.press.pub.Name), 80)
	fill := []string{"publication", isolate(publication, w.RTL())}
	switch {
	case n.Kind == NoticeLeft && n.Detail == "":
		key = "left_all"
	case n.Kind == NoticeLeft:
		fill = append(fill, "edition", isolate(cmp.Or(p.titles[n.Detail], cut(clean(n.Detail), 80)), w.RTL()))
	case n.Kind == NoticePaused && !n.Paused.IsZero():
		zone, err := p.press.zone(n.Zone)
		if err != nil { // one that this machine does not know
			zone, err = p.press.zone("")
		}
		if err != nil {
			return nil, fmt.Errorf("lay out notice: %w", err)
		}
		key, fill = "paused_until", append(fill, "date", w.Day(n.Paused.In(zone)))
	}
	words, ok := w.Notices[key]
	if !ok {
		return nil, fmt.Errorf("lay out notice: there are no words for %q", key)
	}
	return &noticeView{W: w, Publication: publication, Postal: p.press.postal(), Padding: make([]struct{}, 60),
		Subject: templates.Fill(words.Subject, fill...), Heading: templates.Fill(words.Heading, fill...),
		Text: templates.Fill(words.Text, fill...), Note: templates.Fill(words.Note, fill...), Button: words.Button,
		Foot: templates.Fill(w.NoticeFoot, fill...), Action: templates.Mark(p.press.pub.PublicURL+"/l/") + valueMark(0)}, nil
}

// assemble puts the pieces in order. Notices share all of them but the link.
func (p *NoticePress) assemble(d *Digest, v *noticeView, link templates.Mark) error {
	header, err := p.press.header(d.TextOnly)
	if err != nil {
		return err
	}
	var field mailer.Header
	field.Add("Subject", mailer.NewLine(d.Subject))
	subject, err := field.AppendTo(nil)
	if err != nil {
		return err
	}
	action := p.press.fixed(string(link) + "=\r\n")
	part := func(kind string) error {
		halves, err := p.halves("notice"+kind, v)
		if err != nil {
			return err
		}
		if kind == ".html" {
			d.HTMLSize = halves.size + maxToken("")
		}
		d.Pieces = append(d.Pieces, Piece{Fragment: halves.parts[0].fragment}, Piece{Fragment: action}, Piece{Fragment: halves.parts[1].fragment})
		return nil
	}
	d.Pieces = []Piece{{header, []string{string(subject)}}}
	if d.TextOnly {
		return part(".txt")
	}
	d.Pieces = append(d.Pieces, Piece{Fragment: p.press.fixed(partText)})
	if err := part(".txt"); err != nil {
		return err
	}
	d.Pieces = append(d.Pieces, Piece{Fragment: p.press.fixed(partHTML)})
	if err := part(".html"); err != nil {
		return err
	}
	d.Pieces = append(d.Pieces, Piece{Fragment: p.press.fixed(partEnd)})
	return nil
}

// halves renders a template: what stands before the link and what stands behind it.
func (p *NoticePress) halves(name string, v *noticeView) (*rendered, error) {
	k := fragmentKey{name: "halves of " + name, section: v.Subject + "\n" + v.Text, language: v.W.Language}
	if r, ok := p.press.cached(k); ok {
		return r, nil
	}
	shown := *v
	shown.Address = addressMark(name)
	whole, err := p.press.piece(fragmentKey{name: name, section: k.section, language: k.language}, v.W.Script, v.W.Script, &shown)
	if err != nil {
		return nil, err
	}
	before, behind, ok := strings.Cut(string(whole.fragment.Body), string(valueMark(0))+"=\r\n")
	if !ok || strings.Contains(behind, string(valueMark(0))) {
		return nil, fmt.Errorf("%s has not exactly one link", name)
	}
	r := &rendered{fragment: whole.fragment, size: whole.size, parts: []*rendered{
		{fragment: &Fragment{Body: []byte(before)}}, {fragment: &Fragment{Body: []byte(behind)}}}}
	return p.press.keep(k, r), nil
}
