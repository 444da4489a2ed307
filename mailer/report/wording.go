package report

import (
	"slices"
	"strings"
)

// lookMax is how much text of one message is searched for phrases, in octets. Recipients that are
// left then are not read: what they are told stands in no text that a server would write.
const lookMax = 64 << 10

// wording is a text and what is found in it, each thing once and only if it is asked for.
type wording struct {
	text    string
	bare    string // see [bareText]
	codes   codes
	plain   *finding // by plainRules
	vague   *finding // by vagueRules
	replied *string
	rcpt    *bool

	looked *int // counts the octets that are searched for phrases; may be nil
}

// finding is the reason that words give; "" if they give none.
type finding struct {
	reason  string
	perhaps bool
}

// byRules is what the rules for words that are plain find, and the codes that stand there.
func (w *wording) byRules() (finding, codes) {
	if w.plain == nil {
		if w.looked != nil {
			*w.looked += min(len(w.text), replyMax)
		}
		w.bare, w.codes = bareText(w.text), codesIn(w.text)
		w.plain = new(wordsReason(plainRules, w.bare))
	}
	return *w.plain, w.codes
}

// byVagueRules is what the rules for words that may mean this or that find. It is asked after byRules.
func (w *wording) byVagueRules() finding {
	if w.vague == nil {
		w.vague = new(wordsReason(vagueRules, w.bare))
	}
	return *w.vague
}

// replies are the lines with a server's reply, see [replies].
func (w *wording) replies() string {
	if w.replied == nil {
		w.replied = new(replies(w.text))
	}
	return *w.replied
}

// toRecipient reports whether the text says that RCPT was refused.
func (w *wording) toRecipient() bool {
	if w.rcpt == nil {
		w.rcpt = new(toRecipient.MatchString(w.text))
	}
	return *w.rcpt
}

// look reads a text of the message; a text that comes again is known.
func (m *message) look(text string) *wording {
	if w := m.texts[text]; w != nil {
		return w
	}
	if m.texts == nil {
		m.texts = map[string]*wording{}
	}
	w := &wording{text: text, looked: &m.looked}
	m.texts[text] = w
	return w
}

// spent reports whether no more of the message's texts are to be looked at.
func (m *message) spent() bool { return m.looked > lookMax }

// blockMax is how much of what a text says of one recipient is looked at, in octets.
const blockMax = 8 << 10

// about returns what a text says of each address: the lines that name it and those below, up to one
// that names another. It is all of the text for an address that is not there. One walk over the text
// serves all of them.
func about(text string, addresses []string) []string {
	out := make([]strings.Builder, len(addresses))
	in, named := make([]bool, len(addresses)), make([]bool, len(addresses))
	low := make([]string, len(addresses))
	for i, a := range addresses {
		low[i] = strings.ToLower(a)
	}
	for line := range strings.Lines(text) {
		if strings.IndexByte(line, '@') >= 0 {
			line := strings.ToLower(line)
			for i, a := range low {
				named[i] = a != "" && strings.Contains(line, a)
			}
			if slices.Contains(named, true) {
				copy(in, named)
			}
		}
		for i := range in {
			if in[i] && out[i].Len() < blockMax {
				out[i].WriteString(line)
			}
		}
	}
	blocks := make([]string, len(addresses))
	for i := range out {
		if blocks[i] = out[i].String(); blocks[i] == "" {
			blocks[i] = text
		}
	}
	return blocks
}
