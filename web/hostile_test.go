package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/debugger"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"broadsheet/subscribers"
)

// watcher is a Chromium that tells which scripts ran and what was asked for.
type watcher struct {
	ctx context.Context

	mu      sync.Mutex
	scripts []string // addresses of those that were read, "inline" where there is none
	alerts  []string
	asked   []string // but for pictures
}

// watch starts a Chromium that reaches this machine only.
func watch(t *testing.T) *watcher {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium in PATH: install chromium to have the pages looked at in a browser")
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), chromedp.WSURLReadTimeout(60*time.Second))...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	w := &watcher{ctx: ctx}
	err := chromedp.Listen(ctx, func(ev any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := ev.(type) {
		case *debugger.EventScriptParsed:
			if e.URL == "" {
				e.URL = "inline"
			}
			w.scripts = append(w.scripts, e.URL)
		case *page.EventJavascriptDialogOpening:
			w.alerts = append(w.alerts, e.Message)
		case *network.EventRequestWillBeSent:
			if e.Type != network.ResourceTypeImage {
				w.asked = append(w.asked, e.Request.URL)
			}
		}
	})
	if err != nil {
		t.Fatalf("start browser: %v", err)
	}
	if _, err := chromedp.Call(ctx, debugger.Enable, debugger.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// visit opens a page and returns the scripts that ran there and the addresses asked for beside it.
func (w *watcher) visit(t *testing.T, address string) (scripts, alerts, asked []string) {
	t.Helper()
	w.mu.Lock()
	w.scripts, w.alerts, w.asked = nil, nil, nil
	w.mu.Unlock()
	if err := chromedp.Do(w.ctx, chromedp.Navigate(address)); err != nil {
		t.Fatalf("open %s: %v", address, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.scripts, w.alerts, w.asked
}

// hostileStrings want to break out of wherever they are put.
func hostileStrings(t *testing.T) []string {
	t.Helper()
	list := []string{"<script>alert(1)</script>", `"><script>alert(2)</script>`, `'><img src=x onerror=alert(3)>`, "</style><script>alert(4)</script>",
		"</title><svg onload=alert(5)>", "javascript:alert(6)", "{{.}} {{template \"main\"}} ${x}", "]]><script xmlns='http://www.w3.org/1999/xhtml'>alert(7)</script>",
		"</textarea></noscript></pre><iframe srcdoc='<script>alert(8)</script>'>", "\u202e\u2066 turned \u0000 around", "<base href=//evil.example/>", "<meta http-equiv=refresh content='0;url=//evil.example'>"}
	data := os.Getenv("BROADSHEET_DATA")
	if data == "" {
		return list
	}
	b, err := os.ReadFile(filepath.Join(data, "strings", "blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var more []string
	if err := json.Unmarshal(b, &more); err != nil {
		t.Fatal(err)
	}
	list = append(list, more...)
	f, err := os.Open(filepath.Join(data, "xss", "payloadbox.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		list = append(list, lines.Text())
	}
	b, err = os.ReadFile(filepath.Join(data, "xss", "dompurify_expect.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var one struct {
			Payload string `json:"payload"`
		}
		if err := json.Unmarshal([]byte(line), &one); err == nil && one.Payload != "" {
			list = append(list, one.Payload)
		}
	}
	return list
}

// TestNothingRuns puts strings that run as scripts elsewhere into names, headlines, leads, addresses and pictures: no
// script but our own runs on any page that looks back or is for everybody, and nothing leaves for elsewhere.
func TestNothingRuns(t *testing.T) {
	b := watch(t)
	// The watcher sees what it is for.
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<script>window.x = 1</script><img src=x onerror='window.y = 2'>")
	}))
	defer bad.Close()
	if scripts, _, _ := b.visit(t, bad.URL); len(scripts) == 0 {
		t.Fatal("a script that runs is not seen")
	}

	w := newWorld(t, "http://127.0.0.1")
	nasty := hostileStrings(t)
	cfg := w.pages.Config
	cfg.Publication.Name, cfg.Publication.Tagline, cfg.Publication.PostalAddress = nasty[0], nasty[1], nasty[2]
	cfg.Editions[0].Title, cfg.Sections[0].Name, cfg.Sections[1].Name = nasty[3], nasty[4], nasty[1]
	reader := w.reader("ada@quill.example")
	s := reader.Settings
	s.Name, s.Zone = "<script>alert(9)</script>", "Europe/London"
	_, err := w.db.ChangeSettings(t.Context(), reader.ID, s, "reader", w.now())
	w.must(err)
	text := w.reader("bob@quill.example")
	s = text.Settings
	s.Format = subscribers.Text
	_, err = w.db.ChangeSettings(t.Context(), text.ID, s, "reader", w.now())
	w.must(err)
	w.pass(time.Hour)
	w.hostile(nasty)

	mails := w.send("morning")
	links := w.links(mails[reader.ID])
	w.post(w.link(subscribers.FeedAddress, subscribers.Action{Subscriber: reader.ID}), "action", "new")
	paths := []string{links[subscribers.ViewInBrowser][0], w.links(mails[text.ID])[subscribers.ViewInBrowser][0], links[subscribers.Why][0], links[subscribers.Why][0] + "?lang=ar",
		w.link(subscribers.PastDigests, subscribers.Action{Subscriber: reader.ID}), w.link(subscribers.FeedAddress, subscribers.Action{Subscriber: reader.ID}),
		"/", "/e/morning", "/e/morning?lang=ar", "/e/morning/archive", "/e/morning/2026-04-02", "/e/harbour"}
	paths = append(paths, links[subscribers.SectionMore]...)
	for day := range 12 { // other dozens of them
		w.pass(23 * time.Hour)
		w.hostile(nasty[min(len(nasty), (day+1)*12):min(len(nasty), (day+2)*12)])
		if mail := w.send("morning")[reader.ID]; mail != nil {
			paths = append(paths, w.links(mail)[subscribers.ViewInBrowser][0])
		}
	}
	for _, path := range paths {
		scripts, alerts, asked := b.visit(t, w.server.URL+path)
		for _, s := range scripts {
			if !strings.HasPrefix(s, w.server.URL+"/assets/page.js?") {
				t.Errorf("%s: script %s ran", path, s)
			}
		}
		for _, a := range asked {
			if !strings.HasPrefix(a, w.server.URL+"/") {
				t.Errorf("%s: asked for %s", path, a)
			}
		}
		if len(alerts) > 0 {
			t.Errorf("%s: said %q", path, alerts)
		}
	}
}
