package stories

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Feed is a web feed to be fetched.
type Feed struct {
	URL     string
	Section string        // id of the section for items that name none we know; "" = none
	Every   time.Duration // 0 = 15 minutes
}

// FeedResult is what became of one feed.
type FeedResult struct {
	URL      string
	Status   string // fetched, unchanged, not due, busy or failed
	Items    int    // in the document
	Added    Added
	Warnings []string
	Due      time.Time // next try
	Failures int       // in a row
	Err      error     // why it failed
}

// Values of FeedResult.Status.
const (
	Fetched   = "fetched"
	Unchanged = "unchanged"
	NotDue    = "not due"
	Busy      = "busy" // another process is fetching it
	Failed    = "failed"
)

const (
	maxWire        = 10 << 20
	defaultEvery   = 15 * time.Minute
	defaultTimeout = 20 * time.Second
	maxBackoff     = 12 * time.Hour
	maxRetry       = 24 * time.Hour // what a server may ask for with Retry-After
)

// Fetcher brings in the stories of feeds. Shelf is needed; every other field may be left zero. Fields
// must not change while it works; its methods may be called at the same time, in several processes too: the shelf
// gives a feed to one of them.
type Fetcher struct {
	Shelf    Shelf
	Sections map[string]string // id → name, to find in an item's categories
	Allow    []string          // host:port as in the URL, default ports written out: fetched although not public
	Workers  int               // feeds at once; 0 = 8
	Timeout  time.Duration     // for one feed, redirects and body included; 0 = 20 s
	Resolver *net.Resolver     // nil = the system's
	Now      func() time.Time  // nil = time.Now; network deadlines use real time
	Log      *slog.Logger      // nil = no log
	Progress func()            // after each URL, from several goroutines at a time; nil = none
}

// FetchAll fetches every feed that is due, or all with force, and returns their results in the order
// given. What goes wrong with one feed is in its result and touches no other; the error is that of a
// cancelled context alone. A URL that is listed twice is fetched once, for both sections.
func (f *Fetcher) FetchAll(ctx context.Context, feeds []Feed, force bool) ([]FeedResult, error) {
	client := f.client()
	defer client.CloseIdleConnections()
	workers := f.Workers
	if workers <= 0 {
		workers = 8
	}
	groups, order := map[string][]int{}, []string{}
	for i, feed := range feeds {
		if groups[feed.URL] == nil {
			order = append(order, feed.URL)
		}
		groups[feed.URL] = append(groups[feed.URL], i)
	}
	results := make([]FeedResult, len(feeds))
	slots := make(chan struct{}, workers)
	var wg sync.WaitGroup
	for _, u := range order {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			same := groups[u]
			job := job{url: u, every: feeds[same[0]].Every}
			for _, i := range same {
				if s := feeds[i].Section; s != "" {
					job.fallback = append(job.fallback, s)
				}
			}
			r := f.fetch(ctx, client, job, force)
			for n, i := range same {
				if n > 0 {
					r.Added = Added{} // counted once
				}
				results[i] = r
			}
			if f.Progress != nil {
				f.Progress()
			}
		})
	}
	wg.Wait()
	return results, ctx.Err()
}

type job struct {
	url      string
	fallback []string
	every    time.Duration
}

func (f *Fetcher) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Fetcher) log() *slog.Logger {
	if f.Log != nil {
		return f.Log
	}
	return slog.New(slog.DiscardHandler)
}

// fetch does one feed from memory to memory.
func (f *Fetcher) fetch(ctx context.Context, client *http.Client, j job, force bool) FeedResult {
	if j.every <= 0 {
		j.every = defaultEvery
	}
	result := FeedResult{URL: j.url, Status: Failed}
	if ctx.Err() != nil {
		result.Err = ctx.Err()
		return result
	}
	now := f.now()
	state, taken, err := f.Shelf.TakeFeed(ctx, j.url, force, now)
	if err != nil {
		result.Err = fmt.Errorf("look up feed: %w", err)
		return result
	}
	if !taken {
		result.Status, result.Due, result.Failures = Busy, state.Due, state.Failures
		if !force && now.Before(state.Due) {
			result.Status = NotDue
		}
		return result
	}
	before := state.Error
	state.URL, state.Fetched = j.url, now
	var wait time.Duration
	wait, err = f.round(ctx, client, j, &state, &result, now)
	if ctx.Err() != nil {
		// Stopping is no failure of the feed's.
		result.Status, result.Err = Failed, errors.Join(ctx.Err(), f.Shelf.LeaveFeed(context.WithoutCancel(ctx), state))
		return result
	}
	if err == nil {
		state.OK, state.Failures, state.Error = now, 0, ""
		state.Due = now.Add(j.every)
	} else {
		result.Status, result.Err = Failed, err
		state.Failures++
		state.Error = clip(line(err.Error()), 500)
		state.Due = now.Add(max(wait, backoff(j.every, state.Failures)))
	}
	result.Due, result.Failures = state.Due, state.Failures
	state.Last = FeedRound{Unchanged: result.Status == Unchanged, New: result.Added.New}
	err = f.Shelf.SaveFeed(context.WithoutCancel(ctx), state)
	if errors.Is(err, ErrTaken) { // this process was held up for so long that another fetched it
		result.Status, result.Err = Busy, nil
		return result
	}
	if err != nil {
		result.Status, result.Err = Failed, errors.Join(result.Err, fmt.Errorf("save feed: %w", err))
	}
	switch {
	case state.Error != "" && state.Error != before:
		f.log().Warn("feed failed", slog.String("feed", redact(j.url)), slog.Int("failures", state.Failures), slog.String("error", state.Error))
	case state.Error == "" && before != "":
		f.log().Info("feed works again", slog.String("feed", redact(j.url)))
	}
	return result
}

