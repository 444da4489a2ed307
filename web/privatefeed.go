package web

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// Feeds keeps the numbers of readers' feeds. store.DB meets it.
type Feeds interface {
	// PrivateFeed is the number of a reader's feed, 0 if the reader has none.
	PrivateFeed(ctx context.Context, subscriber int64) (int64, error)
	// PrivateFeedOf is whose feed has a number; [subscribers.ErrNotFound] if it is nobody's any more.
	PrivateFeedOf(ctx context.Context, number int64) (subscriber int64, err error)
	// SetPrivateFeed gives a reader's feed a number; 0 ends it.
	SetPrivateFeed(ctx context.Context, subscriber, number int64) error
}

// mailFeedAddress sends the reader a link to the feed's address: whoever holds a forwarded mail is
// not to read along from then on.
func (p *Pages) mailFeedAddress(w http.ResponseWriter, r *http.Request, v *visit) {
	p.mailLink(w, r, v, digest.NoticeFeed)
}

// feedPage shows a feed's address.
type feedPage struct {
	Address string // "" = there is no feed
	Token   string
	Done    string // what was done just now, a key of words; "" = nothing
}

// feedAddress shows the address of the reader's feed, if there is one.
func (p *Pages) feedAddress(w http.ResponseWriter, r *http.Request, v *visit) {
	p.showFeedAddress(w, r, v, "")
}

func (p *Pages) showFeedAddress(w http.ResponseWriter, r *http.Request, v *visit, done string) {
	if v.reader == nil {
		p.message(w, r, http.StatusNotFound, v.lang, "no_digest")
		return
	}
	number, err := p.Feeds.PrivateFeed(r.Context(), v.Subscriber)
	if err != nil {
		p.trouble(w, r, "load feed", err)
		return
	}
	page := feedPage{Token: v.token, Done: done}
	if number != 0 {
		if page.Address, err = p.feedURL(number); err != nil {
			p.trouble(w, r, "make link", err)
			return
		}
	}
	p.show(w, r, http.StatusOK, v.lang, "feed", "feed_title", page)
}

// feedURL is the address of the feed of that number.
func (p *Pages) feedURL(number int64) (string, error) {
	token, err := p.Keys.Token(p.Keys.SigningID(), subscribers.Action{Kind: subscribers.PrivateFeed, Story: number}) // the same each time
	return p.Config.Publication.PublicURL + "/l/" + token, err
}

// changeFeed makes the reader's feed, gives it another address, or ends it.
func (p *Pages) changeFeed(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.reader == nil {
		p.message(w, r, http.StatusNotFound, v.lang, "no_digest")
		return
	}
	number, done := int64(0), "feed_ended"
	if r.PostFormValue("action") != "end" {
		var b [8]byte
		if _, err := io.ReadFull(p.Random, b[:]); err != nil {
			p.trouble(w, r, "make feed", err)
			return
		}
		number, done = int64(binary.BigEndian.Uint64(b[:])>>1|1), "feed_made" // never 0 nor negative
	}
	if err := p.Feeds.SetPrivateFeed(r.Context(), v.Subscriber, number); err != nil {
		p.trouble(w, r, "change feed", err)
		return
	}
	p.showFeedAddress(w, r, v, done)
}

// privateFeed is a reader's own Atom feed: what was mailed, with links to its pages. Its address
// names neither the reader nor an address.
func (p *Pages) privateFeed(w http.ResponseWriter, r *http.Request, v *visit) {
	subscriber, err := p.Feeds.PrivateFeedOf(r.Context(), v.Story)
	if errors.Is(err, subscribers.ErrNotFound) {
		p.message(w, r, http.StatusGone, v.lang, "feed_gone")
		return
	}
	if err != nil {
		p.trouble(w, r, "find feed", err)
		return
	}
	list, err := p.Archive.PastDigests(r.Context(), subscriber, p.Now().Add(time.Second), pastShown)
	if err != nil {
		p.trouble(w, r, "list past digests", err)
		return
	}
	pub := p.Config.Publication
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("private feed "), uint64(v.Story)))
	self := pub.PublicURL + "/l/" + v.token
	f := atomFeed{Lang: pub.Language, ID: pub.PublicURL + "/#feed-" + hex.EncodeToString(sum[:12]), Title: pub.Name, Author: pub.Name,
		Updated: atomTime(time.Unix(0, 0)), Links: []atomLink{{"self", typeAtom, self}, {"alternate", typeHTML, pub.PublicURL + "/"}}}
	for n := range list {
		entry, err := p.privateEntry(r.Context(), &list[n])
		if err != nil {
			p.trouble(w, r, "make feed", err)
			return
		}
		if n == 0 {
			f.Updated = entry.Updated
		}
		f.Entries = append(f.Entries, entry)
	}
	p.writeFeed(w, r, f)
}

func (p *Pages) privateEntry(ctx context.Context, past *digest.Past) (atomEntry, error) {
	d, err := p.Archive.Digest(ctx, past.Digest)
	if err != nil {
		return atomEntry{}, err
	}
	var revisions []int64
	for _, item := range d.Items {
		revisions = append(revisions, item.Revision)
	}
	lines, err := p.lines(ctx, p.texts.set.Words(d.Language), p.zone(d.Zone), past.Issue.Due, revisions)
	if err != nil {
		return atomEntry{}, err
	}
	token, err := p.viewToken(past)
	if err != nil {
		return atomEntry{}, err
	}
	home := p.Config.Publication.PublicURL
	return atomEntry{Lang: d.Language, ID: home + issuePath(past.Issue.Edition, past.Issue.Slot) + "#yours", Title: p.subject(past, d.Language),
		Updated: atomTime(past.Issue.Due), Link: atomLink{"alternate", typeHTML, home + "/l/" + token}, Content: atomStories(lines)}, nil
}
