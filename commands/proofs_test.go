package commands

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"broadsheet/digest"
	"broadsheet/mailer/relaytest"
	"broadsheet/operators"
)

// daily is a publication that has gone out every day for a week and more, to 30 readers by a real relay.
type daily struct {
	*console
	relay *relaytest.Relay
	day   time.Time // of the next issue
	made  int       // stories
}

func newDaily(t *testing.T, days int) *daily {
	d := &daily{console: &console{t: t, dir: t.TempDir()}, relay: relaytest.Start(t), day: time.Date(2026, 1, 5, 7, 0, 0, 0, time.UTC)}
	write(t, d.dir+"/schedule.yaml", strings.NewReplacer("$LISTEN", "1", "$FEEDS", "1", "$SMTP", itoa(int64(d.relay.Port)), "connections: 1, rate: 1000}", "connections: 4, rate: 10000}").
		Replace(read(t, "testdata/fixture/schedule.yaml")))
	var list strings.Builder
	list.WriteString("email,sections,editions,consent_source\n")
	for i := range 30 {
		fmt.Fprintf(&list, "reader%d@reader.example,world,morning,test\n", i)
	}
	write(t, d.dir+"/readers.csv", list.String())
	d.must(0, "subscribers", "import", d.dir+"/readers.csv")
	for range days {
		d.brings(4, "tidewater.example")
		d.must(0, "send", "morning", "--at", d.at(0))
		d.day = d.day.AddDate(0, 0, 1)
	}
	if n := len(d.relay.Messages()); n != 30*days {
		t.Fatalf("%d mails in %d days", n, days)
	}
	return d
}

// at is a time after the day's slot.
func (d *daily) at(after time.Duration) string {
	return d.day.Add(30*time.Second + after).Format(time.RFC3339)
}

// brings has the feed bring n stories of the morning.
func (d *daily) brings(n int, host string) {
	var b strings.Builder
	b.WriteString(`<rss version="2.0"><channel><title>World</title><link>https://tidewater.example/</link><description>d</description>`)
	for range n {
		d.made++
		fmt.Fprintf(&b, "<item><title>Story %[1]d of quay %[1]d and pier %[1]d</title><link>https://%[2]s/world/%[1]d</link><guid>g%[1]d</guid><pubDate>%[3]s</pubDate><description>Boat %[1]d came in at berth %[1]d with cargo %[1]d for house %[1]d.</description></item>",
			d.made, host, d.day.Add(-2*time.Hour).Format(time.RFC1123Z))
	}
	b.WriteString(`</channel></rss>`)
	write(d.t, d.dir+"/world.xml", b.String())
	d.must(0, "stories", "import", "--section", "world", "--at", d.day.Add(-time.Hour).Format(time.RFC3339), d.dir+"/world.xml")
}

// gone is how many mails the relay has got since the first days.
func (d *daily) gone(before int) int { return len(d.relay.Messages()) - before }

// engine is what the pages of the day are drawn from.
func (d *daily) engine(after time.Duration) *engine {
	d.t.Helper()
	p := &program{getenv: surroundings(d.t, d.dir), stdout: new(output), stderr: new(output), configFile: d.dir + "/schedule.yaml", at: d.at(after)}
	e, err := p.engine(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = p.close() })
	return e
}

// TestTripwireHolds: a feed that re-dates 200 old posts sends nothing until somebody lets it go; a second
// send says so again; then everything goes, once.
func TestTripwireHolds(t *testing.T) {
	d := newDaily(t, 8)
	before := len(d.relay.Messages())
	d.brings(204, "tidewater.example")
	for n := range 2 {
		d.must(exitHeld, "send", "morning", "--at", d.at(time.Duration(n)*time.Minute))
		d.printed("204 new stories of")
		d.printed("usual are 4")
		d.printed("issues approve 9")
		if d.gone(before) != 0 {
			t.Fatalf("%d mails left", d.gone(before))
		}
	}
	d.must(exitHeld, "issues", "proof", "9", "--at", d.at(2*time.Minute))
	d.printed("The issue differs too much from those before it (204 new stories")
	d.must(0, "issues", "approve", "9", "--why", "the archive was moved", "--at", d.at(3*time.Minute))
	d.must(0, "send", "morning", "--at", d.at(4*time.Minute))
	if d.gone(before) != 30 {
		t.Errorf("%d mails left once it was let go", d.gone(before))
	}
	d.must(exitNothing, "send", "morning", "--at", d.at(5*time.Minute))
}

// TestTripwireExpires: what nobody lets go expires, its stories are in the next issue, which is compared
// with those that went and so held too; and readers' choices that are lost are seen.
func TestTripwireExpires(t *testing.T) {
	d := newDaily(t, 8)
	before := len(d.relay.Messages())
	d.brings(20, "parked.example")
	d.must(exitHeld, "send", "morning", "--at", d.at(0))
	d.printed("lead to parked.example")
	const key = "held 9 tripwire"
	if a := alarm(t, d.engine(0), key); a == nil || a.Level != red {
		t.Errorf("while it lives: %+v", a)
	}
	if a := alarm(t, d.engine(23*time.Hour), key); a != nil { // approve would refuse
		t.Errorf("after its life: %+v", a)
	}
	d.day = d.day.AddDate(0, 0, 1)
	d.brings(4, "tidewater.example")
	d.must(exitHeld, "send", "morning", "--at", d.at(0))
	d.printed("lead to parked.example")
	if d.gone(before) != 0 {
		t.Errorf("%d mails left", d.gone(before))
	}
	d.must(0, "issues", "show", "9")
	d.printed("books balance")
	d.printed("expired")
	d.must(0, "issues", "holds", "--at", d.at(0))
	if strings.Contains(d.out.String(), "9 ") {
		t.Errorf("an issue that is over is on hold: %s", &d.out)
	}
}

