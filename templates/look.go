package templates

import (
	htmltemplate "html/template"

	"golang.org/x/text/language"
)

// Script is a language with its direction of writing and the type that suits it.
type Script struct {
	Language  string // BCP 47, "" = unknown
	Direction string // ltr or rtl
}

// ScriptOf is the script of a language, which need not have a file of words. One that is not
// understood has no name and runs from left to right.
func ScriptOf(lang string) Script {
	s := Script{Direction: "ltr"}
	tag, err := language.Parse(lang)
	if err != nil || lang == "" {
		return s
	}
	s.Language = tag.String()
	switch script, _ := tag.Script(); script.String() {
	case "Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm", "Rohg", "Samr", "Mand":
		s.Direction = "rtl"
	}
	return s
}

// RTL reports whether the script runs from right to left.
func (s Script) RTL() bool { return s.Direction == "rtl" }

// The fonts and sizes below are what templates ask a Script for. Arabic has no letter-spacing,
// capitals or italics, is 16 px high at least and needs room above and below the line.

const (
	serif  = "Georgia,'Times New Roman',Times,serif"
	sans   = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
	arabic = "'Noto Naskh Arabic','Geeza Pro','Segoe UI',Tahoma,Arial,sans-serif"
)

func (s Script) style(ltr, rtl htmltemplate.CSS) htmltemplate.CSS {
	if s.RTL() {
		return rtl
	}
	return ltr
}

// Serif is the font of headlines and text.
func (s Script) Serif() htmltemplate.CSS { return s.style(serif, arabic) }

// Sans is the font of everything else.
func (s Script) Sans() htmltemplate.CSS { return s.style(sans, arabic) }

// Small is the size of notes.
func (s Script) Small() htmltemplate.CSS {
	return s.style("font-size:13px;line-height:1.5", "font-size:16px;line-height:1.6")
}

// Label is the look of a section's name.
func (s Script) Label() htmltemplate.CSS {
	return s.style("font-size:16px;line-height:1.4;font-weight:bold",
		"font-size:17px;line-height:1.6;font-weight:bold")
}

// Text is the size of running text.
func (s Script) Text() htmltemplate.CSS {
	return s.style("font-size:16px;line-height:1.5", "font-size:17px;line-height:1.6")
}

// Big is the size of the lead's headline, Head of the others.
func (s Script) Big() htmltemplate.CSS {
	return s.style("font-size:29px;line-height:1.17;letter-spacing:-0.3px", "font-size:27px;line-height:1.6")
}

// Head is the size of a card's headline.
func (s Script) Head() htmltemplate.CSS {
	return s.style("font-size:19px;line-height:1.28", "font-size:20px;line-height:1.6")
}

// Align is the side where lines begin, Far the other one.
func (s Script) Align() string {
	if s.RTL() {
		return "right"
	}
	return "left"
}

// Far is the side where lines end.
func (s Script) Far() string {
	if s.RTL() {
		return "left"
	}
	return "right"
}
