package room

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"broadsheet/operators"
)

// Runs is how an operator steps into a run. Each act says what came of it. What takes long goes on
// after the answer, and the standing of its issue tells how far it is. Nothing to do, or nothing that
// can be done, is [ErrRefused].
type Runs interface {
	// Standing is what can be done about an issue.
	Standing(ctx context.Context, issue int64) (*Standing, error)
	// Halted reports whether everything is on hold.
	Halted(ctx context.Context) (bool, error)

	// Pause holds an issue, everything for 0, and Resume lets it go.
	Pause(ctx context.Context, by operators.By, issue int64) (said string, err error)
	Resume(ctx context.Context, by operators.By, issue int64) (said string, err error)
	// Stop ends an issue for good, for a reason. For 0 it holds everything.
	Stop(ctx context.Context, by operators.By, issue int64) (said string, err error)
	// Retry queues deliveries that failed or expired again.
	Retry(ctx context.Context, by operators.By, issue int64, pick Pick) (said string, err error)
	// Settle ends that deliveries are uncertain: again = a further copy, arrived = they count as taken;
	// for a reason.
	Settle(ctx context.Context, by operators.By, issue int64, how string, pick Pick) (said string, err error)
	RetryDelivery(ctx context.Context, by operators.By, id int64) (said string, err error)
	SettleDelivery(ctx context.Context, by operators.By, id int64, how string) (said string, err error)
}

// Pick says which deliveries of an issue an act is about. Zero fields do not pick.
type Pick struct {
	States []string `json:"states,omitempty"`
	Reason string   `json:"reason,omitempty"` // theirs begins so
	Domain string   `json:"domain,omitempty"` // of the recipient
}

// Standing is what keeps an issue here, and what can be done about it.
type Standing struct {
	Issue     int64      `json:"issue"`
	Holds     []Held     `json:"holds"`
	Stopped   *Held      `json:"stopped"` // nil = nobody did
	Open      int        `json:"open"`    // deliveries that may still go, or be answered
	Failed    int        `json:"failed"`  // and expired
	Cancelled int        `json:"cancelled"`
	Uncertain int        `json:"uncertain"`
	Alive     bool       `json:"alive"`   // deliveries may still be queued again
	Reasons   []Reason   `json:"reasons"` // of those that failed, the most frequent first
	UnderWay  []UnderWay `json:"under_way"`
}

// Held is a hold.
type Held struct {
	Issue  int64     `json:"issue"` // 0 = all
	Kind   string    `json:"kind"`
	Reason string    `json:"reason"`
	Who    string    `json:"who"`
	Since  time.Time `json:"since"`
	Words  string    `json:"words"` // what it is
	Next   string    `json:"next"`  // what to do
}

// Line is a hold in a line: what it is, and why.
func (h Held) Line() string {
	if h.Reason == "" {
		return h.Words
	}
	return h.Words + " (" + h.Reason + ")"
}

// Reason is how many deliveries failed for it.
type Reason struct {
	Reason  string `json:"reason"`
	Readers int    `json:"readers"`
}

// UnderWay is an act that goes on.
type UnderWay struct {
	Name  string    `json:"name"`
	Done  int       `json:"done"`
	Of    int       `json:"of"` // 0 = not known
	Since time.Time `json:"since"`
}

// Paused reports whether the issue itself is paused.
func (s *Standing) Paused() bool {
	for _, h := range s.Holds {
		if h.Kind == "paused" && h.Issue != 0 {
			return true
		}
	}
	return false
}

// Stopping reports whether it is being stopped.
func (s *Standing) Stopping() bool {
	for _, h := range s.Holds {
		if h.Kind == "stopping" {
			return true
		}
	}
	return false
}

func (rm *Room) runRoutes() []route {
	act := func(pattern string, do func(ctx context.Context, by operators.By, issue int64, r *http.Request) (string, error)) route {
		return route{"POST " + pattern, operators.Act, func(w http.ResponseWriter, r *http.Request, v *visit) error {
			id, path := int64(0), "/issues"
			if s := r.PathValue("id"); s != "" {
				var err error
				if id, err = strconv.ParseInt(s, 10, 64); err != nil || id < 1 {
					return fmt.Errorf("%w: %q is no number of one", ErrNotFound, s)
				}
				path += "/" + s
			}
			if strings.HasPrefix(pattern, "/deliveries/") {
				path = fmt.Sprintf("/deliveries/%d", id)
			}
			said, err := do(r.Context(), v.by(r), id, r)
			if err != nil {
				return err
			}
			return rm.back(w, r, path, said)
		}}
	}
	return []route{
		act("/issues/{id}/pause", func(ctx context.Context, by operators.By, id int64, _ *http.Request) (string, error) {
			return rm.Runs.Pause(ctx, by, id)
		}),
		act("/issues/{id}/resume", func(ctx context.Context, by operators.By, id int64, _ *http.Request) (string, error) {
			return rm.Runs.Resume(ctx, by, id)
		}),
		act("/issues/{id}/stop", func(ctx context.Context, by operators.By, id int64, _ *http.Request) (string, error) {
			return rm.Runs.Stop(ctx, by, id)
		}),
		act("/issues/stop-all", func(ctx context.Context, by operators.By, _ int64, _ *http.Request) (string, error) {
			return rm.Runs.Stop(ctx, by, 0)
		}),
		act("/issues/resume-all", func(ctx context.Context, by operators.By, _ int64, _ *http.Request) (string, error) {
			return rm.Runs.Resume(ctx, by, 0)
		}),
		act("/issues/{id}/retry", func(ctx context.Context, by operators.By, id int64, r *http.Request) (string, error) {
			return rm.Runs.Retry(ctx, by, id, pickOf(r))
		}),
		act("/issues/{id}/settle", func(ctx context.Context, by operators.By, id int64, r *http.Request) (string, error) {
			return rm.Runs.Settle(ctx, by, id, r.PostFormValue("how"), pickOf(r))
		}),
		act("/deliveries/{id}/retry", func(ctx context.Context, by operators.By, id int64, _ *http.Request) (string, error) {
			return rm.Runs.RetryDelivery(ctx, by, id)
		}),
		act("/deliveries/{id}/settle", func(ctx context.Context, by operators.By, id int64, r *http.Request) (string, error) {
			return rm.Runs.SettleDelivery(ctx, by, id, r.PostFormValue("how"))
		}),
	}
}

// pickOf reads a form's choice of deliveries.
func pickOf(r *http.Request) Pick {
	p := Pick{Reason: r.PostFormValue("reason"), Domain: strings.TrimSpace(r.PostFormValue("domain"))}
	if err := r.ParseForm(); err == nil {
		p.States = r.PostForm["state"]
	}
	return p
}
