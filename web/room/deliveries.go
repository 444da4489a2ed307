package room

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"broadsheet/mailer"
)

type deliveriesPage struct {
	Issue  *Issue
	Filter Filter
	List   []Delivery
	Next   int64
	States []mailer.State
}

func (rm *Room) deliveries(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := rm.filter(r)
	if err != nil {
		return err
	}
	p := deliveriesPage{Filter: f, States: mailer.States}
	if p.Issue, err = rm.Issues.Issue(r.Context(), f.Issue); err != nil {
		return err
	}
	if p.List, p.Next, err = rm.Issues.Browse(r.Context(), f); err != nil {
		return err
	}
	return rm.show(w, v, "deliveries", p)
}

// filter reads and checks what a request asks for.
func (rm *Room) filter(r *http.Request) (f Filter, err error) {
	id, err := idOf(r, "issue")
	if err != nil {
		return f, err
	}
	f = filterOf(r, id)
	if f.State != "" && !slices.Contains(mailer.States, mailer.State(f.State)) {
		return f, fmt.Errorf("%q is no state of a delivery: %w", f.State, ErrRefused)
	}
	return f, nil
}

func (rm *Room) delivery(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := idOf(r, "delivery")
	if err != nil {
		return err
	}
	d, err := rm.Issues.Delivery(r.Context(), id)
	if err != nil {
		return err
	}
	return rm.show(w, v, "delivery", d)
}

// exportHead are the columns of an export.
var exportHead = []string{"id", "issue", "subscriber", "address", "state", "reason", "attempts", "code", "enhanced", "text", "relay", "at"}

func (rm *Room) deliveriesCSV(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return rm.export(w, r, "csv", "text/csv; charset=utf-8", func() (func(*Delivery) error, func() error) {
		out := csv.NewWriter(w)
		_ = out.Write(exportHead) // what goes wrong is told by the last flush
		return func(d *Delivery) error {
				cells := []string{strconv.FormatInt(d.ID, 10), strconv.FormatInt(d.Issue, 10), strconv.FormatInt(d.Subscriber, 10), d.Address, d.State, d.Reason,
					strconv.Itoa(d.Attempts), strconv.Itoa(d.Code), d.Enhanced, d.Text, d.Relay, d.At.UTC().Format(time.RFC3339)}
				for n := range cells {
					cells[n] = armed(cells[n])
				}
				return out.Write(cells)
			}, func() error {
				out.Flush()
				return out.Error()
			}
	})
}

// deliveriesJSON writes one object a line, as `deliveries list --json` does.
func (rm *Room) deliveriesJSON(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return rm.export(w, r, "json", "application/x-ndjson", func() (func(*Delivery) error, func() error) {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		return func(d *Delivery) error { return out.Encode(d) }, func() error { return nil }
	})
}

// export writes what is asked for as a file to be kept. It may be long: each stretch of it has the time
// that a page has.
func (rm *Room) export(w http.ResponseWriter, r *http.Request, ending, kind string, begin func() (one func(*Delivery) error, end func() error)) error {
	f, err := rm.filter(r)
	if err != nil {
		return err
	}
	if _, err := rm.Issues.Issue(r.Context(), f.Issue); err != nil {
		return err
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="issue-%d-deliveries.%s"`, f.Issue, ending))
	to := http.NewResponseController(w)
	one, end := begin()
	n := 0
	for d, err := range rm.Issues.Export(r.Context(), f) {
		if err == nil {
			err = one(&d)
		}
		if err != nil {
			rm.cut(r, err)
		}
		if n++; n%1000 == 0 {
			_ = to.SetWriteDeadline(time.Now().Add(streamPatience))
		}
	}
	if err := end(); err != nil {
		rm.cut(r, err)
	}
	return nil
}

// cut ends an answer that has begun, so that nobody takes it for whole.
func (rm *Room) cut(r *http.Request, err error) {
	if r.Context().Err() == nil {
		rm.Log.Error("export deliveries", slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	panic(http.ErrAbortHandler)
}

// armed puts a single quote before what a spreadsheet would take for a formula: much of an export is what
// strangers' servers said.
func armed(cell string) string {
	bare := strings.TrimLeft(cell, "' ")
	if bare != "" && strings.IndexByte("=+-@\t\r\n\x00", bare[0]) >= 0 {
		return "'" + cell
	}
	return cell
}
