package room

import (
	"encoding/json"
	"net/http"
	"time"
)

// Plots is an issue's course. The first part is the books as they stood minute by minute; the second
// comes from a look at every delivery, which is taken now and then and has an age.
type Plots struct {
	At     time.Time `json:"at"`     // of the first part
	Step   int       `json:"step_s"` // seconds from one point to the next
	Times  []int64   `json:"times"`  // in Unix seconds
	Taken  []int     `json:"taken"`  // mails a minute that relays took, in the step that begins there
	Relays []Line    `json:"relays"` // the same for each of them
	States []Line    `json:"states"` // deliveries in a state at the step's end
	Look   *Look     `json:"look"`   // nil = it is being taken for the first time
	Looked float64   `json:"looked"` // how far the next look has come, from 0 to 1; 1 = none is being taken
}

// Line is a row of values over the times.
type Line struct {
	Name string `json:"name"`
	N    []int  `json:"n"`
}

// Look is what a look at every delivery of an issue came to.
type Look struct {
	From    time.Time     `json:"from"` // it takes a while when mails are on their way
	To      time.Time     `json:"to"`
	Latency []Column      `json:"latency"` // from the slot, or the opening if that was later, until a relay took it
	Tries   []Column      `json:"tries"`   // attempts of those that were tried
	Domains []DomainCount `json:"domains"` // those with the most trouble first
	Replies []ReplyCount  `json:"replies"` // those heard most often first
	Reasons []StateReason `json:"reasons"`
	Median  float64       `json:"median_s"` // of latency, about; 0 = nothing was taken
	P99     float64       `json:"p99_s"`
}

// Age is how old the end of it is.
func (l *Look) Age() string { return span(time.Since(l.To)) }

// Column is a count with its name.
type Column struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// DomainCount is what became of the mails to a domain.
type DomainCount struct {
	Domain  string `json:"domain"`
	Mails   int    `json:"mails"`
	Taken   int    `json:"taken"`
	Put     int    `json:"put_off"` // deferred or delayed
	Refused int    `json:"refused"` // by the relay, for good
	Bounced int    `json:"bounced"`
}

// ReplyCount is a reply and how often it was the last.
type ReplyCount struct {
	State    string `json:"state"`
	Code     int    `json:"code"`
	Enhanced string `json:"enhanced"`
	Text     string `json:"text"`
	N        int    `json:"n"`
}

// StateReason is a reason and how many deliveries have it.
type StateReason struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
	N      int    `json:"n"`
}

// plots answers with the numbers of the plots.
func (rm *Room) plots(w http.ResponseWriter, r *http.Request, _ *visit) error {
	id, err := idOf(r, "issue")
	if err != nil {
		return err
	}
	if _, err := rm.Issues.Issue(r.Context(), id); err != nil {
		return err
	}
	p, err := rm.Issues.Plots(r.Context(), id)
	if err != nil {
		return err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
	return nil
}

// Last is the course for the table beside the plots: at most so many points, the last one among them.
func (p *Plots) Last(most int) []PlotRow {
	var rows []PlotRow
	every := max(1, (len(p.Times)+most-1)/most)
	for n := len(p.Times) - 1; n >= 0; n -= every {
		row := PlotRow{At: time.Unix(p.Times[n], 0).UTC()}
		for k := n; k > n-every && k >= 0; k-- { // the mean of what the row stands for
			row.Taken += p.Taken[k]
		}
		row.Taken /= min(every, n+1)
		for _, s := range p.States {
			row.States = append(row.States, s.N[n])
		}
		rows = append(rows, row)
	}
	return rows
}

// PlotRow is a row of that table.
type PlotRow struct {
	At     time.Time
	Taken  int // a minute
	States []int
}
