package room

import (
	"context"
	"net/http"
	"time"

	"broadsheet/operators"
)

// WayBack is what the page of what came back needs.
type WayBack interface {
	Overview(ctx context.Context) (*Overview, error)
	// Letter is a message that came in; [ErrNotFound] if there is none of that number.
	Letter(ctx context.Context, id int64) (*Letter, error)

	// FinishTask closes a task; with leave its reader leaves everything first.
	FinishTask(ctx context.Context, by operators.By, id int64, leave bool) (said string, err error)
	// UndoWave says that hard bounces of a domain in an issue are a false alarm, ApplyWave that they are true.
	UndoWave(ctx context.Context, by operators.By, issue int64, domain string) (said string, err error)
	ApplyWave(ctx context.Context, by operators.By, issue int64, domain string) (said string, err error)
}

// Letter is a message that came in, as text.
type Letter struct {
	ID       int64     `json:"id"`
	At       time.Time `json:"at"`
	Source   string    `json:"source"`
	To       string    `json:"to"`
	From     string    `json:"from"`
	Subject  string    `json:"subject"`
	Class    string    `json:"class"`
	Reason   string    `json:"reason"`
	Said     string    `json:"said"`       // by the server
	Reader   int64     `json:"subscriber"` // 0 = nobody's
	Address  string    `json:"address"`    // of that reader now
	Issue    int64     `json:"issue"`
	Delivery int64     `json:"delivery"`
	Aside    string    `json:"aside"`
	Effect   string    `json:"effect"`
	Kept     bool      `json:"kept"`
	Cut      bool      `json:"cut"`  // Raw is not all
	Text     string    `json:"text"` // what a person wrote, as far as it can be told
	Raw      string    `json:"raw"`
}

// Overview is what the page of what came back shows. Lists are in the order in which they are shown.
type Overview struct {
	Tasks []OverviewTask `json:"tasks"`
	Waves []OverviewWave `json:"waves"` // in quarantine
	Slow  []OverviewSlow `json:"slow"`

	Since        time.Time          `json:"since"` // of the three
	Domains      []OverviewRate     `json:"domains"`
	Relays       []OverviewRate     `json:"relays"`
	Days         []OverviewRate     `json:"days"`
	Returned     []OverviewReturned `json:"returned"`      // the latest
	Aside        []OverviewAside    `json:"aside"`         // the latest messages that were not understood
	MoreReturned bool               `json:"more_returned"` // there are more than these
	MoreAside    bool               `json:"more_aside"`
}

// OverviewTask is something that a person has to decide.
type OverviewTask struct {
	ID      int64     `json:"id"`
	Reader  int64     `json:"reader"`  // 0 = nobody knows
	Inbound int64     `json:"inbound"` // message that opened it, 0 = none
	Kind    string    `json:"kind"`    // leave, complaint, forward, flood
	Address string    `json:"address"` // of the reader; "" = nobody knows
	From    string    `json:"from"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail"`
	Doubt   string    `json:"doubt"` // why it may not be the reader's; "" = nothing speaks against it
	At      time.Time `json:"at"`
}

// OverviewWave is a wave of hard marks in quarantine.
type OverviewWave struct {
	Issue   int64     `json:"issue"`
	Edition string    `json:"edition"`
	Slot    string    `json:"slot"`
	Domain  string    `json:"domain"`
	Mails   int       `json:"mails"`
	Hard    int       `json:"hard"`
	Norm    float64   `json:"norm"`
	Held    time.Time `json:"held"`
}

// OverviewSlow is a group of domains that is written to more slowly.
type OverviewSlow struct {
	Name  string    `json:"name"`
	Rate  float64   `json:"rate"` // mails a second now
	Base  float64   `json:"base"` // before
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
}

// OverviewRate counts what became of mails.
type OverviewRate struct {
	Name       string `json:"name"`
	Taken      int    `json:"taken"`
	Delivered  int    `json:"delivered"`
	Delayed    int    `json:"delayed"`
	Hard       int    `json:"hard"`
	Soft       int    `json:"soft"`
	Policy     int    `json:"policy"`
	Content    int    `json:"content"`
	Complaints int    `json:"complaints"`
	Refused    int    `json:"refused"`
}

// Bad is the share of mails that were refused or came back.
func (r OverviewRate) Bad() float64 {
	return float64(r.Refused+r.Hard+r.Soft+r.Policy+r.Content) / float64(max(r.Taken+r.Refused, 1))
}

// OverviewReturned is a bounce or complaint.
type OverviewReturned struct {
	Delivery int64     `json:"delivery"` // 0 = not known
	Inbound  int64     `json:"inbound"`  // message that says so, 0 = none
	Address  string    `json:"address"`
	Class    string    `json:"class"`
	Reason   string    `json:"reason"`
	Status   string    `json:"status"`
	Text     string    `json:"text"`
	Relay    string    `json:"relay"`
	At       time.Time `json:"at"`
	Sure     bool      `json:"sure"`
}

// OverviewAside is a message that was not understood.
type OverviewAside struct {
	ID      int64     `json:"id"`
	From    string    `json:"from"`
	Subject string    `json:"subject"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

// Waiting is how many things wait for a decision.
func (o *Overview) Waiting() int { return len(o.Tasks) + len(o.Waves) }

func (rm *Room) wayBackRoutes() []route {
	return []route{
		{"GET /returned", operators.Look, rm.returned},
		{"GET /inbound/{id}", operators.Look, rm.letter},
		{"POST /tasks/{id}/done", operators.Act, rm.finishTask},
		{"POST /waves/undo", operators.Act, rm.onWave(func(ctx context.Context, by operators.By, issue int64, domain string) (string, error) {
			return rm.WayBack.UndoWave(ctx, by, issue, domain)
		})},
		{"POST /waves/apply", operators.Act, rm.onWave(func(ctx context.Context, by operators.By, issue int64, domain string) (string, error) {
			return rm.WayBack.ApplyWave(ctx, by, issue, domain)
		})},
	}
}

func (rm *Room) returned(w http.ResponseWriter, r *http.Request, v *visit) error {
	o, err := rm.WayBack.Overview(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "returned", o)
}

func (rm *Room) letter(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := number64(r.PathValue("id"))
	if err != nil {
		return err
	}
	l, err := rm.WayBack.Letter(r.Context(), id)
	if err != nil {
		return err
	}
	return rm.show(w, v, "inbound", l)
}

func (rm *Room) finishTask(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := number64(r.PathValue("id"))
	if err != nil {
		return err
	}
	said, err := rm.WayBack.FinishTask(r.Context(), v.by(r), id, r.PostFormValue("leave") != "")
	if err != nil {
		return err
	}
	return rm.back(w, r, "/returned", said)
}

// onWave serves a decision about a wave.
func (rm *Room) onWave(act func(ctx context.Context, by operators.By, issue int64, domain string) (string, error)) func(http.ResponseWriter, *http.Request, *visit) error {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		issue, err := number64(r.PostFormValue("issue"))
		if err != nil {
			return err
		}
		said, err := act(r.Context(), v.by(r), issue, r.PostFormValue("domain"))
		if err != nil {
			return err
		}
		return rm.back(w, r, "/returned", said)
	}
}
