package schedule

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const least = `publication:
  name: The Harbour Post
  from: "news@harbour.example"
  postal_address: |
    1 Quay Street
    Port Ellery
  public_url: https://news.harbour.example/post/
sections:
  - {id: world, name: World news}
  - {id: games, moved_to: sports}
  - {id: sports, moved_to: sport}
  - {id: sport, weight: 2}
  - {id: chess, retired: true}
editions:
  - {name: morning, cron: "0 7 * * *"}
  - {name: weekly, cron: "0 9 * * SUN", zone: Europe/London}
  - {name: often, cron: "0 * * * *", min_gap: 0}
  - name: full
    cron: 30 7 * * MON-FRI
    hours: [8, 6]
    max_age: 1d12h
    quiet: 22:00-06:00
    skip: [2026-12-25]
relays:
  - {host: 127.0.0.1, port: 2525, tls: none}
`

func readConfig(t testing.TB, text string) *Config {
	t.Helper()
	c, err := Parse("schedule.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := readConfig(t, least)
	want := Publication{Name: "The Harbour Post", FromName: "The Harbour Post", From: "news@harbour.example",
		ReplyTo: "news@harbour.example", NoticesFrom: "confirm@harbour.example", PostalAddress: "1 Quay Street\nPort Ellery",
		PublicURL: "https://news.harbour.example/post", Language: "en"}
	if diff := cmp.Diff(want, c.Publication); diff != "" {
		t.Errorf("publication (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Pages{OneClick: "edition", SignUpsPerHour: 1000}, c.Pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	relay := Relay{Name: "main", Host: "127.0.0.1", Port: 2525, TLS: "none", Auth: "none", Connections: 4, Rate: 10,
		Weight: 1, InDoubt: 1, Dialogue: "auto", Profile: "plain"}
	if diff := cmp.Diff([]Relay{relay}, c.Relays); diff != "" {
		t.Errorf("relays (-want +got):\n%s", diff)
	}
	type times struct{ CatchUp, DeliverWithin, Spread, MinGap, First, MaxAge time.Duration }
	for name, want := range map[string]times{
		"morning": {6 * time.Hour, 6 * time.Hour, 20 * time.Minute, 3 * time.Hour, 24 * time.Hour, 0},
		"weekly":  {42 * time.Hour, 36 * time.Hour, 20 * time.Minute, 3 * time.Hour, 24 * time.Hour, 0},
		"often":   {15 * time.Minute, 15 * time.Minute, 225 * time.Second, 0, 24 * time.Hour, 0},
		"full":    {6 * time.Hour, 6 * time.Hour, 20 * time.Minute, 3 * time.Hour, 24 * time.Hour, 36 * time.Hour},
	} {
		e := c.Edition(name)
		if got := (times{e.CatchUp, e.DeliverWithin, e.Spread, e.MinGap, e.First, e.MaxAge}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	e := c.Edition("full")
	if e.Title != "Full" || e.Zone != ReaderZone || !slices.Equal(e.Hours, []int{6, 8}) || !slices.Equal(e.Languages, []string{"en"}) ||
		e.Sections != nil || e.Stories != 12 || e.Approve != "none" || !slices.Equal(e.Quiet, []Quiet{{1320, 360}}) {
		t.Errorf("full: got %+v", e)
	}
	if c.Edition("evening") != nil {
		t.Error("an edition that is not there was found")
	}
}

// TestSigns reads texts whose signs mean something elsewhere in YAML.
func TestSigns(t *testing.T) {
	for _, name := range []string{"Fish & Chips", "What's *new*?", "a - b", "Ready!", "A:B", "The 100% Post", "صحيفة المرفأ", "Tom's | Dick's > Harry's", "x @ y", "no", "<<"} {
		c := readConfig(t, strings.Replace(least, "The Harbour Post", name, 1))
		if c.Publication.Name != name {
			t.Errorf("got %q, want %q", c.Publication.Name, name)
		}
	}
}

func TestSections(t *testing.T) {
	c := readConfig(t, least)
	for id, want := range map[string]string{"games": "sport", "sports": "sport", "sport": "sport", "world": "world", "gone": "gone"} {
		if got := c.MovedTo(id); got != want {
			t.Errorf("moved to of %s: got %s, want %s", id, got, want)
		}
	}
	if err := c.CheckFollowed([]string{"world", "games", "chess"}); err != nil {
		t.Errorf("followed sections that are there, moved or retired: %v", err)
	}
	err := c.CheckFollowed([]string{"opera", "world", "ballet", "opera"})
	want := `schedule.yaml:8:1: readers follow "ballet", "opera", which this file no longer has; keep each with moved_to: ID or retired: true, e.g. {id: ballet, retired: true}
    8 | sections:
      | ^`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestRelays reads what relays and limits may say beside the defaults.
func TestRelays(t *testing.T) {
	text := strings.Replace(least, "  - {host: 127.0.0.1, port: 2525, tls: none}", `  - {name: old, host: old.harbour.example, weight: 3}
  - {name: new, host: new.harbour.example, warm_up: {from: 2026-12-01}}
  - {name: bank, host: bank.harbour.example, domains: [Bank.Example, xn--bnk-qla.example], warm_up: {from: 2026-12-24, first: 50, growth: 2}}
  - {name: spare, host: spare.harbour.example, standby: true, rate: 2}
limits:
  - {name: Gmail, rate: 2.5}
  - {domains: [port.example, quay.example], connections: 3}`, 1)
	c := readConfig(t, text)
	first := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	if w := c.Relays[1].WarmUp; w != (WarmUp{first, 200, 1.5}) {
		t.Errorf("warm-up: got %+v", w)
	}
	if y := c.Relays[2]; y.WarmUp != (WarmUp{first.AddDate(0, 0, 23), 50, 2}) || !slices.Equal(y.Domains, []string{"bank.example", "xn--bnk-qla.example"}) {
		t.Errorf("relay for a few domains: got %+v", y)
	}
	if y := c.Relays[3]; !y.Standby || c.Relays[0].Standby || !y.Covers(c.Relays[2]) || c.Relays[2].Covers(y) {
		t.Errorf("standby: got %+v", y)
	}
	want := []Limit{{Name: "gmail", Rate: 2.5}, {"port.example", []string{"port.example", "quay.example"}, 3, 0}}
	if diff := cmp.Diff(want, c.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if err := c.CheckLimits([]string{"gmail", "yahoo"}); err != nil {
		t.Error(err)
	}
	err := c.CheckLimits([]string{"yahoo", "outlook"})
	wrong := `schedule.yaml:30:12: limit "gmail": there is no group of that name; name its domains, or one of yahoo, outlook
   30 |   - {name: Gmail, rate: 2.5}
      |            ^`
	if err == nil || err.Error() != wrong {
		t.Errorf("got\n%v\nwant\n%s", err, wrong)
	}
}

// TestPages reads what the pages' keys may say.
func TestPages(t *testing.T) {
	text := strings.Replace(least, "  postal_address: |", "  notices_from: Hello@HARBOUR.example\n  postal_address: |", 1) + `
pages:
  one_click: all
  count_clicks: true
  proxies: [127.0.0.1, "::1", 10.0.0.0/8, "::ffff:192.0.2.1", "2001:db8::/32"]
  sign_ups_per_hour: 1
`
	c := readConfig(t, text)
	if c.Publication.NoticesFrom != "Hello@HARBOUR.example" {
		t.Errorf("notices from: got %q", c.Publication.NoticesFrom)
	}
	var proxies []string
	for _, p := range c.Pages.Proxies {
		proxies = append(proxies, p.String())
	}
	if want := []string{"127.0.0.1/32", "::1/128", "10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"}; !slices.Equal(proxies, want) {
		t.Errorf("proxies: got %v, want %v", proxies, want)
	}
	if c.Pages.OneClick != "all" || !c.Pages.CountClicks || c.Pages.SignUpsPerHour != 1 {
		t.Errorf("got %+v", c.Pages)
	}
}

func TestCap(t *testing.T) {
	w := WarmUp{From: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), First: 200, Growth: 1.5}
	for at, want := range map[string]int{
		"2026-11-30T23:59:59Z": 0, "2026-12-01T00:00:00Z": 200, "2026-12-01T23:59:59Z": 200, "2026-12-02T00:00:00Z": 300,
		"2026-12-02T03:00:00+04:00": 200, // the day is UTC's
		"2026-12-03T12:00:00Z":      450, "2026-12-04T12:00:00Z": 675, "2226-12-04T12:00:00Z": 1e12,
	} {
		day, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Cap(day); got != want {
			t.Errorf("%s: got %d, want %d", at, got, want)
		}
	}
	if got := (WarmUp{}).Cap(time.Now()); got < 1e12 {
		t.Errorf("no warm-up: got %d", got)
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // past the umask
			t.Fatal(err)
		}
		return path
	}
	good, open, empty := file("good", "s3cret\n", 0o600), file("open", "s3cret\n", 0o640), file("empty", "\n", 0o400)
	config := file("schedule.yaml", strings.Replace(least, "{host: 127.0.0.1, port: 2525, tls: none}", "{name: eu-1, host: smtp.harbour.example}", 1), 0o644)
	const v = "BROADSHEET_SMTP_EU_1_"
	for _, c := range []struct {
		name     string
		env      map[string]string
		password string
		wrong    []string
	}{
		{"password", map[string]string{v + "USER": "u", v + "PASSWORD": "p"}, "p", nil},
		{"file", map[string]string{v + "USER": "u", v + "PASSWORD_FILE": good}, "s3cret", nil},
		{"none", nil, "", []string{v + "USER is not set", v + "PASSWORD (or " + v + "PASSWORD_FILE) is not set"}},
		{"both", map[string]string{v + "USER": "u", v + "PASSWORD": "p", v + "PASSWORD_FILE": good}, "", []string{"both set"}},
		{"open file", map[string]string{v + "USER": "u", v + "PASSWORD_FILE": open}, "", []string{"chmod 600"}},
		{"empty file", map[string]string{v + "USER": "u", v + "PASSWORD_FILE": empty}, "", []string{"is empty"}},
		{"no file", map[string]string{v + "USER": "u", v + "PASSWORD_FILE": dir + "/x"}, "", []string{"there is no file"}},
		{"folder", map[string]string{v + "USER": "u", v + "PASSWORD_FILE": dir}, "", []string{"no regular file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			getenv := func(key string) string { return c.env[key] }
			config, err := Load(config, getenv)
			if err != nil {
				t.Fatal(err)
			}
			err = config.Secrets(getenv)
			problems, _ := errors.AsType[Error](err)
			if len(problems) != len(c.wrong) || (err == nil) != (c.wrong == nil) {
				t.Fatalf("got %v, want %q", err, c.wrong)
			}
			for i, p := range problems {
				if !strings.Contains(p.Message, c.wrong[i]) || p.Line != 25 || strings.Contains(p.String(), "s3cret") {
					t.Errorf("got %s, want %q in line 25", p, c.wrong[i])
				}
			}
			if got := config.Relays[0].Password; got != c.password {
				t.Errorf("password: got %q, want %q", got, c.password)
			}
		})
	}
}

func TestLoadFile(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(filepath.Join(dir, "none.yaml"), nil)
	if _, ok := errors.AsType[Error](err); !ok || !strings.Contains(err.Error(), "there is no such file") {
		t.Errorf("no file: got %v", err)
	}
	if _, err := Load(dir, nil); err == nil {
		t.Error("a folder was read")
	}
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, []byte(least+strings.Repeat("# filler\n", mostBytes/9)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(large, nil); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("large file: got %v", err)
	}
}

// TestShipped reads the file that operators start from.
func TestShipped(t *testing.T) {
	c, err := Load("../schedule.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	var dues []string
	for _, name := range []string{"abu-dhabi", "london", "new-york"} {
		s, _ := c.Edition(name).Next(nil, -1, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC))
		dues = append(dues, s.Due.Format("15:04"))
	}
	if want := []string{"03:00", "06:00", "11:00"}; !slices.Equal(dues, want) {
		t.Errorf("due at %v, want %v", dues, want)
	}
	local := c.Replace("http://localhost:8080/", []Feed{{URL: "http://localhost:8081/a.rss"}}, []Relay{{Host: "127.0.0.1", Port: 2525, TLS: "none"}})
	if local.Publication.PublicURL != "http://localhost:8080" || local.Feeds[0].Every != 15*time.Minute ||
		local.Relays[0].Auth != "none" || local.Relays[0].Rate != 10 || len(c.Feeds) == 1 || c.Relays[0].Auth != "auto" {
		t.Errorf("replaced: got %+v", local)
	}
	loc := load(t, "Asia/Tokyo")
	if s, ok := local.Edition("briefing").Next(loc, 23, time.Now()); !ok || s.Hour != 8 {
		t.Errorf("the replaced edition lost its rule: %+v", s)
	}
	if err := local.Secrets(func(string) string { return "" }); err != nil {
		t.Errorf("a relay without auth wants secrets: %v", err)
	}
}

func TestSpans(t *testing.T) {
	for s, want := range map[string]time.Duration{"20m": 20 * time.Minute, "6h": 6 * time.Hour, "3d": 72 * time.Hour, "1d12h30m5s": 36*time.Hour + 30*time.Minute + 5*time.Second, "0s": 0} {
		if got, err := parseSpan(s); err != nil || got != want {
			t.Errorf("%q: got %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "6", "h", "-6h", "+6h", "6 h", "1.5h", "6H", "6w", "99999999999h", "6hh", "6h5"} {
		if got, err := parseSpan(s); err == nil {
			t.Errorf("%q: got %s, want an error", s, got)
		}
	}
}

// FuzzParse reads any text: never a panic, and what is wrong has a place.
func FuzzParse(f *testing.F) {
	f.Add([]byte(least))
	files, _ := filepath.Glob("testdata/broken/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("schedule.yaml", text)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v and error %v", c, err)
		}
		if err != nil {
			if problems, ok := errors.AsType[Error](err); !ok || len(problems) == 0 || err.Error() == "" {
				t.Fatalf("no problems in %v", err)
			}
			return
		}
		for i := range c.Editions {
			exercise(t, &c.Editions[i])
		}
	})
}

// FuzzCron reads any expression; what is accepted fires.
func FuzzCron(f *testing.F) {
	for _, s := range []string{"0 7 * * *", "0 7 29 2 *", "*/5 8-18 * * MON-FRI", "@daily", "TZ=", "CRON_TZ=0", "@every 1h", "0 7 * * 5-1", "0 7 30 2 *", "0 7 1,15 * 7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		if e, err := NewEdition(Edition{Name: "x", Cron: expr}); err == nil {
			exercise(t, &e)
		}
	})
}

// exercise asks an edition everything once.
func exercise(t *testing.T, e *Edition) {
	loc := load(t, "Pacific/Apia")
	now := time.Date(2011, 12, 30, 3, 0, 0, 0, time.UTC)
	s, ok := e.Next(loc, 25, now)
	if !ok || !s.Due.After(now) {
		t.Fatalf("cron %q: next %+v %v", e.Cron, s, ok)
	}
	if l, ok := e.Latest(loc, -5, now); !ok || l.Due.After(now) {
		t.Fatalf("cron %q: latest %+v %v", e.Cron, l, ok)
	}
	e.Due(loc, 7, now, "2011-12-01")
	e.Coming(loc, 7, now, 3)
	if !e.Ends(s, now).After(s.Due) {
		t.Fatalf("cron %q: %+v ends at %s", e.Cron, s, e.Ends(s, now))
	}
	e.ReachBack(loc, 7, []int{1, 9}, s)
	e.QuietUntil(now, loc)
}

// TestHostileShapes reads large files of shapes over which a parser's time could grow with
// the square of their size.
func TestHostileShapes(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, mostBytes/8/len(s)) }
	for _, text := range []string{
		"a: [" + fill("x,") + "]", fill("- a\n"), fill("a: b\n"), fill("a:\n"), fill("- - - -\n"), fill("-\n -\n"), fill("? a\n"),
		fill("---\n"), fill("[]\n"), fill("{a: b} "), fill("a: {b: c}\n"), fill("'a' "), fill(": "), fill("- "), fill("["), fill("{a: "),
		fill("%\n"), "a: |\n" + fill(" b\n"), "a: \"" + fill("b\n") + "\"", fill("&a "), fill("!!a "), "sections:\n" + fill("- {id: a, name: b}\n"),
	} {
		start := time.Now()
		if _, err := Parse("schedule.yaml", []byte(text)); err == nil {
			t.Errorf("%.20q… was accepted", text)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.20q… took %s", text, took)
		}
	}
}
