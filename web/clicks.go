package web

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"broadsheet/digest"
)

// ClickStore takes the counts of followed links. store.DB meets it.
type ClickStore interface {
	AddClicks(ctx context.Context, counts map[digest.Click]int64) error
}

// clicks are the links followed since they were last written: of issues, never of readers.
type clicks struct {
	mu     sync.Mutex
	counts map[digest.Click]int64
}

// clicksKept bounds what is held: a busy day has some thousand links.
const clicksKept = 100_000

// click counts a followed link, if the configuration wishes it. What a scanner or a browser fetches
// ahead by other means than GET does not count.
func (p *Pages) click(r *http.Request, c digest.Click) {
	if !p.Config.Pages.CountClicks || r.Method != http.MethodGet || strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") {
		return
	}
	p.clicks.mu.Lock()
	defer p.clicks.mu.Unlock()
	if p.clicks.counts == nil {
		p.clicks.counts = map[digest.Click]int64{}
	}
	if _, ok := p.clicks.counts[c]; ok || len(p.clicks.counts) < clicksKept {
		p.clicks.counts[c]++
	}
}

// WriteClicks writes what was counted since the last time. It is to be called now and then, and at
// the end. What cannot be written is kept for the next time.
func (p *Pages) WriteClicks(ctx context.Context) error {
	p.clicks.mu.Lock()
	counts := p.clicks.counts
	p.clicks.counts = nil
	p.clicks.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	err := p.Clicks.AddClicks(ctx, counts)
	if err == nil {
		return nil
	}
	p.clicks.mu.Lock()
	defer p.clicks.mu.Unlock()
	if p.clicks.counts == nil {
		p.clicks.counts = map[digest.Click]int64{}
	}
	for c, n := range counts {
		p.clicks.counts[c] += n
	}
	return err
}
