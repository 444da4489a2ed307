package room

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"broadsheet/operators"
)

// Doors says who may come in.
type Doors interface {
	// Empty reports whether there is no operator yet.
	Empty(ctx context.Context) (bool, error)
	// LogIn lets somebody in and gives the secret of a new session. The error is [ErrNoEntry], [TooSoon],
	// or something that is broken.
	LogIn(ctx context.Context, t Try) (secret string, err error)
	// LogOut ends a session.
	LogOut(ctx context.Context, secret string) error
	// Session says whose session a secret opens, nil = nobody's. A quiet request is none of a person: it
	// does not keep the session from ending.
	Session(ctx context.Context, secret string, quiet bool) (*operators.Session, error)
	// Token says what program a secret lets in, nil = none.
	Token(ctx context.Context, secret string) (*operators.Operator, error)

	Accounts
}

// Try is somebody at the door.
type Try struct{ Name, Password, Code, Client string }

// ErrNoEntry is the one answer to a wrong name, a wrong password and a wrong code.
var ErrNoEntry = errors.New("the name, the password or the code is not right")

// errForbidden says that a role does not do.
var errForbidden = errors.New("not with your role")

// TooSoon says that somebody has failed too often to try again at once.
type TooSoon struct{ Wait time.Duration }

func (e TooSoon) Error() string {
	return fmt.Sprintf("too many tries: wait %d seconds", int(e.Wait/time.Second)+1)
}

func (rm *Room) doorRoutes() []route {
	return append([]route{
		{"GET /login", "", rm.loginPage},
		{"POST /login", "", rm.login},
		{"POST /logout", operators.Look, rm.logout},
	}, rm.accountRoutes()...)
}

// cookieName has a prefix that keeps neighbours from setting it, where browsers allow that.
func (rm *Room) cookieName() string {
	if rm.secure() {
		return "__Host-room"
	}
	return "room"
}

// secure reports whether browsers come by https.
func (rm *Room) secure() bool { return rm.Public != nil && rm.Public.Scheme == "https" }

// enter finds out who asks, and answers itself if they may not.
func (rm *Room) enter(w http.ResponseWriter, r *http.Request, role operators.Role) (*visit, bool) {
	v := &visit{path: r.URL.Path}
	if rm.csrf.Check(r) != nil {
		what := "this came from another site"
		if rm.Loopback {
			what += "; if a proxy hands this room on, give the room its address with --operator-url"
		}
		rm.fail(w, r, v, fmt.Errorf("%w: %s", errForbidden, what))
		return nil, false
	}
	if role == "" {
		if err := readForm(w, r, 16<<10); err != nil {
			rm.fail(w, r, v, err)
			return nil, false
		}
		return v, true
	}
	recognize := rm.recognize
	if isProgram(r) {
		recognize = rm.bearer
	}
	if err := recognize(r, v); err != nil {
		rm.fail(w, r, v, err)
		return nil, false
	}
	if v.Operator == nil {
		rm.turnAway(w, r)
		return nil, false
	}
	if c, err := r.Cookie("said"); err == nil && r.Method == http.MethodGet {
		v.said = decodeSaid(c.Value)
		rm.setCookie(w, "said", "", -1)
	}
	if v.Role.Holds(role) {
		if err := readForm(w, r, largestBody); err != nil {
			rm.fail(w, r, v, err)
			return nil, false
		}
		return v, true
	}
	err := fmt.Errorf("%w: this takes the role %q, and yours is %q", errForbidden, role, v.Role)
	if v.uncoded {
		err = fmt.Errorf("%w: this room is reached from other machines, so acting takes a one-time code: set one up on your account page and log in with it", errForbidden)
	}
	rm.fail(w, r, v, err)
	return nil, false
}

// recognize finds out whose session it is.
func (rm *Room) recognize(r *http.Request, v *visit) error {
	c, err := r.Cookie(rm.cookieName())
	if err != nil || c.Value == "" {
		return nil
	}
	s, err := rm.Doors.Session(r.Context(), c.Value, quiet(r))
	if err != nil || s == nil {
		return err
	}
	v.session, v.hasCode = c.Value, s.HasCode
	o := s.Operator
	if !rm.Loopback && !s.Coded {
		o.Role, v.uncoded = operators.Look, true
	}
	v.Operator = &o
	return nil
}

