package web_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"

	"broadsheet/subscribers"
)

// browser starts a Chromium that reaches nothing but this machine.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no Chromium in PATH: install chromium to have the pages looked at in a browser")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), chromedp.WSURLReadTimeout(60*time.Second))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// shown is a page to be looked at: press is what is clicked on it first, "" = nothing.
type shown struct{ name, path, press string }

// TestLook: on a phone and on a desk, light and dark, in both directions of writing, nothing
// reaches beyond the screen, what can be pressed is large enough, texts stand out, there is at
// most one primary button, and the policy is not broken. Set BROADSHEET_SHOTS to a folder to have
// pictures taken.
func TestLook(t *testing.T) {
	ctx := browser(t)
	w := newWorld(t, "http://127.0.0.1")
	var mu sync.Mutex
	var logged []string
	if err := chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*cdplog.EventEntryAdded); ok && !strings.Contains(e.Entry.Text, "status of 4") {
			mu.Lock()
			defer mu.Unlock()
			logged = append(logged, e.Entry.Text+" "+e.Entry.URL)
		}
	}); err != nil {
		t.Fatalf("start browser: %v", err)
	}
	widths, schemes := []int64{320, 390, 1280}, []string{"light", "dark"}
	for l, lang := range []string{"en", "ar"} {
		for n, width := range widths {
			for k, scheme := range schemes {
				if (n == 1 || (l+n/2+k)%2 == 1) && os.Getenv("BROADSHEET_SHOTS") == "" {
					continue // half of the corners have each pair of language, width and scheme
				}
				for _, page := range w.pagesToSee(fmt.Sprintf("%s%d%s@quill.example", lang, width, scheme)) {
					name := fmt.Sprintf("%s-%s-%d-%s", page.name, lang, width, scheme)
					faults, shot, err := look(ctx, w.server.URL+page.path+"?lang="+lang, page.press, scheme, width)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if len(faults) > 0 {
						t.Errorf("%s: %q", name, faults)
					}
					if dir := os.Getenv("BROADSHEET_SHOTS"); dir != "" {
						w.must(os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o644))
					}
				}
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(logged) > 0 {
		t.Errorf("the browser complains: %q", logged)
	}
}

// pagesToSee are pages of a new reader, in an order in which they can be gone through.
func (w *world) pagesToSee(address string) []shown {
	w.Helper()
	r := w.reader(address)
	a := subscribers.Action{Edition: w.edition("morning"), Subscriber: r.ID, Section: "sport"}
	old := subscribers.Action{Kind: subscribers.Preferences, Subscriber: r.ID, Slot: 1}
	expired, err := w.keys.Token(w.keys.SigningID(), old)
	w.must(err)
	preferences, leave := w.link(subscribers.Preferences, a), w.link(subscribers.LeaveEdition, a)
	return append(w.accountPages("new."+address, r), []shown{
		{"preferences", preferences, ""},
		{"preferences-moved", preferences, "[name=down]"},
		{"preferences-saved", preferences, ".bar button"},
		{"leave", leave, ""},
		{"leave-all", w.link(subscribers.LeaveAll, a), ""},
		{"one-click", w.link(subscribers.OneClick, a), ""},
		{"mute", w.link(subscribers.SectionMute, a), ""},
		{"muted", w.link(subscribers.SectionMute, a), ".primary"},
		{"pause", w.link(subscribers.Pause, a), ""},
		{"paused", w.link(subscribers.Pause, a), ".primary"},
		{"preferences-paused", preferences, ""},
		{"left", leave, ".primary"},
		{"undo", w.link(subscribers.Undo, a), ""},
		{"bad", "/l/nonsense", ""},
		{"expired", "/l/" + expired, ""},
	}...)
}

// accountPages are those of somebody who signs up, and of a reader who moves to another address.
func (w *world) accountPages(address string, r *subscribers.Subscriber) []shown {
	w.Helper()
	form := subscribers.SignUp{At: w.now(), Client: address, Address: address, Choices: subscribers.NewSettings("")}
	form.Choices.Editions = []string{"morning", "harbour"}
	form.Choices.Sections = []subscribers.Follow{{Section: "world", Level: subscribers.Normal}, {Section: "sport", Level: subscribers.Normal}}
	w.must(w.db.AddSignUp(w.Context(), form))
	form.Subscriber, form.Address = r.ID, "moved."+address
	w.must(w.db.AddSignUp(w.Context(), form))
	w.take()
	visitor, err := w.db.Subscriber(w.Context(), address)
	w.must(err)
	confirm, move := w.confirmLink(visitor.ID), w.confirmLink(r.ID)
	change := w.link(subscribers.ChangeAddress, subscribers.Action{Subscriber: r.ID})
	return []shown{
		{"signup", "/signup", ""},
		{"signup-moved", "/signup", "[name=down]"},
		{"signup-again", "/signup", ".primary"}, // too fast for a person
		{"signup-embed", "/signup/embed", ""},
		{"signup-confirm", confirm, ""},
		{"signup-welcome", confirm, ".primary"},
		{"signup-before", confirm, ""},
		{"address", change, ""},
		{"address-sent", change, ".primary"},
		{"address-confirm", move, ""},
		{"address-moved", move, ".primary"},
		{"own-data", w.link(subscribers.OwnData, subscribers.Action{Subscriber: r.ID}), ""},
		{"erase", w.link(subscribers.Erase, subscribers.Action{Subscriber: r.ID}), ""},
		{"mailed", w.link(subscribers.Preferences, subscribers.Action{Subscriber: r.ID}), "[value=mail-erase]"},
	}
}

// look opens a page and tells what is wrong with it.
func look(ctx context.Context, page, press, scheme string, width int64) (faults []string, shot []byte, err error) {
	if _, err = chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: 900, DeviceScaleFactor: 1}); err != nil {
		return
	}
	if _, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
		return
	}
	if err = chromedp.Do(ctx, chromedp.Navigate(page)); err != nil {
		return
	}
	if press != "" {
		// As if no script ran that takes the click.
		submit := chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelectorAll('[type=email]').forEach(e => e.value = 'b@quill.example'),
			(b => b.form.requestSubmit(b))(document.querySelector(%q))`, press))
		if _, err = chromedp.RunResponse(ctx, submit); err != nil {
			return
		}
	}
	if faults, err = chromedp.Run(ctx, chromedp.Evaluate[[]string](seen)); err != nil {
		return
	}
	if os.Getenv("BROADSHEET_SHOTS") != "" {
		shot, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
	}
	return
}

// seen lists what reaches beyond the screen, is too small for a finger (44 px; links in running
// text may be), or too pale to read (WCAG 2.2, 1.4.3), and any second primary button.
const seen = `(() => {
	const width = document.documentElement.clientWidth, out = [];
	const what = e => e.tagName.toLowerCase() + (e.name ? '[' + e.name + ']' : '') + ' ' + (e.textContent || e.value || '').trim().slice(0, 30);
	if (document.documentElement.scrollWidth > width) out.push('page is ' + document.documentElement.scrollWidth + ' px wide');
	for (const e of document.querySelectorAll('body *')) {
		const r = e.getBoundingClientRect();
		if (r.width > 1 && (r.right > width + 0.5 || r.left < -0.5) && !e.closest('pre')) out.push('beyond the screen: ' + what(e));
	}
	for (const e of document.querySelectorAll('button, .button, select, input:not([type=hidden], [tabindex="-1"]), .links a, footer a')) {
		const r = (e.closest('label:not([for])') || e).getBoundingClientRect();
		if (r.width > 1 && (r.height < 43.9 || r.width < 43.9)) out.push('small: ' + what(e) + ' ' + r.width + 'x' + r.height);
	}
	if (document.querySelectorAll('.primary').length > 1) out.push('more than one primary button');
	const rgb = s => (s.match(/[\d.]+/g) || []).map(Number);
	const lum = c => [0, 1, 2].map(i => c[i] / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((a, v, i) => a + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement, r = e.getBoundingClientRect();
		if (!walk.currentNode.textContent.trim() || r.width <= 1 || e.disabled || e.closest('option, optgroup')) continue;
		const a = lum(rgb(getComputedStyle(e).color)), b = lum(ground(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) out.push('pale: ' + ratio.toFixed(2) + ' ' + what(e));
	}
	return out.slice(0, 8);
})()`
