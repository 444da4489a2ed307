package commands

import (
	"encoding/base64"
	"net/http"
	"net/url"

	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"broadsheet/subscribers"
)

// TestEveryPageInBrowser opens every page that everybody can, what each kind of link in a digest leads
// to, and what each button there leads to; for a reader of English and one of Arabic. With
// BROADSHEET_AXE naming axe-core's axe.min.js, axe looks at each.
func TestEveryPageInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	base := startDemo(t)
	for _, c := range []struct{ language, reader string }{{"en", "tom@whitlock.example"}, {"ar", "salma@bareed.example"}} {
		t.Run(c.language, func(t *testing.T) {
			s := newSurfer(t, base)
			s.prefers(c.language)
			s.publicPages()
			s.inboxPages(c.reader)
			s.linkedPages(c.reader)
			t.Logf("axe looked at %d pages", s.seen)
			if s.axe != "" && s.seen < 35 {
				t.Errorf("axe looked at %d pages only", s.seen)
			}
		})
	}
}

func (s *surfer) publicPages() {
	s.opens("/")
	s.opens("/e/briefing")
	s.opens("/e/briefing/archive")
	s.presses(`a[href*="/e/briefing/20"]`)
	s.opens("/signup?edition=london")
	s.opens("/signup/embed")
	for _, path := range []string{"/l/nonsense", "/nothing", "/e/nothing"} {
		if status := s.does("open "+path, chromedp.Navigate(s.base+path)); status != http.StatusNotFound {
			s.Errorf("%s gives %d", path, status)
		}
		s.looks()
	}
}

func (s *surfer) inboxPages(address string) {
	s.opens("/inbox")
	s.opens("/inbox?to=" + address)
	s.presses(".mails li:first-child a")
	for _, part := range []string{"text", "source", "headers"} {
		s.presses(`.tabs a[href*="part=` + part + `"]`)
	}
}

// byKind is a link of each kind in the mails to an address, the newest of each.
func (s *surfer) byKind(address string) map[subscribers.Kind]string {
	s.Helper()
	_, inbox := fetch(s.T, "GET", s.base+"/inbox?to="+url.QueryEscape(address))
	links := map[subscribers.Kind]string{}
	for _, m := range regexp.MustCompile(`href="(/inbox/\d+)\?`).FindAllStringSubmatch(inbox, -1) {
		_, source := fetch(s.T, "GET", s.base+m[1]+"/source")
		for _, link := range linksOf([]byte(source)) {
			if k := kindOf(link); links[k] == "" {
				links[k] = link
			}
		}
	}
	return links
}

// kindOf is the kind of a link, which stands in its token's first octet; 0 if it has none.
func kindOf(link string) subscribers.Kind {
	_, token, _ := strings.Cut(link, "/l/")
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) == 0 {
		return 0
	}
	return subscribers.Kind(raw[0] & 0x3f)
}

// onPage is the link of a kind on the page that is open.
func (s *surfer) onPage(k subscribers.Kind) string {
	s.Helper()
	for _, link := range strings.Fields(s.reads(`[...document.links].map(a => a.href).join(" ")`)) {
		if kindOf(link) == k {
			return link
		}
	}
	s.Fatalf("after %s no link of kind %d is on the page:\n%s", s.at, k, s.text())
	return ""
}

// mailed waits for a mail with a link of a kind.
func (s *surfer) mailed(address string, k subscribers.Kind) string {
	s.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if link := s.byKind(address)[k]; link != "" {
			return link
		}
	}
	s.Fatalf("no mail to %s with a link of kind %d", address, k)
	return ""
}

func (s *surfer) linkedPages(address string) {
	links := s.byKind(address)
	for _, k := range []subscribers.Kind{subscribers.Read, subscribers.ViewInBrowser, subscribers.SectionMore, subscribers.Why} {
		if links[k] == "" && k == subscribers.SectionMore { // where nothing was left out
			continue
		}
		s.opens(links[k])
	}
	for _, k := range []subscribers.Kind{subscribers.SectionLess, subscribers.SectionMute, subscribers.SectionUp, subscribers.Pause, subscribers.LeaveEdition, subscribers.OneClick} {
		if links[k] == "" && k == subscribers.SectionUp { // in a mail of one section, the first: the demo's day begins at any hour
			continue
		}
		s.opens(links[k])
		s.wellPressed("form button.primary")
		if k == subscribers.Pause {
			s.opens(links[k]) // which offers to end it now
			s.wellPressed(`button[value="resume"]`)
		} else if k != subscribers.OneClick { // which finds it done
			s.wellPressed(`form[action*="/l/"] button`) // undo
		}
	}
	s.opens(links[subscribers.Preferences])
	s.opens(s.onPage(subscribers.PastDigests))
	s.wellPressed(`button[value="mail-feed"]`)
	s.opens(s.mailed(address, subscribers.FeedAddress))
	s.wellPressed("form button.primary")
	ask := func(action string, k subscribers.Kind) {
		s.opens(links[subscribers.Preferences])
		s.wellPressed(`button[value="` + action + `"]`)
		s.opens(s.mailed(address, k))
	}
	ask("mail-data", subscribers.OwnData)
	ask("mail-address", subscribers.ChangeAddress)
	s.types("#address", "new."+address)
	s.wellPressed("form button.primary")
	s.opens(s.mailed("new."+address, subscribers.Confirm))
	s.wellPressed("form button.primary")
	address = "new." + address
	ask("mail-erase", subscribers.Erase)
	s.wellPressed("form button.primary")
	s.does("open preferences of who is erased", chromedp.Navigate(links[subscribers.Preferences]))
	s.looks()
}

// wellPressed presses a button that must lead to a page.
func (s *surfer) wellPressed(selector string) {
	s.Helper()
	if status := s.presses(selector); status != http.StatusOK {
		s.Fatalf("%s gives %d:\n%s", s.at, status, s.text())
	}
}
