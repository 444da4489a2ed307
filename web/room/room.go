package room

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"broadsheet/operators"
)

//go:embed pages/*.html assets
var files embed.FS

// Room is everything that operators see and press in a browser, and its API. It is made ready by
// [Room.Handler] and serves any number of requests at once.
type Room struct {
	Publication string
	Now         func() time.Time
	Log         *slog.Logger
	Loopback    bool                       // only this machine reaches it: nobody needs a one-time code
	Public      *url.URL                   // where it is reached from elsewhere, scheme and host; nil = by the address it listens at
	Client      func(*http.Request) string // who asks, for delays after failures; nil = the address that connects

	Doors   Doors
	Today   Today
	Issues  Issues
	Runs    Runs
	Proofs  Proofs
	Stories Stories
	Readers Readers
	Feeds   Feeds
	Doctor  Doctor
	Keeping Keeping
	WayBack WayBack
	Audit   Audit
	Watch   Watch
	Push    Push
	Workers Workers

	pages map[string]*template.Template
	csrf  *http.CrossOriginProtection
	mux   *http.ServeMux
}

// Errors that pages explain. Whoever meets the interfaces wraps them.
var (
	ErrNotFound = errors.New("there is no such thing")
	ErrRefused  = errors.New("that cannot be done") // with the reason, for people
)

// route is one pattern of the router, who may use it, and what answers. An error that it returns has
// written nothing yet.
type route struct {
	pattern string         // as [http.ServeMux] has it
	role    operators.Role // the least; "" = anybody, for logging in and what pages are drawn with
	serve   func(w http.ResponseWriter, r *http.Request, v *visit) error
}

// visit is a request by an operator.
type visit struct {
	*operators.Operator // nil at routes for anybody
	path                string
	said                string // what the last act came to
	session             string // the secret; "" = there is none
	uncoded             bool   // may only look, until they log in with a one-time code
	hasCode             bool   // and have one
}

// by is who acts; the reason is the form's.
func (v *visit) by(r *http.Request) operators.By {
	return operators.By{Who: v.Name, Why: strings.TrimSpace(r.PostFormValue("why"))}
}

// routes lists all that there are, for the router and for the test that walks them.
func (rm *Room) routes() []route {
	return slices.Concat(rm.doorRoutes(), rm.todayRoutes(), rm.issueRoutes(), rm.runRoutes(), rm.proofRoutes(), rm.storyRoutes(), rm.readerRoutes(),
		rm.feedRoutes(), rm.doctorRoutes(), rm.keepingRoutes(), rm.wayBackRoutes(), rm.auditRoutes(), rm.watchRoutes(), rm.workerRoutes(), rm.apiRoutes(),
		[]route{{"GET /assets/{name}", "", rm.asset}})
}

// Route is a way into the room, for tests that walk all of them.
type Route struct {
	Pattern string
	Role    operators.Role // the least; "" = anybody
}

// Routes lists all that there are.
func (rm *Room) Routes() (list []Route) {
	for _, r := range rm.routes() {
		list = append(list, Route{r.pattern, r.role})
	}
	return list
}

// menu is what stands on top of every page.
var menu = []struct {
	Path, Name string
	Role       operators.Role
}{
	{"/", "Today", operators.Look}, {"/forecast", "Coming", operators.Look}, {"/issues", "Issues", operators.Look}, {"/stories", "Stories", operators.Look},
	{"/subscribers", "Subscribers", operators.Look}, {"/feeds", "Feeds", operators.Look}, {"/returned", "Came back", operators.Look},
	{"/doctor", "Doctor", operators.Look}, {"/workers", "Workers", operators.Look}, {"/keeping", "Keeping", operators.Look}, {"/audit", "Audit", operators.Look}, {"/operators", "Operators", operators.Manage}, {"/tokens", "Tokens", operators.Manage},
}

// Handler makes the pages ready and returns their router.
func (rm *Room) Handler() (http.Handler, error) {
	rm.csrf = http.NewCrossOriginProtection()
	rm.pages = map[string]*template.Template{}
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name == "pages/layout.html" || strings.HasPrefix(name, "pages/_") { // parts are in every page
			continue
		}
		t, err := template.New("layout.html").Funcs(vocabulary).ParseFS(files, "pages/layout.html", "pages/_*.html", name)
		if err != nil {
			return nil, err
		}
		rm.pages[strings.TrimSuffix(strings.TrimPrefix(name, "pages/"), ".html")] = t
	}
	mux := http.NewServeMux()
	rm.mux = mux
	for _, r := range rm.routes() {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { rm.answer(w, req, r) })
	}
	return rm.guarded(mux), nil
}

// answer lets in who may, and says what went wrong.
func (rm *Room) answer(w http.ResponseWriter, req *http.Request, r route) {
	v, ok := rm.enter(w, req, r.role)
	if !ok {
		return
	}
	if err := r.serve(w, req, v); err != nil {
		rm.fail(w, req, v, err)
	}
}

// show writes a page.
func (rm *Room) show(w http.ResponseWriter, v *visit, page string, data any) error {
	return rm.showAs(w, v, http.StatusOK, page, data)
}

func (rm *Room) showAs(w http.ResponseWriter, v *visit, status int, page string, data any) error {
	var b bytes.Buffer
	here := "/" + strings.SplitN(strings.TrimPrefix(v.path, "/"), "/", 2)[0]
	if err := rm.pages[page].Execute(&b, map[string]any{"Publication": rm.Publication, "Now": rm.Now(), "Menu": menu, "Here": here,
		"Operator": v.Operator, "MayAct": v.Operator != nil && v.Role.Holds(operators.Act), "Said": v.said, "Uncoded": v.uncoded, "HasCode": v.hasCode, "Data": data}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	if err != nil {
		rm.Log.Debug("write page", slog.Any("error", err))
	}
	return nil
}

// fail answers an error.
func (rm *Room) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	if isAPI(r) {
		rm.problem(w, r, err)
		return
	}
	own, isOwn := errors.AsType[statusError](err)
	status, title, text := http.StatusInternalServerError, "Something went wrong", "This cannot be shown or done at the moment; the log says why."
	switch {
	case isOwn:
		status, title, text = own.status, "Not done", own.text
	case errors.Is(err, errForbidden):
		status, title, text = http.StatusForbidden, "Not for you", err.Error()
	case errors.Is(err, ErrNotFound):
		status, title, text = http.StatusNotFound, "Not found", err.Error()
	case errors.Is(err, ErrRefused):
		status, title, text = http.StatusConflict, "Not done", err.Error()
	case r.Context().Err() != nil:
		return
	default:
		rm.Log.Error("operator's room", slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	if err := rm.showAs(w, v, status, "message", map[string]string{"Title": title, "Text": text}); err != nil {
		http.Error(w, text, status)
	}
}

// back answers an act: the browser goes to a page, which says what was done.
func (rm *Room) back(w http.ResponseWriter, r *http.Request, path, said string) error {
	rm.setCookie(w, "said", encodeSaid(said), 60)
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

func (rm *Room) asset(w http.ResponseWriter, r *http.Request, _ *visit) error {
	name := r.PathValue("name")
	b, err := files.ReadFile("assets/" + name)
	if err != nil {
		return ErrNotFound
	}
	switch {
	case strings.HasSuffix(name, ".css"):
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
	case strings.HasSuffix(name, ".js"):
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	case strings.HasSuffix(name, ".txt"):
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	case strings.HasSuffix(name, ".svg"):
		w.Header().Set("Content-Type", "image/svg+xml")
	}
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(b)
	return nil
}
