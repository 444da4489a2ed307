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

func (rm *Room) today(w http.ResponseWriter, r *http.Request, v *visit) error {
	return rm.show(w, v, "today", nil)
}