// backoff waits longer with each failure in a row, up to half a day or the feed's own interval.
func backoff(every time.Duration, failures int) time.Duration {
	d := every
	for i := 1; i < failures && d < maxBackoff; i++ {
		d *= 2
	}
	return max(every, min(d, maxBackoff))
}

// round asks the server once and takes in what it says. The duration is how long the server wants to be
// left alone.
func (f *Fetcher) round(ctx context.Context, client *http.Client, j job, state *FeedState, result *FeedResult, now time.Time) (time.Duration, error) {
	timeout := f.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	netCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := f.get(netCtx, client, j.url, state)
	if err != nil {
		return 0, f.why(netCtx, timeout, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && (state.ETag != "" || state.LastModified != ""):
		result.Status, result.Items = Unchanged, state.Items
		return 0, nil
	case resp.StatusCode == http.StatusGone:
		return maxBackoff, errors.New("the server says the feed is gone for good (410): remove it")
	case resp.StatusCode != http.StatusOK:
		return retryAfter(resp, now), fmt.Errorf("the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	body, err := readBody(resp)
	if err != nil {
		return 0, f.why(netCtx, timeout, err)
	}
	list, meta, err := Parse(body, resp.Header.Get("Content-Type"), resp.Request.URL.String())
	if err != nil {
		return 0, err
	}
	for i := range list {
		list[i].Source = j.url
		list[i].place(f.Sections, j.fallback)
	}
	added, err := f.Shelf.AddStories(ctx, distinct(list), now)
	if err != nil {
		return 0, fmt.Errorf("put stories on record: %w", err)
	}
	// Only now: a document that could not be read must be asked for again.
	state.ETag = headerValue(resp, "ETag")
	state.LastModified = headerValue(resp, "Last-Modified")
	state.Items = len(list)
	result.Status, result.Items, result.Added, result.Warnings = Fetched, len(list), added, meta.Warnings
	return 0, nil
}

func headerValue(resp *http.Response, name string) string {
	v := resp.Header.Get(name)
	if len(v) > 1024 {
		return ""
	}
	return v
}

func (f *Fetcher) get(ctx context.Context, client *http.Client, raw string, state *FeedState) (*http.Response, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: it is no address", ErrRefused)
	}
	if err := f.check(u); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: it is no address", ErrRefused)
	}
	req.Header.Set("User-Agent", "Broadsheet")
	req.Header.Set("Accept", "application/atom+xml, application/rss+xml, application/rdf+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, */*;q=0.1")
	req.Header.Set("Accept-Encoding", "gzip")
	if state.ETag != "" {
		req.Header.Set("If-None-Match", state.ETag)
	}
	if state.LastModified != "" {
		req.Header.Set("If-Modified-Since", state.LastModified)
	}
	return client.Do(req)
}

// why puts an error of the network into words without the address, which stands beside it anyway.
func (f *Fetcher) why(ctx context.Context, timeout time.Duration, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no complete answer within %v", timeout)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// retryAfter reads how long a server wants to be left alone (RFC 9110, section 10.2.3).
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	v := resp.Header.Get("Retry-After")
	var d time.Duration
	if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil {
		d = time.Duration(min(max(n, 0), 1<<20)) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		from := now
		if sent, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			from = sent // the server's clock is the one it reckons by
		}
		d = t.Sub(from)
	}
	return min(max(d, 0), maxRetry)
}

// readBody reads at most 10 MB and unpacks to at most 32 MB.
func readBody(resp *http.Response) ([]byte, error) {
	enc := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding")))
	if enc != "" && enc != "identity" && enc != "gzip" && enc != "x-gzip" {
		return nil, fmt.Errorf("the server sends content encoding %q, which was not asked for", clip(line(enc), 40))
	}
	if resp.ContentLength > maxWire {
		return nil, fmt.Errorf("the document is larger than %d MB", maxWire>>20)
	}
	body, err := readAtMost(resp.Body, resp.ContentLength, maxWire)
	if err != nil || !isGzip(body) {
		return body, err // some servers say gzip and send none
	}
	return unpack(body)
}

// redact hides a password in an address.
func redact(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Redacted()
	}
	return raw
}

// place finds an item's sections in its own categories, by id or name without regard to case; an item
// that names none we know goes where its feed goes. Of a page, only its section line counts.
func (s *Story) place(sections map[string]string, fallback []string) {
	named := []string{s.SectionRaw}
	if s.Scope != pageScope {
		named = append(named, s.Tags...)
	}
	for _, n := range named {
		for _, part := range append([]string{n}, strings.FieldsFunc(n, func(r rune) bool { return r == '/' || r == '>' })...) {
			id := sectionID(sections, part)
			if id != "" && !slices.Contains(s.Sections, id) {
				s.Sections = append(s.Sections, id)
			}
		}
	}
	if len(s.Sections) > 0 {
		return
	}
	for _, id := range fallback {
		if !slices.Contains(s.Sections, id) {
			s.Sections = append(s.Sections, id)
		}
	}
}

// sectionID finds a section by its id or its name; an id wins over a name.
func sectionID(sections map[string]string, s string) string {
	s = fold(s)
	found := ""
	for id, name := range sections {
		if s != "" && fold(id) == s {
			return id
		}
		if s != "" && fold(name) == s && (found == "" || id < found) {
			found = id
		}
	}
	return found
}
