package room

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"broadsheet/operators"
)

// Proofs is what is done before an issue goes: look at it, approve it, try it.
type Proofs interface {
	// Preview puts a reader's mail together by the path that sends. What there is to say about a wrong
	// edition, address or time is in the answer.
	Preview(ctx context.Context, q PreviewQuery) (*Preview, error)
	// TestSend sends a reader a test copy, as send --to does.
	TestSend(ctx context.Context, by operators.By, edition, address string) (said string, err error)
	// Forecast looks ahead at the coming slot of every edition and place. Long work goes on behind it.
	Forecast(ctx context.Context) (*Forecast, error)
	// Proof says how an issue stands before it goes, without its sample.
	Proof(ctx context.Context, issue int64) (*Proof, error)
	// Sample adds an issue's mails that are worth a look: it reads some hundred digests.
	Sample(ctx context.Context, p *Proof) error
	// Approve lets an issue's slot go, Disapprove holds it back.
	Approve(ctx context.Context, by operators.By, issue int64) (said string, err error)
	Disapprove(ctx context.Context, by operators.By, issue int64) (said string, err error)
}

// PreviewQuery says whose mail to show.
type PreviewQuery struct {
	Edition string
	As      string // the reader's address
	At      string // RFC 3339, or 2006-01-02 15:04 in the reader's zone; "" = now
	Issue   int64  // an issue on record, instead of Edition and At; 0 = none
}

// Preview is a reader's mail, or why there is none.
type Preview struct {
	Editions []string `json:"-"` // to choose from

	Edition string    `json:"edition"`
	Issue   int64     `json:"issue"` // 0 = not on record yet
	Slot    string    `json:"slot"`
	Zone    string    `json:"zone"`
	Due     time.Time `json:"due"`
	State   string    `json:"state"` // of the delivery, "" = not on record yet
	Relay   string    `json:"relay"`
	Stories int       `json:"stories"`
	None    string    `json:"none"` // why there is no mail, "" = there is one
	Note    string    `json:"note"` // why this mail will not go, "" = it will

	Subject   string        `json:"subject"`
	Preheader string        `json:"preheader"`
	Size      int           `json:"size"`
	HTMLSize  int           `json:"html_size"` // 0 = a mail of text alone
	MaxHTML   int           `json:"max_html"`
	TextSize  int           `json:"text_size"`
	Links     []Share       `json:"links"` // by host
	Findings  []LintFinding `json:"findings"`

	Header string `json:"-"` // as it goes out
	Text   string `json:"-"`
	HTML   string `json:"-"`
	Source string `json:"-"`
}

// Share is how many of something have a name.
type Share struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// LintFinding is something that readers or their mail programs would stumble over.
type LintFinding struct {
	Rule  string `json:"rule"`
	Text  string `json:"text"`
	Grave bool   `json:"grave"`
}

// Forecast is what the coming slots will bring.
type Forecast struct {
	Coming  []Coming  `json:"coming"`  // by due time
	Waiting []Waiting `json:"waiting"` // issues that are open and have not gone
	At      time.Time `json:"at"`      // when it was worked out; zero = not yet
	Working bool      `json:"working"` // it is being worked out
	Busy    bool      `json:"busy"`    // mail is going out, so it waits
	Wrong   string    `json:"wrong"`   // why it could not be worked out, "" = it could
}

// Coming is a slot in one zone and hour.
type Coming struct {
	Edition    string     `json:"edition"`
	Slot       string     `json:"slot"`
	Zone       string     `json:"zone"`
	Hour       int        `json:"hour"`
	Local      string     `json:"local"`
	Opens      time.Time  `json:"opens"`
	Due        time.Time  `json:"due"`
	Approve    string     `json:"approve"`
	Readers    int        `json:"readers"`
	Mails      int        `json:"mails"`
	Empty      float64    `json:"empty"` // share of the readers for whom there is nothing so far
	Suppressed int        `json:"suppressed"`
	Digests    int        `json:"digests"`
	Stories    float64    `json:"stories"` // a mail
	Bytes      int        `json:"bytes"`
	Relays     []Prospect `json:"relays"`
}

