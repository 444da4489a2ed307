package room

import (
	"context"
	"net/http"
	"time"

	"broadsheet/operators"
)

// Doctor is what examines the installation.
type Doctor interface {
	// Examined is what the last examination came to; nil if there was none since the program began.
	Examined(ctx context.Context) (*Examination, error)
	// Examine begins one, unless one is under way, and waits a moment for it.
	Examine(ctx context.Context, by operators.By) (said string, err error)
}

// Examination is what was looked at.
type Examination struct {
	At       time.Time `json:"at"`        // when it ended; zero if the first one is under way
	UnderWay bool      `json:"under_way"` // another is
	Findings []Finding `json:"findings"`
}

// Finding is what was seen of one thing.
type Finding struct {
	Name  string `json:"name"`
	Level string `json:"level"` // green, amber, red
	Seen  string `json:"seen"`
	Fix   string `json:"fix"` // "" = nothing to do
}

// Count is how many findings have a level.
func (e *Examination) Count(level string) (n int) {
	for _, f := range e.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// Of lists the findings of a level.
func (e *Examination) Of(level string) (list []Finding) {
	for _, f := range e.Findings {
		if f.Level == level {
			list = append(list, f)
		}
	}
	return list
}

func (rm *Room) doctorRoutes() []route {
	return []route{
		{"GET /doctor", operators.Look, func(w http.ResponseWriter, r *http.Request, v *visit) error {
			e, err := rm.Doctor.Examined(r.Context())
			if err != nil {
				return err
			}
			return rm.show(w, v, "doctor", e)
		}},
		{"POST /doctor", operators.Act, func(w http.ResponseWriter, r *http.Request, v *visit) error {
			said, err := rm.Doctor.Examine(r.Context(), v.by(r))
			if err != nil {
				return err
			}
			return rm.back(w, r, "/doctor", said)
		}},
	}
}
