package digest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"broadsheet/templates"
)

// fragmentKey is what a fragment depends on.
type fragmentKey struct {
	name     string // template with its kind: story-card.html
	revision int64
	section  string
	language string
	variant  int
}

// rendered is what a press keeps: a fragment and what its HTML weighs, or what a story says.
type rendered struct {
	fragment *Fragment
	size     int // octets decoded, links at their longest, values left out
	brief    *brief
	parts    []*rendered // of the head: the contents stand between them
	values   int         // how many a part of the head takes
}

// piece renders a template once for its key. In plain text that runs from right to left, or
// stands on such a page, each line begins with a direction mark.
func (p *Press) piece(k fragmentKey, script, page templates.Script, view any) (*rendered, error) {
	p.mu.Lock()
	r, ok := p.kept.get(k)
	p.mu.Unlock()
	if ok {
		return r, nil
	}
	var out bytes.Buffer
	var err error
	if name, ok := strings.CutSuffix(k.name, ".html"); ok {
		err = p.set.HTML(&out, name, view)
	} else {
		err = p.set.Text(&out, strings.TrimSuffix(k.name, ".txt"), view)
	}
	if err != nil {
		return nil, err
	}
	text := out.String()
	if strings.HasSuffix(k.name, ".txt") && (script.RTL() || page.RTL()) {
		text = directed(text, script.RTL())
	}
	body := quoteBody(text)
	segs, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", k.name, err)
	}
	return p.keep(k, &rendered{fragment: &Fragment{Body: body}, size: decodedSize(text, segs)}), nil
}

// keep keeps what was rendered, unless it is there already: one fragment for one key, so that
// digests share it.
func (p *Press) keep(k fragmentKey, r *rendered) *rendered {
	p.mu.Lock()
	defer p.mu.Unlock()
	if other, ok := p.kept.get(k); ok {
		return other
	}
	p.kept.put(k, r, len(r.fragment.Body)+256)
	return r
}

// directed puts a direction mark before each line that is not an address.
func directed(text string, rtl bool) string {
	mark := "\u200e"
	if rtl {
		mark = "\u200f"
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		if bare != "" && !strings.HasPrefix(bare, "http") && !strings.HasPrefix(bare, "--") {
			b.WriteString(mark)
		}
		b.WriteString(line)
	}
	return b.String()
}

// decodedSize is how long rendered text is on the other side, with links and addresses as long
// as they can be.
func decodedSize(text string, segs []segment) int {
	n := len(text) + strings.Count(text, "\n") + 2
	for _, s := range segs {
		switch s.kind {
		case markLink:
			n += maxToken(s.link.section)
		case markAddress:
			n += maxAddressHTML
		}
	}
	return n
}

// How long what a composer fills in can get.
const (
	maxAddressHTML = 254 * len("&#39;")
	valueSlack     = 64 // octets by which the values of a section or story may grow while others are cut
)

// maxToken is the length of the longest link token for a section.
func maxToken(section string) int {
	return base64.RawURLEncoding.EncodedLen(2 + 4*9 + len(section) + 16)
}

// cached looks for what is there already, so that no view is made in vain.
func (p *Press) cached(k fragmentKey) (*rendered, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept.get(k)
}

// fixed is a fragment without marks.
func (p *Press) fixed(text string) *Fragment {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := fragmentKey{name: text}
	if r, ok := p.kept.get(k); ok {
		return r.fragment
	}
	f := &Fragment{Body: []byte(text)}
	p.kept.put(k, &rendered{fragment: f}, len(text)+256)
	return f
}
