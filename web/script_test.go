package web_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"broadsheet/subscribers"
)

// TestScript: where scripts run, sections move by button and by hand without a request, and Save
// sends the order that is seen.
func TestScript(t *testing.T) {
	ctx := browser(t)
	w := newWorld(t, "http://127.0.0.1")
	r := w.reader("ada@quill.example")
	if err := chromedp.Do(ctx, chromedp.Navigate(w.server.URL+w.link(subscribers.Preferences, subscribers.Action{Subscriber: r.ID})),
		chromedp.Click(`[name=down][value=world]`), chromedp.Click(`[name=up][value=culture]`)); err != nil {
		t.Fatal(err)
	}
	// The last row is drawn over the first.
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](`(() => {
		const rows = document.querySelectorAll('.sections li'), grip = rows[3].querySelector('[data-grip]');
		grip.setPointerCapture = () => {};
		const at = rows[0].getBoundingClientRect().top, say = (type, y) => grip.dispatchEvent(new PointerEvent(type, {pointerId: 1, button: 0, clientY: y, bubbles: true, cancelable: true}));
		say('pointerdown', 0); say('pointermove', at - 10); say('lostpointercapture', at);
	})()`)); err != nil {
		t.Fatal(err)
	}
	if changes, _ := w.settings(r.ID); changes != 1 {
		t.Error("moving saved something")
	}
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(".changed .bar button")); err != nil {
		t.Fatal(err)
	}
	body, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector('.saved').textContent`))
	if err != nil || !strings.Contains(body, "Saved") {
		t.Errorf("after Save the page says %q, %v", body, err)
	}
	if _, now := w.settings(r.ID); subscribers.FormatFollows(now.Sections) != "~sport;politics;world" {
		t.Errorf("sections are %s", subscribers.FormatFollows(now.Sections))
	}
}
