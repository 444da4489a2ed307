package digest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browser starts a Chromium that reaches no network.
func browser(t *testing.T) context.Context {
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
		t.Skip("no Chromium in PATH: install chromium to have the mails looked at in a browser")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"), chromedp.WSURLReadTimeout(60*time.Second))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// TestInBrowser: at every usual width, light and dark, nothing reaches beyond the screen, every
// text stands out from what is behind it, and nothing but pictures is asked for. Set
// BROADSHEET_SHOTS to a folder to have pictures taken.
func TestInBrowser(t *testing.T) {
	ctx := browser(t)
	var mu sync.Mutex
	var asked []string
	pictures := 0
	err := chromedp.Listen(ctx, func(ev any) {
		e, ok := ev.(*network.EventRequestWillBeSent)
		if !ok || strings.HasPrefix(e.Request.URL, "file:") {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if e.Type == network.ResourceTypeImage {
			pictures++
		} else {
			asked = append(asked, string(e.Type)+" "+e.Request.URL)
		}
	})
	if err != nil {
		t.Fatalf("start browser: %v", err)
	}
	for _, name := range []string{"morning", "arabic", "hostile", "notice-confirm-en", "notice-confirm-ar", "notice-left-en", "notice-erase-ar"} {
		file, err := filepath.Abs(filepath.Join("testdata", name+".html"))
		if err != nil {
			t.Fatal(err)
		}
		page := (&url.URL{Scheme: "file", Path: file}).String()
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{320, 375, 600, 800} {
				over, pale, shot, err := look(ctx, page, scheme, width)
				if err != nil {
					t.Fatal(err)
				}
				if len(over) > 0 {
					t.Errorf("%s, %s, %d px: reaches beyond the screen: %q", name, scheme, width, over)
				}
				if len(pale) > 0 {
					t.Errorf("%s, %s, %d px: contrast below 4.5: %q", name, scheme, width, pale)
				}
				if dir := os.Getenv("BROADSHEET_SHOTS"); dir != "" {
					out := filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, scheme, width))
					if err := os.WriteFile(out, shot, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) > 0 {
		t.Errorf("asked for %q", asked)
	}
	if pictures == 0 {
		t.Error("no picture was asked for: requests are not seen")
	}
}

// look opens a page at a width and tells what is wrong with it.
func look(ctx context.Context, page, scheme string, width int64) (over, pale []string, shot []byte, err error) {
	if _, err = chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: 900, DeviceScaleFactor: 1}); err != nil {
		return
	}
	if _, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
		return
	}
	if err = chromedp.Do(ctx, chromedp.Navigate(page)); err != nil {
		return
	}
	if over, err = chromedp.Run(ctx, chromedp.Evaluate[[]string](overflow)); err != nil {
		return
	}
	if pale, err = chromedp.Run(ctx, chromedp.Evaluate[[]string](contrast)); err != nil {
		return
	}
	if os.Getenv("BROADSHEET_SHOTS") != "" {
		shot, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
	}
	return
}

// overflow lists elements that end beyond the screen.
const overflow = `(() => {
	const w = document.documentElement.clientWidth, out = [];
	if (document.documentElement.scrollWidth > w) out.push('page ' + document.documentElement.scrollWidth);
	for (const e of document.querySelectorAll('body *')) {
		const r = e.getBoundingClientRect();
		if (r.width > 0 && (r.right > w + 0.5 || r.left < -0.5)) out.push(e.tagName + ' ' + (e.textContent || '').trim().slice(0, 30));
	}
	return out.slice(0, 5);
})()`

// contrast lists texts whose colour is too near to that of the ground behind them (WCAG 2.2, 1.4.3).
const contrast = `(() => {
	const rgb = s => (s.match(/[\d.]+/g) || []).map(Number);
	const lum = c => [0, 1, 2].map(i => c[i] / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((a, v, i) => a + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
	const out = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement, r = e.getBoundingClientRect();
		if (!walk.currentNode.textContent.trim() || r.width <= 1 || getComputedStyle(e).opacity === '0' || getComputedStyle(e).lineHeight === '0px') continue;
		const a = lum(rgb(getComputedStyle(e).color)), b = lum(ground(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) out.push(ratio.toFixed(2) + ' ' + walk.currentNode.textContent.trim().slice(0, 30));
	}
	return out.slice(0, 5);
})()`
