package commands

import (
	"broadsheet/store/storetest"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// startDemo runs the program's demo until the test ends, and returns its address once the day has
// been played.
func startDemo(t *testing.T) (base string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := filepath.Abs("../schedule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self, "demo", "--config", shipped, "--verbose")}
	if storetest.OnPostgres() {
		p.cmd.Args = append(p.cmd.Args, "--db", storetest.At(t, t.TempDir()+"/demo.db"))
	}
	p.cmd.Env = []string{asProgram + "=1", "TMPDIR=" + t.TempDir(), "TZ=UTC"}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errors
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(os.Interrupt)
		if err := p.cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("demo ended with %v and said:\n%s", err, &p.errors)
		}
	})
	address := regexp.MustCompile(`The inbox is at (http://[^/]+)/inbox`)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if m := address.FindStringSubmatch(p.out.String()); m != nil {
			return m[1]
		}
	}
	t.Fatalf("the demo does not come to its inbox:\n%s%s", &p.out, &p.errors)
	return ""
}

// surfer is somebody in front of a Chromium that reaches this machine alone.
type surfer struct {
	*testing.T
	ctx  context.Context
	base string
	at   string // what is being done, for messages
	axe  string // the script; "" = pages are not looked at
	seen int    // pages that were looked at

	silent bool // pages run no scripts
	room   bool // they are the operator's
}

func newSurfer(t *testing.T, base string) *surfer {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium in PATH: install chromium to have the pages used in a browser")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	s := &surfer{T: t, ctx: ctx, base: base}
	if file := os.Getenv("BROADSHEET_AXE"); file != "" {
		s.axe = read(t, file)
	}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start browser: %v", err)
	}
	return s
}

// does runs steps that must lead to another page, and returns its status.
func (s *surfer) does(what string, steps ...chromedp.Action[chromedp.Void]) (status int64) {
	s.Helper()
	s.at = what
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	resp, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		s.Fatalf("%s: %v; the page says:\n%s", what, err, s.text())
	}
	if resp == nil {
		return 0
	}
	return resp.Status
}

// opens goes to an address of the demo, or a whole one; the page must be there.
func (s *surfer) opens(address string) {
	s.Helper()
	if strings.HasPrefix(address, "/") {
		address = s.base + address
	}
	if status := s.does("open "+address, chromedp.Navigate(address)); status != http.StatusOK {
		s.Fatalf("%s gives %d:\n%s", address, status, s.text())
	}
	s.looks()
}

// presses the button or link that a selector names.
func (s *surfer) presses(selector string) (status int64) {
	s.Helper()
	status = s.does("press "+selector, chromedp.Click(chromedp.CSS(selector)))
	s.looks()
	return status
}

func (s *surfer) types(selector, text string) {
	s.Helper()
	s.step("type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (s *surfer) chooses(selector, value string) {
	s.Helper()
	s.step("choose in "+selector, chromedp.SetValue(chromedp.CSS(selector), value))
}

func (s *surfer) ticks(selector string) {
	s.Helper()
	s.step("tick "+selector, chromedp.Click(chromedp.CSS(selector)))
}

func (s *surfer) step(what string, steps ...chromedp.Action[chromedp.Void]) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		s.Fatalf("%s: %v; the page says:\n%s", what, err, s.text())
	}
}

// reads evaluates an expression to a text.
func (s *surfer) reads(expression string) string {
	s.Helper()
	text, err := chromedp.Run(s.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		s.Fatalf("after %s: %s: %v", s.at, expression, err)
	}
	return text
}

func (s *surfer) text() string {
	text, err := chromedp.Run(s.ctx, chromedp.Evaluate[string](`document.title + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// scripts lets pages run their scripts, or not.
func (s *surfer) scripts(run bool) {
	s.Helper()
	s.silent = !run
	s.letScripts(run)
}

func (s *surfer) letScripts(run bool) {
	s.Helper()
	if _, err := chromedp.Call(s.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !run}); err != nil {
		s.Fatal(err)
	}
}

// prefers sets the languages that the browser asks for.
func (s *surfer) prefers(language string) {
	s.Helper()
	if _, err := chromedp.Call(s.ctx, network.Enable, network.EnableParams{}); err != nil {
		s.Fatal(err)
	}
	if _, err := chromedp.Call(s.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}}); err != nil {
		s.Fatal(err)
	}
}

// widths are those of a small phone, a tablet upright, and two screens.
var widths = []int64{320, 390, 768, 1280}

// roomWidths are those in which the operator's room is looked at.
var roomWidths = []int64{375, 1440}

// looks has axe look at the page that is open, in every width, light and dark; and whether anything
// reaches beyond the screen.
func (s *surfer) looks() {
	s.Helper()
	if s.axe == "" {
		return
	}
	s.seen++
	s.letScripts(true) // axe's; the page's had their time, or had none
	defer s.letScripts(!s.silent)
	if _, err := chromedp.Run(s.ctx, chromedp.Evaluate[string](s.axe+still)); err != nil {
		s.Fatalf("%s: load axe: %v", s.at, err)
	}
	widths, long := widths, os.Getenv("BROADSHEET_LONG") != ""
	if s.room {
		widths = roomWidths
	}
	for k, scheme := range []string{"light", "dark"} {
		if _, err := chromedp.Call(s.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
			s.Fatal(err)
		}
		for n, width := range widths {
			if n != (len(widths)-1)*(1-k) && !long {
				continue // light at the desk, dark on the smallest phone: every corner takes minutes
			}
			if _, err := chromedp.Call(s.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
				Width: width, Height: 6000, DeviceScaleFactor: 1}); err != nil { // high, so that a bar at the foot covers nothing
				s.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(s.ctx, patience)
			found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](violations, chromedp.EvalAwaitPromise))
			cancel()
			if err != nil {
				s.Fatalf("%s: run axe: %v", s.at, err)
			}
			for _, f := range found {
				s.Errorf("after %s, %s, %d px: %s", s.at, scheme, width, f)
			}
			if len(found) > 0 {
				s.shot(fmt.Sprintf("found-%d-%s-%d", s.seen, scheme, width))
			}
		}
	}
}

// still ends movements: axe is not to see the colours between two schemes.
const still = `; document.adoptedStyleSheets = [new CSSStyleSheet()];
document.adoptedStyleSheets[0].replaceSync("* { transition: none !important; animation: none !important }"); "still"`

const violations = `(async () => {
	const over = document.documentElement.scrollWidth - innerWidth;
	const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5 || e.getBoundingClientRect().left < -0.5);
	const r = await axe.run({iframes: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations']});
	const list = r.violations.map(v => v.id + ': ' + v.nodes[0].html.slice(0, 200));
	if (over > 0) list.push(over + ' px too wide: ' + wide.map(e => e.outerHTML.slice(0, 80)).join(' | ').slice(0, 400));
	return list;
})()`

// shot writes a picture of the page to the folder that BROADSHEET_SHOTS names.
func (s *surfer) shot(name string) {
	dir := os.Getenv("BROADSHEET_SHOTS")
	if dir == "" {
		return
	}
	b, err := chromedp.Run(s.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.png", name)), b, 0o600); err != nil {
		s.Fatal(err)
	}
}
