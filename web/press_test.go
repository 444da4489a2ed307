package web_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store/storetest"
	"broadsheet/stories"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// lookBack gives the pages all that they need to show what was sent.
func (w *world) lookBack() {
	w.Helper()
	set, err := templates.Load("")
	w.must(err)
	w.pages.Archive, w.pages.Slots, w.pages.Feeds, w.pages.Clicks, w.pages.Random = w.db, w.db, w.db, w.db, rand.Reader
	w.pages.Opener = func(e *schedule.Edition) *digest.Opener {
		press, err := digest.NewPress(w.pages.Config, *e, set)
		w.must(err)
		return &digest.Opener{Ledger: w.db, Layout: press, Config: w.pages.Config, Edition: e, Now: w.now}
	}
}

// tell takes stories in.
func (w *world) tell(section string, headlines ...string) {
	w.Helper()
	w.tellIn("", section, headlines...)
}

func (w *world) tellIn(language, section string, headlines ...string) {
	w.Helper()
	var list []stories.Story
	for _, h := range headlines {
		w.told++
		list = append(list, stories.Story{Language: language, GUID: fmt.Sprint("tag:tidewater.example,2026:", w.told), URL: fmt.Sprint("https://tidewater.example/story/", w.told), Headline: h,
			Lead: "What there is to say of " + h + ".", Sections: []string{section}, Published: w.now().Add(-time.Hour), Source: "https://tidewater.example/feed",
			Image: &stories.Image{URL: fmt.Sprintf("https://pictures.tidewater.example/%d.jpg", w.told), Alt: "A picture", Width: 300, Height: 200}})
	}
	_, err := w.db.AddStories(w.Context(), list, w.now())
	w.must(err)
}

// hostile takes stories in that consist of those strings; each is told apart from the others by its lead.
func (w *world) hostile(list []string) {
	w.Helper()
	var batch []stories.Story
	for n, text := range list[:min(len(list), 2500)] {
		w.told++
		lead := ""
		for _, word := range []string{"oak", "ash", "elm", "fir", "yew", "bay", "fig", "box"} {
			lead += fmt.Sprint(word, w.told, " ")
		}
		batch = append(batch, stories.Story{GUID: fmt.Sprint("tag:tidewater.example,2026:", w.told), URL: []string{text, "https://tidewater.example/" + text}[n%2], Headline: fmt.Sprint(text, " tree", w.told),
			Lead: lead + text, Sections: []string{[]string{"world", "politics", "sport"}[n%3]}, Authors: []string{text}, City: text, Agencies: []string{text}, Byline: text,
			Published: w.now(), Image: &stories.Image{URL: "https://pictures.tidewater.example/" + text, Alt: text, Credit: text}})
	}
	_, err := w.db.AddStories(w.Context(), batch, w.now())
	w.must(err)
}

// send opens what is due of an edition, and has all of its mail accepted. It returns the mails by reader.
func (w *world) send(edition string) map[int64][]byte {
	w.Helper()
	e := w.pages.Config.Edition(edition)
	due, err := (&digest.Finder{Diary: w.db, Config: w.pages.Config}).Due(w.Context(), e, w.now())
	w.must(err)
	for _, d := range due {
		_, err := w.pages.Opener(e).Open(w.Context(), d)
		w.must(err)
	}
	composer := digest.NewComposer(w.db, w.keys, "tidewater.example")
	mails := map[int64][]byte{}
	w.pass(time.Hour) // past the spread of an issue
	for {
		b, err := w.db.Lease(w.Context(), "", "test", w.now())
		w.must(err)
		if b == nil {
			return mails
		}
		for n := range b.Deliveries {
			d := &b.Deliveries[n]
			w.must(storetest.Intend(w.Context(), w.db, b, d, w.keys.SigningID(), w.now()))
			d.KeyID, d.Date = w.keys.SigningID(), w.now()
			m, err := composer.Compose(w.Context(), d, nil)
			w.must(err)
			mails[d.Subscriber] = slices.Clone(m.Body)
			w.must(storetest.Hand(w.Context(), w.db, b, d, w.now()))
			w.must(storetest.Settle(w.Context(), w.db, b, d, mailer.Outcome{State: mailer.Accepted, Charged: true, Copies: d.Copies}, w.now()))
		}
		w.must(w.db.Release(w.Context(), b, w.now()))
	}
}

// links are the links of a mail by their kind, as paths.
func (w *world) links(raw []byte) map[subscribers.Kind][]string {
	w.Helper()
	m, err := mail.ReadMessage(strings.NewReader(string(raw)))
	w.must(err)
	text := m.Header.Get("List-Unsubscribe")
	decode := func(r io.Reader) {
		b, err := io.ReadAll(quotedprintable.NewReader(r))
		w.must(err)
		text += string(b)
	}
	if kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type")); err == nil && kind == "multipart/alternative" {
		for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				break
			}
			w.must(err)
			decode(part)
		}
	} else {
		decode(m.Body)
	}
	found := map[subscribers.Kind][]string{}
	for _, match := range regexp.MustCompile(`/l/([A-Za-z0-9_-]+)`).FindAllStringSubmatch(text, -1) {
		a, err := w.keys.Open(match[1])
		w.must(err)
		if !slices.Contains(found[a.Kind], match[0]) {
			found[a.Kind] = append(found[a.Kind], match[0])
		}
	}
	return found
}
