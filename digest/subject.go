package digest

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// SubjectData is what an edition's own subject line may use.
type SubjectData struct {
	Headline    string // of the reader's lead, cut at 60 characters
	More        int    // stories beside it
	Stories     int
	Edition     string // title
	Publication string
	Date        string // of the slot, in the digest's language
}

// subject is the reader's own lead headline and how many more there are, or what the edition wants.
func (l *sheet) subject() (string, error) {
	all := l.all()
	lead := cut(all[0].brief.headline, 60)
	more := len(all) - 1
	if l.p.subject != nil {
		var b strings.Builder
		err := l.p.subject.Execute(&b, SubjectData{Headline: lead, More: more, Stories: len(all),
			Edition: l.p.title(), Publication: clean(l.p.pub.Name), Date: l.words.Day(l.local())})
		if err != nil {
			return "", fmt.Errorf("fill subject of edition %s: %w", l.p.edition.Name, err)
		}
		if s := cut(clean(b.String()), 200); s != "" {
			return s, nil
		}
	}
	lead = isolate(lead, l.words.RTL())
	if more == 0 {
		return lead, nil
	}
	return l.words.Count(l.words.Subject, more, "headline", lead), nil
}

// preheader is what an inbox shows beside the subject: the next headlines, or else how the lead
// goes on; it never says again what the subject says.
func (l *sheet) preheader() string {
	const least, most = 40, 130
	all := l.all()
	var parts []string
	length := 0
	add := func(s string) {
		if s != "" && !slices.Contains(parts, s) && s != all[0].brief.headline {
			parts = append(parts, s)
			length += utf8.RuneCountInString(s)
		}
	}
	for n, e := range all[1:] {
		if n < 2 || length < least {
			add(e.brief.headline)
		}
	}
	for _, s := range []string{all[0].brief.two, clean(l.p.pub.Tagline)} {
		if length < least {
			add(s)
		}
	}
	room := most
	for n, s := range parts {
		if room < 20 {
			parts = parts[:n]
			break
		}
		parts[n] = cut(s, room-1) // and an ellipsis
		room -= utf8.RuneCountInString(parts[n]) + len(" · ")
		parts[n] = isolate(parts[n], l.words.RTL())
	}
	return strings.Join(parts, " · ")
}
