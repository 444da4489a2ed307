package templates

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// Words are the fixed words of one language. In texts, {name} stands for something to be put in.
type Words struct {
	Script `yaml:"-"`
	tag    language.Tag

	Dir    string `yaml:"direction"` // ltr or rtl
	Digits string `yaml:"digits"`    // latn (0-9) or arab (٠-٩)

	Weekdays      []string          `yaml:"weekdays"` // Monday first
	WeekdaysShort []string          `yaml:"weekdays_short"`
	Months        []string          `yaml:"months"`
	Cities        map[string]string `yaml:"cities,omitempty"` // by their name elsewhere; may be left out

	Date        string `yaml:"date"`         // {weekday} {day} {month} {year}
	Time        string `yaml:"time"`         // {hour} {minute}
	TimeZone    string `yaml:"time_zone"`    // {time} {zone}
	TimeCity    string `yaml:"time_city"`    // {time} {city}
	WeekdayTime string `yaml:"weekday_time"` // {weekday} {time}
	DateTime    string `yaml:"date_time"`    // {day} {month} {time}

	By        string `yaml:"by"`        // {names}
	Comma     string `yaml:"comma"`     // between names
	And       string `yaml:"and"`       // before the last name
	Updated   string `yaml:"updated"`   // {time}
	Corrected string `yaml:"corrected"` // by an editor
	Credit    string `yaml:"credit"`    // {name}

	Stories  Plural `yaml:"stories"`   // {n}
	MailMin  Plural `yaml:"mail_min"`  // {n} minutes to read the mail
	StoryMin Plural `yaml:"story_min"` // {n} minutes to read a story
	More     Plural `yaml:"more"`      // {n} {section}
	Subject  Plural `yaml:"subject"`   // {headline} {n}

	SectionCount string `yaml:"section_count"` // {section} {n}

	ViewInBrowser string `yaml:"view_in_browser"`
	Preferences   string `yaml:"preferences"`
	Unsubscribe   string `yaml:"unsubscribe"`
	Less          string `yaml:"less"` // {section}
	LessShort     string `yaml:"less_short"`
	Mute          string `yaml:"mute"` // {section}
	MuteShort     string `yaml:"mute_short"`
	MoveUp        string `yaml:"move_up"` // {section}
	MoveUpShort   string `yaml:"move_up_short"`
	End           string `yaml:"end"`
	Why           string `yaml:"why"` // {edition} {publication}
	WhyLink       string `yaml:"why_link"`
	Next          string `yaml:"next"` // {time}
	Pause         string `yaml:"pause"`
	LeaveEdition  string `yaml:"leave_edition"` // {edition}
	LeaveAll      string `yaml:"leave_all"`     // {publication}
	SentTo        string `yaml:"sent_to"`
	PostedFrom    string `yaml:"posted_from"`

	NoticeFoot string                `yaml:"notice_foot"` // {publication}
	Notices    map[string]NoticeText `yaml:"notices"`     // by what they say; English has all there are
}

// NoticeText is what a mail says that is no digest: {publication}, {edition}, {date}.
type NoticeText struct {
	Subject string `yaml:"subject"`
	Heading string `yaml:"heading"`
	Text    string `yaml:"text"`
	Button  string `yaml:"button"`
	Note    string `yaml:"note"` // how long the link works, and what to do if it was somebody else
}

// Plural is one phrase in the plural forms of CLDR that its language has; the others are "".
type Plural struct {
	Zero  string `yaml:"zero"`
	One   string `yaml:"one"`
	Two   string `yaml:"two"`
	Few   string `yaml:"few"`
	Many  string `yaml:"many"`
	Other string `yaml:"other"`
}

func (p *Plural) form(f plural.Form) string {
	return [...]string{plural.Other: p.Other, plural.Zero: p.Zero, plural.One: p.One,
		plural.Two: p.Two, plural.Few: p.Few, plural.Many: p.Many}[f]
}