// TestProofPages: an operator looks at what will go, to the octet, and decides; who may only look sees no
// mail, for it carries its reader's keys.
func TestProofPages(t *testing.T) {
	d := newDaily(t, 8)
	d.brings(204, "tidewater.example")
	d.must(exitHeld, "send", "morning", "--at", d.at(0))
	e := d.engine(time.Minute)
	looks, acts := enter(t, e, operators.Look), enter(t, e, operators.Act)
	const query = "?issue=9&as=reader3%40reader.example"
	for _, path := range []string{"/preview" + query, "/preview/mail" + query, "/preview/source" + query} {
		if status, _ := looks.get(path); status != 403 {
			t.Errorf("%s for who may only look: %d", path, status)
		}
	}
	holds := func(v *visitor, path string, texts ...string) {
		t.Helper()
		status, page := v.get(path)
		for _, text := range texts {
			if status != 200 || !strings.Contains(page, text) {
				t.Errorf("%s: %d, no %q\n%s", path, status, text, page)
			}
		}
	}
	holds(looks, "/issues/9/proof", "The issue differs too much from those before it (204 new stories", "most stories")
	holds(looks, "/issues/9", "differs too much from those before it", "204 new stories")
	holds(acts, "/preview"+query, "Nothing was found", "List-Unsubscribe-Post", "Story ", `sandbox src="/preview/mail?`)
	holds(acts, "/preview?edition=morning&as=nobody%40reader.example", "there is no reader nobody@reader.example")
	holds(acts, "/preview?edition=morning&at=tomorrow&as=reader3%40reader.example", "is no time")
	holds(acts, "/preview/mail"+query+"&scheme=dark", "@media all{")
	holds(acts, "/preview/mail"+query+"&scheme=light", "@media not all{")
	holds(looks, "/forecast", "Coming slots", "The issue differs too much from those before it")
	_, source := acts.get("/preview/source" + query)
	resp, err := acts.client.Get(acts.base + "/preview/mail" + query)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:;") {
		t.Errorf("a mail is drawn under the policy %q", got)
	}

	if status, page := acts.post("/issues/9/approve", url.Values{}); status != 409 || !strings.Contains(page, "say why") {
		t.Errorf("approved without a reason: %d", status)
	}
	if status, page := acts.post("/issues/9/disapprove", url.Values{"why": {"wrong lead"}}); status != 303 || !strings.Contains(page, "disapproved by the-act: wrong lead") {
		t.Errorf("held back: %d %s", status, page)
	}
	if status, page := acts.post("/issues/9/approve", url.Values{"why": {"mended"}}); status != 303 || !strings.Contains(page, "the tripwire is let go") {
		t.Errorf("approved: %d %s", status, page)
	}
	d.must(0, "send", "morning", "--at", d.at(time.Minute))
	for _, m := range d.relay.Messages()[240:] {
		if m.To == "reader3@reader.example" && dateless(m.Data) != dateless(source) {
			t.Errorf("the mail that was sent is another than the one that was looked at:\n%s", m.Data)
		}
	}
	if l := digest.Lint([]byte(source)); len(l.Findings) > 0 {
		t.Errorf("findings: %v", l.Findings)
	}
}

// dateless is a mail without the field that is fixed when it first leaves.
func dateless(mail string) string {
	before, rest, _ := strings.Cut(mail, "\r\nDate: ")
	_, behind, _ := strings.Cut(rest, "\r\n")
	return before + "\r\n" + behind
}

// TestProofPagesInBrowser: a mail is drawn in frames, light and dark whatever the operator's own screen is
// set to, and axe finds nothing wrong with the pages around it.
func TestProofPagesInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	d := newDaily(t, 8)
	d.brings(204, "tidewater.example")
	d.must(exitHeld, "send", "morning", "--at", d.at(0))
	e := d.engine(time.Minute)
	s := newSurfer(t, roomOf(t, e))
	s.logsIn(e, operators.Act)
	s.opens("/forecast")
	s.shot("forecast")
	s.opens("/issues/9/proof")
	s.shot("proof")
	s.opens("/preview?issue=9&as=reader3%40reader.example")
	s.shot("preview")
	for scheme, want := range map[string]string{"light": "rgb(243, 240, 233)", "dark": "rgb(17, 17, 15)"} {
		s.does("open the mail", chromedp.Navigate(s.base+"/preview/mail?issue=9&as=reader3%40reader.example&scheme="+scheme))
		// Its scripts are shut off by its own policy, so that it is asked from outside.
		if got := s.reads(`getComputedStyle(document.body).backgroundColor`); got != want {
			t.Errorf("%s: the ground is %s", scheme, got)
		}
		s.shot("mail-" + scheme)
	}
}
