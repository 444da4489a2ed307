package web_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
	"broadsheet/web"
)

// world is the pages on a real database, reached over a real socket, with a clock that stands
// still until it is moved.
type world struct {
	*testing.T
	db     *store.DB
	file   string
	keys   *subscribers.Keys
	pages  *web.Pages
	server *httptest.Server
	log    bytes.Buffer
	kicks  int
	told   int // stories

	mu sync.Mutex
	at time.Time
}

// config is a publication in two languages with a daily edition for each reader's zone, one for a
// place, and a section that has moved.
const config = `
publication:
  name: Ink & <b>Tide</b>
  tagline: Twice a day
  from: "Ink <news@tidewater.example>"
  reply_to: desk@tidewater.example
  postal_address: 3 Quay Street
  public_url: %s
sections:
  - {id: world, name: World}
  - {id: politics, name: Politics}
  - {id: sport, name: Sport}
  - {id: culture, name: Culture}
  - {id: arts, name: Arts, moved_to: culture}
  - {id: chess, name: Chess, retired: true}
editions:
  - {name: morning, title: The Morning, cron: "0 7 * * *", zone: reader, hours: [6, 7, 8], languages: [en, ar]}
  - {name: harbour, title: The Harbour, cron: "0 18 * * *", zone: Europe/London}
relays:
  - {name: main, host: localhost, port: 2525, tls: none}
`

// newWorld starts the pages; public is the configuration's public_url.
func newWorld(t *testing.T, public string) *world {
	t.Helper()
	w := &world{T: t, at: time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC), file: filepath.Join(t.TempDir(), "broadsheet.db")}
	cfg, err := schedule.Parse("schedule.yaml", fmt.Appendf(nil, config, public))
	w.must(err)
	entry, err := subscribers.NewKey("one", rand.Reader)
	w.must(err)
	w.keys, err = subscribers.ParseKeys(entry)
	w.must(err)
	w.db, err = store.Open(t.Context(), storetest.Fresh(t, w.file), store.Options{AddressHash: w.keys.AddressHash, Now: w.now})
	w.must(err)
	t.Cleanup(func() { w.db.Close() })
	w.pages = &web.Pages{Config: cfg, Keys: w.keys, Now: w.now, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Readers: w.db, Stories: w.db, SignUps: w.db, Account: w.db, Kick: func() { w.kicks++ }}
	w.lookBack()
	handler, err := w.pages.Handler()
	w.must(err)
	w.server = httptest.NewServer(handler)
	t.Cleanup(w.server.Close)
	w.server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.at }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.at = w.at.Add(d) }

// reader is an active reader of both editions.
func (w *world) reader(address string) *subscribers.Subscriber {
	w.Helper()
	s := subscribers.NewSettings(address)
	s.Status, s.Name, s.Editions = subscribers.Active, "Ada Quill", []string{"morning", "harbour"}
	s.Sections = []subscribers.Follow{{Section: "world", Level: subscribers.Normal}, {Section: "politics", Level: subscribers.Normal}, {Section: "sport", Level: subscribers.Less}}
	r, err := w.db.AddSubscriber(w.Context(), s, "command", w.now())
	w.must(err)
	return r
}

// link is the path of a link made now.
func (w *world) link(kind subscribers.Kind, a subscribers.Action) string {
	w.Helper()
	a.Kind, a.Slot = kind, w.now().Unix()/60
	s, err := w.keys.Token(w.keys.SigningID(), a)
	w.must(err)
	return "/l/" + s
}

// ask makes a request as a browser would that comes from our own page. form nil = no body.
func (w *world) ask(method, path string, form url.Values, headers ...string) (*http.Response, string) {
	w.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(w.Context(), method, w.server.URL+path, body)
	w.must(err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := w.server.Client().Do(req)
	w.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	w.must(err)
	return resp, string(b)
}

func (w *world) get(path string) (*http.Response, string) { w.Helper(); return w.ask("GET", path, nil) }

func (w *world) post(path string, pairs ...string) (*http.Response, string) {
	w.Helper()
	form := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		form.Add(pair[0], pair[1])
	}
	return w.ask("POST", path, form)
}

// dump is everything that the database holds, a line for each row.
func (w *world) dump() []string {
	w.Helper()
	return storetest.Dump(w.T, w.file)
}

// changed lists the lines that two dumps do not share.
func changed(before, after []string) (lines []string) {
	for _, l := range after {
		if !slices.Contains(before, l) {
			lines = append(lines, "+ "+l)
		}
	}
	for _, l := range before {
		if !slices.Contains(after, l) {
			lines = append(lines, "- "+l)
		}
	}
	return lines
}

// edition is the number of an edition in tokens.
func (w *world) edition(name string) int64 {
	w.Helper()
	var id int64
	w.must(storetest.Raw(w.T, w.file).QueryRowContext(w.Context(), `SELECT id FROM editions WHERE name = ?1`, name).Scan(&id))
	return id
}
