package commands

import (
	"fmt"
	"strings"
	"testing"

	"broadsheet/operators"
)

// TestReadersInBrowser finds out from Today's field why a reader got no mail, and has axe look at the pages of
// readers and feeds, if BROADSHEET_AXE names it.
func TestReadersInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	p := publish(t)
	p.says(404, "")
	h := operated(t)
	h.cfg.Feeds = fed(t, p).cfg.Feeds
	s := newSurfer(t, roomOf(t, h.engine))
	s.logsIn(h.engine, operators.Act)
	s.opens("/subscribers")
	s.types("#ask-as", "reader0@reader.exmaple")
	s.presses("form[action='/explain'] button")
	if text := s.text(); !strings.Contains(text, "Perhaps you mean") || !strings.Contains(text, "reader0@reader.example") {
		t.Fatalf("a slip leads nowhere:\n%s", text)
	}
	s.opens("/explain?as=reader0@reader.example")
	if text := s.text(); !strings.Contains(text, "came back at") {
		t.Fatalf("the answer is not there:\n%s", text)
	}
	s.shot("explain")
	for name, path := range map[string]string{"subscribers": "/subscribers", "subscriber": fmt.Sprintf("/subscribers/%d", reader(t, h.engine, "reader0@reader.example").ID),
		"import": "/subscribers/import", "suppressions": "/suppressions", "feeds": "/feeds", "inbound": "/inbound/1", "returned": "/returned"} {
		s.opens(path)
		s.shot(name)
	}
}
