package room

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"broadsheet/operators"
)

// Issues is what the pages of issues read: books, plots, deliveries.
type Issues interface {
	// Live is what moves now, read from the database once a second at most, whoever asks.
	Live(ctx context.Context) (*Live, error)
	// List lists issues with a lower ID than before, 0 for all, the latest first.
	List(ctx context.Context, before int64, limit int) ([]Issue, error)
	// Issue reads one with its books; [ErrNotFound] if there is none.
	Issue(ctx context.Context, id int64) (*Issue, error)
	// Plots is what is known of an issue's course. What a look at every delivery tells comes later, and has an age.
	Plots(ctx context.Context, id int64) (*Plots, error)
	// Browse lists an issue's deliveries, for no longer than a page may take. next is where to go on, 0 at the end.
	Browse(ctx context.Context, f Filter) (list []Delivery, next int64, err error)
	// Export lists all of them.
	Export(ctx context.Context, f Filter) iter.Seq2[Delivery, error]
	// Delivery is one with all that happened to it; [ErrNotFound] if there is none.
	Delivery(ctx context.Context, id int64) (*DeliveryLife, error)
}

// Issue is a run with its books.
type Issue struct {
	ID       int64     `json:"id"`
	Edition  string    `json:"edition"`
	Slot     string    `json:"slot"`
	Zone     string    `json:"zone"`
	Hour     int       `json:"hour"` // of the reader's, -1 = the edition's own
	Local    string    `json:"local"`
	Due      time.Time `json:"due"`
	Opened   time.Time `json:"opened"`
	Ends     time.Time `json:"ends"`
	State    string    `json:"state"` // opening, open
	Audience int       `json:"audience"`
	Digests  int       `json:"digests"`
	Books    []Book    `json:"books"` // states that occur
	Left     int       `json:"left"`  // still to go or to be answered
	Balanced bool      `json:"balanced"`
}

// Book is how many deliveries are in a state.
type Book struct {
	State string `json:"state"`
	N     int    `json:"n"`
}

// In is how many are in a state.
func (i *Issue) In(state string) int {
	for _, b := range i.Books {
		if b.State == state {
			return b.N
		}
	}
	return 0
}

// Sum is the audience as the books have it: "90 accepted + 10 queued".
func (i *Issue) Sum() string {
	var parts []string
	for _, b := range i.Books {
		parts = append(parts, number(b.N)+" "+b.State)
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, " + ")
}

// Done is how many need nothing more.
func (i *Issue) Done() int { return i.Audience - i.Left }

// Share is which share of the audience is in a state, from 0 to 1.
func (i *Issue) Share(n int) float64 { return float64(n) / float64(max(i.Audience, 1)) }

// Filter says which deliveries of an issue to list. Zero fields do not filter.
type Filter struct {
	Issue   int64
	State   string
	Reply   string // a code or its beginning, an enhanced code, words
	Domain  string
	Relay   string
	Address string // a part of it
	After   int64
}

// filterOf reads a filter from a request.
func filterOf(r *http.Request, issue int64) Filter {
	q := r.URL.Query()
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	f := Filter{Issue: issue, State: get("state"), Reply: get("reply"), Domain: get("domain"), Relay: get("relay"), Address: get("address")}
	f.After, _ = strconv.ParseInt(get("after"), 10, 64)
	return f
}

// Query is the filter for an address, behind "?"; after is where it goes on, 0 = from the start.
func (f Filter) Query(after int64) string {
	q := url.Values{}
	for name, v := range map[string]string{"state": f.State, "reply": f.Reply, "domain": f.Domain, "relay": f.Relay, "address": f.Address} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if after > 0 {
		q.Set("after", strconv.FormatInt(after, 10))
	}
	return q.Encode()
}

// Filters reports whether anything is filtered.
func (f Filter) Filters() bool { return f.State+f.Reply+f.Domain+f.Relay+f.Address != "" }

