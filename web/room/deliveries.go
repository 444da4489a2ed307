package room

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
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
	return rm.export(w, r, "csv", kindCSV, func(list iter.Seq2[Delivery, error], to io.Writer) error {
		out := csv.NewWriter(to)
		if err := out.Write(exportHead); err != nil {
			return err
		}
		for d, err := range list {
			if err != nil {
				return err
			}
			cells := []string{strconv.FormatInt(d.ID, 10), strconv.FormatInt(d.Issue, 10), strconv.FormatInt(d.Subscriber, 10), d.Address, d.State, d.Reason,
				strconv.Itoa(d.Attempts), strconv.Itoa(d.Code), d.Enhanced, d.Text, d.Relay, d.At.UTC().Format(time.RFC3339)}
			for n := range cells {
				cells[n] = armed(cells[n])
			}
			if err := out.Write(cells); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	})
}

// deliveriesJSON writes one object a line, as `deliveries list --json` does.
func (rm *Room) deliveriesJSON(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return rm.export(w, r, "json", kindLines, writeLines[Delivery])
}

// writeLines writes one object a line.
func writeLines[T any](list iter.Seq2[T, error], to io.Writer) error {
	buffer := bufio.NewWriter(to)
	out := json.NewEncoder(buffer)
	out.SetEscapeHTML(false)
	for v, err := range list {
		if err != nil {
			return err
		}
		if err := out.Encode(v); err != nil {
			return err
		}
	}
	return buffer.Flush()
}

// export sends what is asked for as a file.
func (rm *Room) export(w http.ResponseWriter, r *http.Request, ending, kind string, write func(list iter.Seq2[Delivery, error], to io.Writer) error) error {
	f, err := rm.filter(r)
	if err != nil {
		return err
	}
	if _, err := rm.Issues.Issue(r.Context(), f.Issue); err != nil {
		return err
	}
	return rm.download(w, r, kind, fmt.Sprintf("issue-%d-deliveries.%s", f.Issue, ending), func(to io.Writer) error {
		return write(rm.Issues.Export(r.Context(), f), to)
	})
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
