package commands

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"broadsheet/subscribers"
)

// TestReaderInBrowser does in a browser what a reader does: signs up, confirms from the demo's inbox,
// changes sections, pauses, leaves, and takes it back; in English with scripts, and in Arabic with
// none. With BROADSHEET_AXE naming axe-core's axe.min.js, every page on the way is looked at.
func TestReaderInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	base := startDemo(t)
	for _, c := range []struct {
		name, language, address string
		scripts                 bool
	}{{"English, with scripts", "en", "nora@reader.example", true}, {"Arabic, without scripts", "ar", "noor@reader.example", false}} {
		t.Run(c.name, func(t *testing.T) {
			s := newSurfer(t, base)
			s.prefers(c.language)
			s.scripts(c.scripts)
			s.signsUp(c.address)
			s.confirms(c.address)
			if got := s.reads(`document.documentElement.lang + " " + document.documentElement.dir`); got != c.language+" "+map[string]string{"en": "ltr", "ar": "rtl"}[c.language] {
				t.Errorf("the page is in %s", got)
			}
			s.changesSections(c.scripts)
			s.pauses()
			s.leaves(c.address, !c.scripts)
		})
	}
}

func (s *surfer) signsUp(address string) {
	s.Helper()
	s.opens("/inbox")
	s.presses(`a[href="/signup"]`)
	s.types("#address", address)
	s.ticks(`input[name="level.sport"]`)
	s.chooses("#hour", "8")
	s.chooses("#zone", "Asia/Tokyo")
	s.shot("signup-" + address[:4])
	// Who is faster than any person is asked to look once more.
	for end := time.Now().Add(patience); s.presses("form button.primary") != http.StatusOK; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("the form is not taken:\n%s", s.text())
		}
	}
	s.shot("sent-" + address[:4])
}

// mailTo opens the newest of so many mails to an address, and returns the links in it.
func (s *surfer) mailTo(address string, number int) (links []string) {
	s.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if s.does("open the inbox", chromedp.Navigate(s.base+"/inbox?to="+address)); s.reads(`String(document.querySelectorAll(".mail").length)`) == strconv.Itoa(number) {
			break
		}
		if time.Now().After(end) {
			s.Fatalf("there are not %d mails:\n%s", number, s.text())
		}
	}
	s.presses(".mails li:first-child a")
	// The mail itself: its frame lets no script run, not even axe's.
	s.does("open the mail", chromedp.Navigate(s.reads(`document.querySelector("iframe").src`)))
	links = strings.Fields(s.reads(`[...document.querySelectorAll("a[href*='/l/']")].map(a => a.href).join(" ")`))
	if len(links) == 0 {
		s.Fatalf("no link is in the mail:\n%s", s.text())
	}
	return links
}

func (s *surfer) confirms(address string) {
	s.Helper()
	links := s.mailTo(address, 1)
	s.opens(links[0])
	s.shot("confirm-" + address[:4])
	if status := s.presses("form button.primary"); status != http.StatusOK {
		s.Fatalf("confirming gives %d:\n%s", status, s.text())
	}
	s.shot("welcome-" + address[:4])
	s.presses(`a.button[href*="/l/"]`)
	s.holds(`#hour`, "8")
	s.holds(`#zone`, "Asia/Tokyo")
	s.holds(`#level-sport`, "")
	s.holds(`#level-world`, "normal")
	if page := s.text(); strings.Contains(page, address) {
		s.Errorf("the whole address is on the page:\n%s", page)
	}
}

// holds checks the value of a field.
func (s *surfer) holds(selector, want string) {
	s.Helper()
	if got := s.reads(`document.querySelector(` + "`" + selector + "`" + `).value`); got != want {
		s.Errorf("after %s %s is %q, not %q", s.at, selector, got, want)
	}
}

// order is that of the sections on the page.
func (s *surfer) order() string {
	return s.reads(`[...document.querySelectorAll("input[name=order]")].map(i => i.value).join(" ")`)
}

func (s *surfer) changesSections(scripts bool) {
	s.Helper()
	before := s.order()
	up := `button[name="up"][value="culture"]`
	if scripts {
		s.ticks(up)
	} else {
		s.presses(up) // a form of its own
	}
	list := strings.Fields(before)
	at := slices.Index(list, "culture")
	list[at-1], list[at] = list[at], list[at-1]
	want := strings.Join(list, " ")
	if got := s.order(); got != want {
		s.Errorf("moved up: got %s, want %s", got, want)
	}
	s.chooses("#level-business", "less")
	s.chooses("#level-health", "muted")
	s.presses("form button.primary")
	s.holds("#level-business", "less")
	s.holds("#level-health", "muted")
	if got := s.order(); got != want {
		s.Errorf("saved: got %s, want %s", got, want)
	}
	s.reads(`document.querySelector(".saved").innerText`)
	s.shot("preferences-" + map[bool]string{true: "en", false: "ar"}[scripts])
}

func (s *surfer) pauses() {
	s.Helper()
	preferences := s.reads(`location.href`)
	s.ticks(`input[name="pause"]`)
	s.step("choose an end", chromedp.SetValue(chromedp.CSS("#until"), time.Now().AddDate(0, 0, 14).Format(time.DateOnly)))
	s.presses("form button.primary")
	if s.reads(`String(document.querySelector("input[name=pause]").checked)`) != "true" {
		s.Fatalf("not paused:\n%s", s.text())
	}
	s.presses(".saved form button") // undo
	s.opens(preferences)
	if s.reads(`String(document.querySelector("input[name=pause]").checked)`) != "false" {
		s.Errorf("still paused:\n%s", s.text())
	}
}

// leaves everything, and takes it back by the page that says so or by the mail.
func (s *surfer) leaves(address string, byMail bool) {
	s.Helper()
	preferences := s.reads(`location.href`)
	s.opens(s.onPage(subscribers.LeaveAll))
	s.shot("leave-" + address[:4])
	s.presses(`button[name="action"][value="all"]`)
	s.shot("left-" + address[:4])
	if byMail { // which tells of it, and comes after those to confirm and of the changes
		if status := s.does("open preferences of who has left", chromedp.Navigate(preferences)); status != http.StatusConflict {
			s.Errorf("preferences of who has left give %d:\n%s", status, s.text())
		}
		s.looks()
		s.opens(s.mailTo(address, 3)[0])
		s.presses("form button.primary")
	} else {
		s.presses(`form[action*="/l/"] button`)
	}
	s.shot("undone-" + address[:4])
	s.opens(preferences)
	s.holds("#level-business", "less")
}
