package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer/provider"
	"broadsheet/schedule"
	"broadsheet/subscribers"
)

// Pages is everything that readers see and press in a browser. All fields but Kick are required.
// It is made ready by [Pages.Handler] and serves any number of requests at once.
type Pages struct {
	Config *schedule.Config
	Keys   *subscribers.Keys
	Now    func() time.Time
	Log    *slog.Logger

	Readers Readers
	Stories StoryFinder
	Archive Archive
	Slots   Slots
	Feeds   Feeds
	Clicks  ClickStore
	Opener  func(e *schedule.Edition) *digest.Opener // to choose once more, for pages; it need have no relays
	Random  io.Reader                                // for the numbers of feeds, which must not be guessed
	SignUps SignUps
	Account Account

	Providers map[string]*provider.Endpoint // by relay: where providers report; nil = none does
	Reports   Reports                       // needed with Providers

	Ready func(ctx context.Context) error // what keeps the program from its work, in a few words; nil = nobody asks

	Kick func() // notices are waiting to be written; nil = nobody is to be told

	texts   *texts
	guard   *guesses
	posts   *guesses // of providers that are none
	csrf    *http.CrossOriginProtection
	byKind  map[subscribers.Kind]kindPage
	clicks  clicks
	issues  keeper[issueKey, *publicIssue]
	empty   sync.Map                         // of issueKey: slots that hold nothing for good
	hinds   keeper[int64, *digest.Hindsight] // by issue
	making  turn                             // of public issues
	looking turn                             // back, of readers
}

// route is one pattern of the router.
type route struct {
	pattern string // as [http.ServeMux] has it
	serve   http.HandlerFunc
}

// routes lists all that there are, for the router and for the test that walks them.
func (p *Pages) routes() []route {
	return slices.Concat(p.frontRoutes(), p.signUpRoutes(), []route{
		{"GET /l/{token...}", p.link},
		{"POST /l/{token...}", p.link},
		{"POST /events/{relay}", p.report},
		{"GET /assets/{name}", p.asset},
		{"GET /healthz", healthy},
		{"GET /readyz", p.ready},
		{"GET /", p.notFound}, // whatever no other pattern takes
	})
}

// Handler makes the pages ready and returns their router. The error says what is wrong with the
// words or templates, which are part of the program.
func (p *Pages) Handler() (http.Handler, error) {
	var err error
	if p.texts, err = loadTexts(); err != nil {
		return nil, err
	}
	p.guard, p.posts = newGuesses(p.Now), newGuesses(p.Now)
	p.csrf = http.NewCrossOriginProtection()
	p.making, p.looking = make(turn, 1), make(turn, 1)
	p.byKind = p.kinds()
	mux := http.NewServeMux()
	for _, r := range p.routes() {
		mux.HandleFunc(r.pattern, r.serve)
	}
	return p.guarded(mux), nil
}

// base is the path under which readers reach the pages: that of public_url, "" if it has none.
func (p *Pages) base() string {
	_, rest, _ := strings.Cut(p.Config.Publication.PublicURL, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return ""
}

func (p *Pages) notFound(w http.ResponseWriter, r *http.Request) {
	p.message(w, r, http.StatusNotFound, "", "not_found")
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// ready tells a load balancer whether to send readers here.
func (p *Pages) ready(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	line := "ready"
	if p.Ready != nil {
		if err := p.Ready(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			line = "not ready: the operator's room says why" // what is wrong with disks and databases is not for the world
		}
	}
	_, _ = w.Write([]byte(line + "\n")) // who has gone needs no answer
}

func (p *Pages) kick() {
	if p.Kick != nil {
		p.Kick()
	}
}
