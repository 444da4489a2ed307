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
	Tasks []OverviewTask
	Waves []OverviewWave // in quarantine
	Slow  []OverviewSlow

	Since                   time.Time // of the three
	Domains, Relays, Days   []OverviewRate
	Returned                []OverviewReturned // the latest
	Aside                   []OverviewAside    // the latest messages that were not understood
	MoreReturned, MoreAside bool               // there are more than these
}

// OverviewTask is something that a person has to decide.
type OverviewTask struct {
	ID      int64
	Reader  int64  // 0 = nobody knows
	Inbound int64  // message that opened it, 0 = none
	Kind    string // leave, complaint, forward, flood
	Address string // of the reader; "" = nobody knows
	From    string
	Subject string
	Detail  string
	Doubt   string // why it may not be the reader's; "" = nothing speaks against it
	At      time.Time
}

// OverviewWave is a wave of hard marks in quarantine.
type OverviewWave struct {
	Issue         int64
	Edition, Slot string
	Domain        string
	Mails, Hard   int
	Norm          float64
	Held          time.Time
}

// OverviewSlow is a group of domains that is written to more slowly.
type OverviewSlow struct {
	Name  string
	Rate  float64 // mails a second now
	Base  float64 // before
	Since time.Time
	Why   string
}

// OverviewRate counts what became of mails.
type OverviewRate struct {
	Name                        string
	Taken, Delivered, Delayed   int
	Hard, Soft, Policy, Content int
	Complaints, Refused         int
}

// Bad is the share of mails that were refused or came back.
func (r OverviewRate) Bad() float64 {
	return float64(r.Refused+r.Hard+r.Soft+r.Policy+r.Content) / float64(max(r.Taken+r.Refused, 1))
}

// OverviewReturned is a bounce or complaint.
type OverviewReturned struct {
	Delivery int64 // 0 = not known
	Inbound  int64 // message that says so, 0 = none
	Address  string
	Class    string
	Reason   string
	Status   string
	Text     string
	Relay    string
	At       time.Time
	Sure     bool
}

// OverviewAside is a message that was not understood.
type OverviewAside struct {
	ID            int64
	From, Subject string
	Why           string
	At            time.Time
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
