package room

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Live is what moves now. It comes from the database alone, so that it is right whichever process sends.
type Live struct {
	At    time.Time `json:"at"` // when it was read
	Runs  []LiveRun `json:"runs"`
	Wrong []string  `json:"wrong"` // level and key of each alarm
}

// Run finds an issue's run; nil if nothing of it is to go any more.
func (l *Live) Run(issue int64) *LiveRun {
	for n := range l.Runs {
		if l.Runs[n].ID == issue {
			return &l.Runs[n]
		}
	}
	return nil
}

// Age is how old it is.
func (l Live) Age() time.Duration { return time.Since(l.At) }

// LiveRun is an issue on its way.
type LiveRun struct {
	Issue
	Held   []string    `json:"held"`  // why nothing of it goes, one text each; none = it may go
	Waits  string      `json:"waits"` // for what time what is left waits, "" = for none
	Rate   float64     `json:"rate"`  // mails a second that relays take, of late
	Need   float64     `json:"need"`  // seconds until all is done at the pace of late, 0 = not known
	Relays []LiveRelay `json:"relays"`
}

// TimeLeft is Need in words.
func (r *LiveRun) TimeLeft() string {
	if r.Need <= 0 {
		return "not known"
	}
	return span(time.Duration(r.Need * float64(time.Second)))
}

// Pace is Rate in words.
func (r *LiveRun) Pace() string { return pace(r.Rate) }

// Pace is Rate in words.
func (r *LiveRelay) Pace() string { return pace(r.Rate) }

func pace(f float64) string {
	if f >= 10 {
		return number(int(f + 0.5))
	}
	return fmt.Sprintf("%.1f", f)
}

// LiveRelay is a relay's part in a run.
type LiveRelay struct {
	Name  string  `json:"name"`
	Taken int     `json:"taken"`
	Put   int     `json:"put_off"` // tried, and to be tried again
	Bad   int     `json:"refused"` // for good
	ToGo  int     `json:"to_go"`   // about
	Rate  float64 `json:"rate"`
	State string  `json:"state"` // what is known of the relay: "" = nothing, up, slow, down since …
}

const (
	liveBeat       = time.Second
	liveMost       = 15 * time.Second // then the browser comes anew, through the door: who has logged out does not get in
	liveRetry      = 200              // milliseconds until it does
	streamPatience = 30 * time.Second // with who does not read
)

// live tells a browser what moves as long as it listens: an event a second. Between two of them nobody
// holds anything; all who watch share what was read.
func (rm *Room) live(w http.ResponseWriter, r *http.Request, _ *visit) error {
	first, err := rm.Issues.Live(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead { // it would hold its connection for nothing
		return nil
	}
	w.Header().Set("X-Accel-Buffering", "no") // a web server in front must pass it on at once
	to := http.NewResponseController(w)
	end := time.Now().Add(liveMost)
	beat := time.NewTimer(0)
	defer beat.Stop()
	for now := first; ; {
		b, err := json.Marshal(struct {
			*Live
			Age float64 `json:"age_s"`
		}{now, now.Age().Seconds()})
		if err != nil {
			return err
		}
		_ = to.SetWriteDeadline(time.Now().Add(streamPatience))
		if _, err := fmt.Fprintf(w, "retry: %d\ndata: %s\n\n", liveRetry, b); err != nil {
			return nil // gone
		}
		if err := to.Flush(); err != nil {
			return nil
		}
		beat.Reset(max(liveBeat-now.Age(), liveBeat/10)) // from what was read, not from when it was sent
		select {
		case <-r.Context().Done(): // gone, or the server ends
			return nil
		case <-beat.C:
		}
		if time.Now().After(end) {
			return nil
		}
		if now, err = rm.Issues.Live(r.Context()); err != nil {
			if r.Context().Err() == nil {
				rm.Log.Error("look at running issues", slog.Any("error", err))
			}
			return nil // the browser comes again
		}
	}
}

// span is a duration for people, to two units.
func span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}
