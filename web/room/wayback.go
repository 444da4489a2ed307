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
	return []route{{"GET /returned", operators.Look, rm.returned}}
}

func (rm *Room) returned(w http.ResponseWriter, r *http.Request, v *visit) error {
	o, err := rm.WayBack.Overview(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "returned", o)
}