// Delivery is a mail to a reader.
type Delivery struct {
	ID         int64     `json:"id"`
	Issue      int64     `json:"issue"`
	Subscriber int64     `json:"subscriber"`
	Address    string    `json:"address"` // "" = erased
	State      string    `json:"state"`
	Reason     string    `json:"reason"`
	Attempts   int       `json:"attempts"`
	Code       int       `json:"code"`
	Enhanced   string    `json:"enhanced"`
	Text       string    `json:"text"`
	Relay      string    `json:"relay"`
	At         time.Time `json:"at"`
}

// Said is the reply for people.
func (d *Delivery) Said() string {
	code := ""
	if d.Code != 0 {
		code = strconv.Itoa(d.Code)
	}
	return strings.Join(strings.Fields(code+" "+d.Enhanced+" "+d.Text), " ")
}

// DeliveryLife is a delivery and all that happened to it.
type DeliveryLife struct {
	Delivery
	Edition string         `json:"edition"`
	Slot    string         `json:"slot"`
	Copies  int            `json:"copies"` // that may have arrived
	Subject string         `json:"subject"`
	Summary string         `json:"summary"`
	Life    []DeliveryStep `json:"timeline"`
}

// DeliveryStep is one thing that happened to a mail.
type DeliveryStep struct {
	At     time.Time `json:"at"`
	What   string    `json:"event"`
	Class  string    `json:"class"` // of a bounce
	By     string    `json:"by"`
	Reply  string    `json:"reply"`
	Reason string    `json:"reason"`
	Source string    `json:"source"` // how it is known; "" = first hand
}

func (rm *Room) issueRoutes() []route {
	return []route{
		{"GET /issues", operators.Look, rm.issueList},
		{"GET /issues/{id}", operators.Look, rm.issue},
		{"GET /issues/{id}/plots", operators.Look, rm.plots},
		{"GET /issues/{id}/deliveries", operators.Look, rm.deliveries},
		{"GET /issues/{id}/deliveries.csv", operators.Act, rm.deliveriesCSV},
		{"GET /issues/{id}/deliveries.json", operators.Act, rm.deliveriesJSON},
		{"GET /deliveries/{id}", operators.Look, rm.delivery},
		{"GET /live", operators.Look, rm.live},
	}
}

// idOf reads the number in a path.
func idOf(r *http.Request, what string) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%q is no %s: %w", r.PathValue("id"), what, ErrNotFound)
	}
	return id, nil
}

// issuesPerPage is how many issues the list shows at a time.
const issuesPerPage = 30

type issueListPage struct {
	Issues []Issue
	Before int64 // of this page, 0 = the first
	Next   int64 // of the page after it, 0 = none
}

func (rm *Room) issueList(w http.ResponseWriter, r *http.Request, v *visit) error {
	var p issueListPage
	p.Before, _ = strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	var err error
	if p.Issues, err = rm.Issues.List(r.Context(), p.Before, issuesPerPage+1); err != nil {
		return err
	}
	if len(p.Issues) > issuesPerPage {
		p.Issues = p.Issues[:issuesPerPage]
		p.Next = p.Issues[issuesPerPage-1].ID
	}
	return rm.show(w, v, "issues", p)
}

// issuePage is what the page of an issue shows.
type issuePage struct {
	Issue *Issue
	Live  *Live
	Run   *LiveRun // nil = nothing of it is to go any more
	Plots *Plots
	Acts  any // of what can be done with it
	Proof any // of what is to be looked at before it goes
}

func (rm *Room) issue(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := idOf(r, "issue")
	if err != nil {
		return err
	}
	p := issuePage{}
	if p.Issue, err = rm.Issues.Issue(r.Context(), id); err != nil {
		return err
	}
	if p.Plots, err = rm.Issues.Plots(r.Context(), id); err != nil {
		return err
	}
	live, err := rm.Issues.Live(r.Context())
	if err != nil {
		return err
	}
	p.Live, p.Run = live, live.Run(id)
	if p.Acts, err = rm.Runs.Standing(r.Context(), id); err != nil {
		return err
	}
	if p.Proof, err = rm.proofOf(r.Context(), id); err != nil {
		return err
	}
	return rm.show(w, v, "issue", p)
}
