package room

import (
	"context"
	"net/http"
	"time"

	"broadsheet/operators"
)

// Today is what the first page needs.
type Today interface {
	// Alarms lists what is wrong, the gravest first, each with its next step.
	Alarms(ctx context.Context) ([]Alarm, error)
	// Coming lists the next runs, the first one first.
	Coming(ctx context.Context) ([]NextRun, error)
}

// NextRun is an issue that is not open yet.
type NextRun struct {
	Edition string    `json:"edition"`
	Title   string    `json:"title"`
	Slot    string    `json:"slot"`
	Zone    string    `json:"zone"`
	Local   string    `json:"local"` // wall time in the zone
	Due     time.Time `json:"due"`
	Opens   time.Time `json:"opens"`   // sooner where it is prepared
	Readers int       `json:"readers"` // who would get it, as of a minute ago at most
}

// Alarm is something that is wrong.
type Alarm struct {
	Key   string    `json:"key"`   // what kind it is and of what, steady: "relay main", "feed https://…", "missed morning"
	Level string    `json:"level"` // red: mail or readers are harmed; amber: look at it today
	What  string    `json:"what"`  // in one sentence
	Since time.Time `json:"since"`
	Next  string    `json:"next"`    // what to do, in one sentence
	Link  string    `json:"link"`    // page where that is done, "" = none
	Do    string    `json:"command"` // the command for it, "" = none
}

func (rm *Room) todayRoutes() []route {
	return []route{{"GET /{$}", operators.Look, rm.today}}
}

// lastIssues is how many issues the first page lists.
const lastIssues = 8

type todayPage struct {
	Alarms []Alarm
	Live   *Live
	Coming []NextRun
	Last   []Issue
}

func (rm *Room) today(w http.ResponseWriter, r *http.Request, v *visit) error {
	var p todayPage
	var err error
	if p.Alarms, err = rm.Today.Alarms(r.Context()); err != nil {
		return err
	}
	if p.Live, err = rm.Issues.Live(r.Context()); err != nil {
		return err
	}
	if p.Coming, err = rm.Today.Coming(r.Context()); err != nil {
		return err
	}
	if p.Last, err = rm.Issues.List(r.Context(), 0, lastIssues); err != nil {
		return err
	}
	return rm.show(w, v, "today", p)
}