var formNames = [...]string{plural.Other: "other", plural.Zero: "zero", plural.One: "one",
	plural.Two: "two", plural.Few: "few", plural.Many: "many"}

// parseWords reads a file of words strictly: an unknown key, a missing key and a missing plural
// form are errors that name file and key.
func parseWords(lang, file string, text []byte) (*Words, error) {
	tag, err := language.Parse(lang)
	if err != nil {
		return nil, fmt.Errorf("read words %s: the file's name must be a language such as en.yaml or pt-BR.yaml", file)
	}
	w := &Words{tag: tag}
	if err := yaml.UnmarshalWithOptions(text, w, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("read words %s: %w", file, err)
	}
	w.Script = Script{Language: lang, Direction: w.Dir}
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("read words %s: %w", file, err)
	}
	return w, nil
}

func (w *Words) check() error {
	v := reflect.ValueOf(w).Elem()
	for i := range v.NumField() {
		key, _, optional := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if key == "" || key == "-" || optional {
			continue
		}
		switch f := v.Field(i).Interface().(type) {
		case string:
			if f == "" {
				return fmt.Errorf("key %q is missing", key)
			}
		case Plural:
			for _, form := range w.forms() {
				if f.form(form) == "" {
					return fmt.Errorf("key %q lacks the plural form %q", key, formNames[form])
				}
			}
		}
	}
	for key, list := range map[string][]string{"weekdays": w.Weekdays, "weekdays_short": w.WeekdaysShort, "months": w.Months} {
		want := 7
		if key == "months" {
			want = 12
		}
		if len(list) != want {
			return fmt.Errorf("key %q has %d entries, want %d", key, len(list), want)
		}
	}
	for key, n := range w.Notices {
		if n.Subject == "" || n.Heading == "" || n.Text == "" || n.Button == "" || n.Note == "" {
			return fmt.Errorf("key %q needs subject, heading, text, button and note", "notices."+key)
		}
	}
	if w.Dir != "ltr" && w.Dir != "rtl" {
		return fmt.Errorf("key %q is %q, want ltr or rtl", "direction", w.Dir)
	}
	if w.Digits != "latn" && w.Digits != "arab" {
		return fmt.Errorf("key %q is %q, want latn or arab", "digits", w.Digits)
	}
	return nil
}

// forms lists the plural forms that whole numbers take in the language.
func (w *Words) forms() []plural.Form {
	seen := map[plural.Form]bool{}
	var forms []plural.Form
	for n := range 200 {
		if f := plural.Cardinal.MatchPlural(w.tag, n, 0, 0, 0, 0); !seen[f] {
			seen[f] = true
			forms = append(forms, f)
		}
	}
	return forms
}

// Count is p for n, with {n} filled in and then the further pairs of name and text.
func (w *Words) Count(p Plural, n int, pairs ...string) string {
	f := plural.Cardinal.MatchPlural(w.tag, n, 0, 0, 0, 0)
	return Fill(p.form(f), append([]string{"n", w.Number(n)}, pairs...)...)
}

// Number is n in the digits of the language.
func (w *Words) Number(n int) string { return w.digits(strconv.Itoa(n)) }

func (w *Words) digits(s string) string {
	if w.Digits != "arab" {
		return s
	}
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r - '0' + '٠'
		}
		return r
	}, s)
}

// Fill puts texts in the places that {name} marks, in one pass: what is put in is not looked at again.
func Fill(pattern string, pairs ...string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(pattern, '{')
		n := strings.IndexByte(pattern[max(i, 0):], '}')
		if i < 0 || n < 0 {
			if b.Len() == 0 {
				return pattern
			}
			b.WriteString(pattern)
			return b.String()
		}
		b.WriteString(pattern[:i])
		b.WriteString(filling(pattern[i:i+n+1], pairs))
		pattern = pattern[i+n+1:]
	}
}

// filling is the text for a place such as {name}, which stays as it is if there is none.
func filling(place string, pairs []string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if place[1:len(place)-1] == pairs[i] {
			return pairs[i+1]
		}
	}
	return place
}
