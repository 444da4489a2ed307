package commands

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"time"

	"broadsheet/operators"
)

// watchPause is between two pages that a watcher opens.
const watchPause = 500 * time.Millisecond

// watchers are operators in front of a run: each has the stream of live figures open and goes from page to page.
type watchers struct {
	room *roomServer
	stop context.CancelFunc
	busy sync.WaitGroup

	mu      sync.Mutex
	pages   int
	slowest time.Duration
	where   string
	oldest  float64 // seconds, of live figures
	errs    []error
}

// watch opens the operator's room of an engine and has n operators look at it.
func (p *program) watch(ctx context.Context, e *engine, n int, issue int64) (*watchers, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the operator's room: %w", err)
	}
	w := &watchers{room: &roomServer{listener: l}}
	if err := w.room.serve(e); err != nil {
		return nil, err
	}
	password := rand.Text()
	hash, err := operators.HashPassword(ctx, password)
	if err == nil {
		err = e.db.AddOperator(ctx, hereBy("bench"), "watcher", operators.Look, hash, e.now())
	}
	if err != nil {
		w.room.end()
		return nil, err
	}
	ctx, w.stop = context.WithCancel(ctx)
	base := "http://" + l.Addr().String()
	for range n {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return nil, err
		}
		c := &http.Client{Jar: jar}
		resp, err := c.PostForm(base+"/login", url.Values{"name": {"watcher"}, "password": {password}})
		if err != nil {
			w.end()
			return nil, fmt.Errorf("log in to the operator's room: %w", err)
		}
		resp.Body.Close()
		w.busy.Go(func() { w.listen(ctx, c, base) })
		w.busy.Go(func() { w.browse(ctx, c, base, issue) })
	}
	return w, nil
}

// end has them go, and says what went wrong.
func (w *watchers) end() error {
	w.stop()
	w.busy.Wait()
	w.room.end()
	return errors.Join(w.errs...)
}

func (w *watchers) wrong(ctx context.Context, err error) {
	if ctx.Err() == nil {
		w.mu.Lock()
		w.errs = append(w.errs, err)
		w.mu.Unlock()
	}
}

// listen reads the stream, as a browser does, and notes how old what is shown gets.
func (w *watchers) listen(ctx context.Context, c *http.Client, base string) {
	var shown time.Time // the figures on the screen are of then
	note := func() {
		if !shown.IsZero() {
			w.mu.Lock()
			w.oldest = max(w.oldest, time.Since(shown).Seconds())
			w.mu.Unlock()
		}
	}
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/live", nil)
		if err != nil {
			w.wrong(ctx, err)
			return
		}
		req.Header.Set("Accept", "text/event-stream")
		resp, err := c.Do(req)
		if err == nil && resp.StatusCode != http.StatusOK {
			resp.Body.Close()
			err = fmt.Errorf("it answers %s", resp.Status)
		}
		if err != nil {
			w.wrong(ctx, fmt.Errorf("watch live figures: %w", err))
			return
		}
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			note()
			var live struct {
				At time.Time `json:"at"`
			}
			if err := json.Unmarshal([]byte(data), &live); err != nil {
				w.wrong(ctx, fmt.Errorf("read live figures: %w", err))
			}
			shown = live.At
		}
		resp.Body.Close()
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond): // as the stream asks for
		}
	}
}

// browse goes round the pages of a run.
func (w *watchers) browse(ctx context.Context, c *http.Client, base string, issue int64) {
	id := fmt.Sprint(issue)
	round := []string{"/", "/issues", "/issues/" + id, "/issues/" + id + "/plots", "/issues/" + id + "/deliveries", "/issues/" + id + "/deliveries?state=failed",
		"/issues/" + id + "/deliveries?domain=nowhere.example"}
	for n := 0; ctx.Err() == nil; n++ {
		path := round[n%len(round)]
		began := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			w.wrong(ctx, err)
			return
		}
		resp, err := c.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if err == nil && (resp.StatusCode != http.StatusOK || resp.Request.URL.Path == "/login") {
			err = fmt.Errorf("%s answers %s at %s", path, resp.Status, resp.Request.URL.Path)
		}
		if err != nil {
			w.wrong(ctx, fmt.Errorf("open page: %w", err))
			return
		}
		took := time.Since(began)
		w.mu.Lock()
		w.pages++
		if took > w.slowest {
			w.slowest, w.where = took, path
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(watchPause):
		}
	}
}
