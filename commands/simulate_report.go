package commands

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"broadsheet/capacity"
)

// latenessJSON is in minutes.
type latenessJSON struct {
	P50  int64 `json:"p50_min"`
	P99  int64 `json:"p99_min"`
	Most int64 `json:"max_min"`
}

func jsonLateness(l capacity.Lateness) latenessJSON {
	return latenessJSON{int64(l.P50.Minutes()), int64(l.P99.Minutes()), int64(l.Most.Minutes())}
}

// simulatedJSON is the last line of simulate --json.
type simulatedJSON struct {
	Summary    bool               `json:"summary"` // true
	Readers    int64              `json:"readers"`
	Date       string             `json:"date"`
	Issues     int                `json:"issues"`
	Without    int64              `json:"readers_without_slot"`
	Begins     *string            `json:"begins"`
	Finished   *string            `json:"finished"`
	Minutes    int64              `json:"minutes"`
	Due        int64              `json:"due"`
	Sent       int64              `json:"sent"`
	Failed     int64              `json:"failed"`
	Expired    int64              `json:"expired"`
	Tries      int64              `json:"tries"`
	Urgent     int64              `json:"urgent"`
	UrgentMost int64              `json:"urgent_backlog_max"`
	Peak       int64              `json:"peak_backlog"`
	PeakAt     *string            `json:"peak_at"`
	Fastest    int64              `json:"sent_max_per_min"`
	Late       latenessJSON       `json:"late"`
	WorstZone  *string            `json:"worst_zone"`
	Worst      latenessJSON       `json:"worst_zone_late"`
	OverTarget float64            `json:"over_target_h"`
	Limit      *string            `json:"limit"`
	Limits     map[string]float64 `json:"limits_h"`
	Loads      map[string]float64 `json:"loads_max"`
	SenderH    float64            `json:"sender_core_h"`
	DatabaseH  float64            `json:"database_core_h"`
	Wire       int64              `json:"wire_bytes"`
	WireMbit   float64            `json:"wire_max_mbit_s"`
	Kept       int64              `json:"database_bytes"`
}

func (p *program) printSimulated(plan *capacity.Plan, s *capacity.Summary, f *simulateFlags) error {
	if f.asJSON {
		limits := make(map[string]float64)
		for name, d := range s.Limits {
			limits[name] = d.Hours()
		}
		return p.printJSON(simulatedJSON{true, plan.Readers, plan.Date.Format(time.DateOnly), s.Issues, s.Without, stamp(s.Begins), stamp(s.Finished), s.Minutes,
			s.Due, s.Accepted, s.Failed, s.Expired, s.Tries, s.Urgent, s.UrgentMost, s.Peak, stamp(s.PeakAt), s.Fastest,
			jsonLateness(s.Late), text(s.WorstZone), jsonLateness(s.Worst), s.OverTarget.Hours(), text(s.Limit), limits, s.Loads,
			s.SenderCPU.Hours(), s.DatabaseCPU.Hours(), s.WireOctets, wireMost(plan, s), s.KeptOctets})
	}
	to := p.stdout
	if f.asCSV {
		to = p.stderr
	}
	return writeSimulated(to, plan, s)
}

// wireMost is the most Mbit/s on all lines together in a minute, retries of that minute aside.
func wireMost(plan *capacity.Plan, s *capacity.Summary) float64 {
	return float64(s.Fastest) / 60 * float64(plan.Fleet.Size) * 8 / 1e6
}

func writeSimulated(to io.Writer, plan *capacity.Plan, s *capacity.Summary) error {
	w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("SUMMARY", "")
	row("readers", "%s in %s, %s", grouped(plan.Readers), count(len(plan.Zones), "zone"), count(s.Issues, "issue"))
	if s.Without > 0 {
		row("without a slot", "%s: their calendars skip the date", grouped(s.Without))
	}
	row("mails", "%s due = %s sent + %s failed + %s expired", grouped(s.Due), grouped(s.Accepted), grouped(s.Failed), grouped(s.Expired))
	if s.Urgent > 0 {
		row("urgent", "%s sent, at most %s waited", grouped(s.Urgent), grouped(s.UrgentMost))
	}
	if s.Minutes == 0 {
		return w.Flush()
	}
	const day = "2006-01-02 15:04"
	finished := "never"
	if !s.Finished.IsZero() {
		finished = s.Finished.Format(day + ":05")
	}
	row("from, to", "%s, %s UTC", s.Begins.Format(day), finished)
	if s.Peak > 0 {
		row("peak backlog", "%s at %s UTC", grouped(s.Peak), s.PeakAt.Format(day))
	} else {
		row("peak backlog", "none")
	}
	late := func(l capacity.Lateness) string {
		return fmt.Sprintf("p50 %s, p99 %s, most %s", duration(l.P50), duration(l.P99), duration(l.Most))
	}
	row("after the slot", "%s (the spread is in it)", late(s.Late))
	if s.WorstZone != "" {
		row("worst zone", "%s: %s", s.WorstZone, late(s.Worst))
	}
	row("over the target", "%s with mail due for longer than %s", duration(s.OverTarget), duration(plan.Target))
	if s.Limit == "" {
		row("limit", "none: no minute left a backlog")
	} else {
		var parts []string
		for _, name := range byTime(s.Limits) {
			parts = append(parts, fmt.Sprintf("%s for %s", name, duration(s.Limits[name])))
		}
		row("limit", "%s", strings.Join(parts, ", "))
	}
	var loads []string
	names := []string{capacity.Opening, capacity.Databases, capacity.Senders, capacity.Wire, capacity.Connections, capacity.Relays}
	for _, v := range plan.Providers {
		names = append(names, v.Name)
	}
	for _, name := range names {
		loads = append(loads, fmt.Sprintf("%s %.0f%%", name, 100*s.Loads[name]))
	}
	row("highest load", "%s", strings.Join(loads, ", "))
	row("fastest minute", "%s a second, %s Mbit/s", grouped(s.Fastest/60), grouped(int64(wireMost(plan, s))))
	row("processors", "senders %.2f core hours, databases %.2f", s.SenderCPU.Hours(), s.DatabaseCPU.Hours())
	row("wire, database", "%s GB, %s GB more on disk", decimal(float64(s.WireOctets)/1e9), decimal(float64(s.KeptOctets)/1e9))
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// byTime lists names, the longest time first.
func byTime(times map[string]time.Duration) (names []string) {
	for name := range times {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if times[a] != times[b] {
			return int(times[b] - times[a])
		}
		return strings.Compare(a, b)
	})
	return names
}
