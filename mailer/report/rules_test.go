package report

import (
	"strings"
	"testing"
)

// TestRules sees to it that no phrase is out of reach behind another reason's.
func TestRules(t *testing.T) {
	for _, r := range plainRules {
		for _, p := range r.phrases {
			if got := wordsReason(plainRules, strings.ReplaceAll(p, "*", " x ")).reason; got != r.reason {
				t.Errorf("%q of %s gives %s", p, r.reason, got)
			}
		}
	}
	for _, r := range vagueRules {
		for _, p := range r.phrases {
			text := strings.ReplaceAll(p, "*", " x ")
			if got := wordsReason(plainRules, text).reason; got != "" {
				t.Errorf("%q of %s gives %s for sure", p, r.reason, got)
			}
			if got := wordsReason(vagueRules, text).reason; got != r.reason {
				t.Errorf("%q of %s gives %s", p, r.reason, got)
			}
		}
	}
	if s := bareText("550-5.1.1 <No-Such-User@reader.example>:\r\n550 5.1.1  Gone; https://x.example/user-unknown"); s != "<@>: gone;" {
		t.Errorf("bare text is %q", s)
	}
}