// Prospect is what a relay will need for it.
type Prospect struct {
	Relay string    `json:"relay"`
	Mails int       `json:"mails"`
	Rate  float64   `json:"rate"`
	Need  string    `json:"need"`
	Done  time.Time `json:"done"`
	Late  int       `json:"late"` // mails that will expire
	Text  string    `json:"text"`
}

// Waiting is an issue that is open and has not gone.
type Waiting struct {
	Issue   int64     `json:"issue"`
	Edition string    `json:"edition"`
	Slot    string    `json:"slot"`
	Zone    string    `json:"zone"`
	Due     time.Time `json:"due"`
	Ends    time.Time `json:"ends"`
	Readers int       `json:"readers"`
	Holds   []string  `json:"holds"` // why it does not go, in words
}

// Proof is how an issue stands before it goes.
type Proof struct {
	Waiting
	Local   string     `json:"local"`
	Approve string     `json:"approve"` // none, send or hold
	Over    bool       `json:"over"`    // its life has ended, or all of it has gone
	Gone    int        `json:"gone"`    // mails that left
	Trips   []string   `json:"trips"`   // what was out of bounds, in words
	Figures []Compared `json:"figures"`
	Past    int        `json:"past"` // with how many issues it was compared
	Said    []Decision `json:"said"`
	Sample  []Sample   `json:"sample"`
	Next    string     `json:"next"` // what happens at the slot if nobody says anything
}

// Compared is a figure beside those of earlier issues.
type Compared struct {
	Name   string `json:"name"`
	Now    string `json:"now"`
	Usual  string `json:"usual"` // median, "" = not known
	Lowest string `json:"lowest"`
	Most   string `json:"most"`
}

// Decision is what somebody said of a slot.
type Decision struct {
	At       time.Time `json:"at"`
	Who      string    `json:"who"`
	Why      string    `json:"why"`
	Approved bool      `json:"approved"`
	Issue    int64     `json:"issue"` // that they looked at
}

// Sample is a reader whose mail is worth a look.
type Sample struct {
	Address string `json:"address"`
	What    string `json:"what"` // "most stories"
	Stories int    `json:"stories"`
	Size    int    `json:"size"`
}

// A mail carries the reader's own keys: whoever sees it can act for them. So it takes a role that may act.
func (rm *Room) proofRoutes() []route {
	return []route{
		{"GET /preview", operators.Act, rm.preview},
		{"GET /preview/mail", operators.Act, rm.previewMail},
		{"GET /preview/source", operators.Act, rm.previewSource},
		{"POST /preview/test", operators.Act, rm.testSend},
		{"GET /forecast", operators.Look, rm.forecast},
		{"GET /issues/{id}/proof", operators.Look, rm.proof},
		{"POST /issues/{id}/approve", operators.Act, rm.approve},
		{"POST /issues/{id}/disapprove", operators.Act, rm.disapprove},
	}
}

// proofOf is what the page of an issue shows of it.
func (rm *Room) proofOf(ctx context.Context, issue int64) (any, error) {
	return rm.Proofs.Proof(ctx, issue)
}

func previewQuery(v url.Values) (q PreviewQuery) {
	q = PreviewQuery{Edition: strings.TrimSpace(v.Get("edition")), As: strings.TrimSpace(v.Get("as")), At: strings.TrimSpace(v.Get("at"))}
	q.Issue, _ = strconv.ParseInt(v.Get("issue"), 10, 64)
	return q
}

// Values are the query's own part of an address.
func (q PreviewQuery) Values() url.Values {
	v := url.Values{"edition": {q.Edition}, "as": {q.As}, "at": {q.At}}
	if q.Issue != 0 {
		v.Set("issue", strconv.FormatInt(q.Issue, 10))
	}
	return v
}

