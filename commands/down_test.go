package commands

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// console is the program in this process, where waits that are minutes long can be shortened.
type console struct {
	t           *testing.T
	dir         string
	out, errors bytes.Buffer
}

func (c *console) run(args ...string) int {
	c.t.Helper()
	c.out.Reset()
	c.errors.Reset()
	p := &program{getenv: surroundings(c.t, c.dir), stdin: strings.NewReader(""), stdout: &c.out, stderr: &c.errors, patience: 100 * time.Millisecond}
	code := p.run(c.t.Context(), append([]string{"--config", c.dir + "/schedule.yaml"}, args...))
	c.t.Logf("broadsheet %s: %d\n%s%s", strings.Join(args, " "), code, &c.out, &c.errors)
	return code
}

func (c *console) must(code int, args ...string) {
	c.t.Helper()
	if got := c.run(args...); got != code {
		c.t.Fatalf("exit code %d, not %d", got, code)
	}
}

func (c *console) printed(text string) {
	c.t.Helper()
	if !strings.Contains(c.out.String()+c.errors.String(), text) {
		c.t.Fatalf("%q was not printed", text)
	}
}

// TestRelayDown lets a relay hang up on everybody: everything stays queued, the exit code is 1,
// and what gets too old meanwhile expires though nothing can be sent.
func TestRelayDown(t *testing.T) {
	c := &console{t: t, dir: t.TempDir()}
	relay := relaytest.Start(t, "CONNECT* 421 4.3.2 closed for the night")
	values := map[string]string{"$SMTP": itoa(int64(relay.Port)), "$LISTEN": "1", "$FEEDS": "1"}
	for _, name := range []string{"schedule.yaml", "world.xml", "readers.csv"} {
		text := read(t, "testdata/fixture/"+name)
		for old, value := range values {
			text = strings.ReplaceAll(text, old, value)
		}
		write(t, c.dir+"/"+name, text)
	}
	c.must(0, "subscribers", "import", c.dir+"/readers.csv")
	c.must(0, "stories", "import", "--section", "world", "--at", "2026-01-13T06:00:00Z", c.dir+"/world.xml")
	c.must(1, "send", "morning", "--at", "2026-01-13T07:00:30Z", "--json")
	c.printed("relay is down for 100ms: connect: 421 4.3.2 closed for the night")
	c.printed(`"audience":5,`)
	c.printed(`"queued":3,`)
	// Past the end of their life they are ended, though the relay is still down.
	c.must(0, "send", "morning", "--at", "2026-01-13T14:00:30Z", "--json")
	c.printed(`"queued":0,`)
	c.printed(`"expired":3,`)
	c.must(0, "issues", "show", "1")
	c.printed("end of life")
	c.printed("books balance")
	if n := len(relay.Messages()); n > 0 {
		t.Errorf("%d mails got through", n)
	}
	// Their stories come with the next issue.
	relay.Script("CONNECT* 220 open again")
	c.must(0, "send", "morning", "--at", "2026-01-14T07:00:30Z", "--json")
	c.printed(`"accepted":3,`)
}