// quiet reports whether a request is one that a page makes by itself, as long as it is open: a person makes
// navigations and posts forms.
func quiet(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return mode != "" && mode != "navigate" || r.Header.Get("X-Renew") != "" || r.Header.Get("Accept") == "text/event-stream"
}

// readForm reads a posted form, of so many octets at most. Bodies of programs and files that are brought have
// bounds of their own.
func readForm(w http.ResponseWriter, r *http.Request, most int64) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || isAPI(r) || r.Pattern == uploads {
		return nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, most)
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(most)
	}
	switch {
	case err == nil, errors.Is(err, http.ErrNotMultipart):
		return nil
	case isTooLarge(err):
		return statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the form is larger than %d KB", most>>10)}
	}
	return statusError{http.StatusBadRequest, "the form cannot be read"}
}

func isTooLarge(err error) bool {
	_, is := errors.AsType[*http.MaxBytesError](err)
	return is
}

// turnAway sends who is not in to the door.
func (rm *Room) turnAway(w http.ResponseWriter, r *http.Request) {
	if isProgram(r) {
		rm.problem(w, r, statusError{http.StatusUnauthorized, "send a token: Authorization: Bearer broadsheet_…"})
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		// A link in a mail: the browser keeps the cookie to itself until our own page leads on.
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>One moment</title><meta http-equiv="refresh" content="0;url=%s"><p><a href="%[1]s">Go on</a></p>`,
			strings.NewReplacer("&", "&amp;", `"`, "%22", "<", "%3C", ">", "%3E", "'", "%27", ";", "%3B").Replace(here(r.URL.RequestURI())))
		return
	}
	if r.Header.Get("Accept") == "text/event-stream" {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	to := "/login"
	if at := here(r.URL.RequestURI()); at != "/" {
		to += "?to=" + url.QueryEscape(at)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// here is a path of this room; whatever leads elsewhere is the first page.
func here(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

type loginForm struct {
	To, Name, Wrong string
	Empty           bool
}

func (rm *Room) loginPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	to := here(r.URL.Query().Get("to"))
	if err := rm.recognize(r, v); err != nil {
		return err
	}
	if v.Operator != nil {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	empty, err := rm.Doors.Empty(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "login", loginForm{To: to, Empty: empty})
}

func (rm *Room) login(w http.ResponseWriter, r *http.Request, v *visit) error {
	try := Try{r.PostFormValue("name"), r.PostFormValue("password"), r.PostFormValue("code"), rm.client(r)}
	form := loginForm{To: here(r.PostFormValue("to")), Name: try.Name}
	secret, err := rm.Doors.LogIn(r.Context(), try)
	if soon, ok := errors.AsType[TooSoon](err); ok {
		form.Wrong = soon.Error()
		w.Header().Set("Retry-After", strconv.Itoa(int(soon.Wait/time.Second)+1))
		return rm.showAs(w, v, http.StatusTooManyRequests, "login", form)
	}
	if errors.Is(err, ErrNoEntry) {
		form.Wrong = err.Error()
		return rm.showAs(w, v, http.StatusUnauthorized, "login", form)
	}
	if err != nil {
		return err
	}
	if c, err := r.Cookie(rm.cookieName()); err == nil { // who was in before in this browser is no longer
		if err := rm.Doors.LogOut(r.Context(), c.Value); err != nil {
			return err
		}
	}
	rm.setCookie(w, rm.cookieName(), secret, 0)
	http.Redirect(w, r, form.To, http.StatusSeeOther)
	return nil
}

func (rm *Room) logout(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := rm.Doors.LogOut(r.Context(), v.session); err != nil {
		return err
	}
	return rm.out(w, r)
}

// out leads to the door, in the browser's eyes too.
func (rm *Room) out(w http.ResponseWriter, r *http.Request) error {
	rm.setCookie(w, rm.cookieName(), "", -1)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

// setCookie sets one of ours. Seconds 0 = until the browser ends, below 0 = it goes.
func (rm *Room) setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: rm.secure(), SameSite: http.SameSiteStrictMode})
}

func (rm *Room) client(r *http.Request) string {
	if rm.Client != nil {
		return rm.Client(r)
	}
	return strings.TrimSuffix(r.RemoteAddr, r.RemoteAddr[strings.LastIndexByte(r.RemoteAddr, ':')+1:])
}