func (rm *Room) preview(w http.ResponseWriter, r *http.Request, v *visit) error {
	q := previewQuery(r.URL.Query())
	p, err := rm.Proofs.Preview(r.Context(), q)
	if err != nil {
		return err
	}
	frame := q.Values()
	pictures := r.URL.Query().Get("pictures") != ""
	if pictures {
		frame.Set("pictures", "1")
	}
	type shape struct{ Class, Name, Src string }
	var frames []shape
	for _, f := range []struct{ class, name, scheme string }{{"phone", "Phone, light", "light"}, {"phone dark", "Phone, dark", "dark"},
		{"desk", "Desktop, light", "light"}, {"desk dark", "Desktop, dark", "dark"}} {
		frame.Set("scheme", f.scheme)
		frames = append(frames, shape{f.class, f.name, "/preview/mail?" + frame.Encode()})
	}
	return rm.show(w, v, "preview", map[string]any{"Query": q, "Preview": p, "Frames": frames, "Pictures": pictures, "Source": "/preview/source?" + q.Values().Encode()})
}

// mailPolicy lets a mail's own styles be, and pictures if they are wished; nothing else leaves, and no
// script runs.
func mailPolicy(pictures bool) string {
	from := "data:"
	if pictures {
		from += " https: http:"
	}
	return "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src " + from + "; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
}

// previewMail is the HTML part alone, as a mail program in one colour scheme draws it. A page cannot choose
// the scheme for a frame, so the mail's own rule for dark programs is made to hold always, or never.
func (rm *Room) previewMail(w http.ResponseWriter, r *http.Request, _ *visit) error {
	p, err := rm.Proofs.Preview(r.Context(), previewQuery(r.URL.Query()))
	if err != nil {
		return err
	}
	if p.HTML == "" {
		return fmt.Errorf("%w: this mail has no HTML part", ErrNotFound)
	}
	holds := "not all"
	if r.URL.Query().Get("scheme") == "dark" {
		holds = "all"
	}
	w.Header().Set("Content-Security-Policy", mailPolicy(r.URL.Query().Get("pictures") != ""))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = w.Write([]byte(strings.ReplaceAll(p.HTML, "@media (prefers-color-scheme:dark)", "@media "+holds)))
	return logged(rm, err)
}

func (rm *Room) previewSource(w http.ResponseWriter, r *http.Request, _ *visit) error {
	p, err := rm.Proofs.Preview(r.Context(), previewQuery(r.URL.Query()))
	if err != nil {
		return err
	}
	if p.Source == "" {
		return fmt.Errorf("%w: %s", ErrNotFound, p.None)
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("Content-Disposition", `attachment; filename="digest.eml"`)
	_, err = w.Write([]byte(p.Source))
	return logged(rm, err)
}

// logged keeps an error of a write, after which nothing can be answered any more, to the log.
func logged(rm *Room, err error) error {
	if err != nil {
		rm.Log.Debug("write mail: " + err.Error())
	}
	return nil
}

func (rm *Room) testSend(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: the form cannot be read", ErrRefused)
	}
	q := previewQuery(r.PostForm)
	said, err := rm.Proofs.TestSend(r.Context(), v.by(r), q.Edition, q.As)
	if err != nil {
		return err
	}
	return rm.back(w, r, "/preview?"+q.Values().Encode(), said)
}

func (rm *Room) forecast(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := rm.Proofs.Forecast(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "forecast", f)
}

func (rm *Room) proof(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := issueIn(r)
	if err != nil {
		return err
	}
	p, err := rm.Proofs.Proof(r.Context(), id)
	if err != nil {
		return err
	}
	if err := rm.Proofs.Sample(r.Context(), p); err != nil {
		return err
	}
	return rm.show(w, v, "proof", map[string]any{"Proof": p})
}

func (rm *Room) approve(w http.ResponseWriter, r *http.Request, v *visit) error {
	return rm.decide(w, r, v, rm.Proofs.Approve)
}

func (rm *Room) disapprove(w http.ResponseWriter, r *http.Request, v *visit) error {
	return rm.decide(w, r, v, rm.Proofs.Disapprove)
}

func (rm *Room) decide(w http.ResponseWriter, r *http.Request, v *visit, do func(ctx context.Context, by operators.By, issue int64) (string, error)) error {
	id, err := issueIn(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: the form cannot be read", ErrRefused)
	}
	said, err := do(r.Context(), v.by(r), id)
	if err != nil {
		return err
	}
	return rm.back(w, r, fmt.Sprintf("/issues/%d/proof", id), said)
}

func issueIn(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%w: no issue has the number %s", ErrNotFound, r.PathValue("id"))
	}
	return id, nil
}
