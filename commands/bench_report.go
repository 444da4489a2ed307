package commands

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"broadsheet/bench"
	"broadsheet/store"
)

// benchReport is what bench prints. A figure that was not measured is null.
type benchReport struct {
	Reference   *string `json:"reference"` // null = our own sender
	Readers     int     `json:"readers"`
	Stories     int     `json:"stories"`
	Sections    int     `json:"sections"`
	Digests     int     `json:"digests"`
	Connections int     `json:"connections"`
	InDoubt     int     `json:"in_doubt"`
	Dialogue    *string `json:"dialogue"`
	TLS         bool    `json:"tls"`
	DKIM        bool    `json:"dkim"`
	DelayMS     float64 `json:"delay_ms"`
	Pinned      bool    `json:"pinned"`

	ImportS  float64 `json:"import_s"`
	StoriesS float64 `json:"stories_s"`
	OpenS    float64 `json:"open_s"`
	SendS    float64 `json:"send_s"`

	Messages     int      `json:"messages"` // accepted
	PerSecond    float64  `json:"messages_per_s"`
	MessageBytes *float64 `json:"message_bytes"` // on the wire, envelope and all
	CPU          *float64 `json:"cpu_us_per_message"`
	RelayCPU     *float64 `json:"relay_cpu_us_per_message"`
	Allocs       *float64 `json:"allocs_per_message"`
	AllocBytes   *float64 `json:"alloc_bytes_per_message"`
	RoundTrips   *float64 `json:"round_trips_per_message"` // replies of the relay
	Writes       *float64 `json:"writes_per_message"`      // reads of the relay
	RSA          *float64 `json:"rsa_us"`                  // processor for one RSA signature alone, with dkim

	Commits  *float64 `json:"commits_per_message"` // of the ledger; several connections share one
	CommitS  *float64 `json:"commit_s"`            // spent in commits, their syncs among it
	JournalS *float64 `json:"journal_s"`           // spent in writing and syncing the journal of handed mails
	Marks    *float64 `json:"marks_per_commit"`

	ServerCPU       *float64 `json:"server_cpu_us_per_message"` // of PostgreSQL, where it is on this machine
	DeliveriesBytes *float64 `json:"deliveries_bytes_per_message"`
	LedgerBytes     *float64 `json:"ledger_bytes_per_message"`

	PeakRSS       int64 `json:"peak_rss_bytes"` // the most of all phases
	ImportRSS     int64 `json:"import_rss_bytes"`
	OpenRSS       int64 `json:"open_rss_bytes"`
	SendRSS       int64 `json:"send_rss_bytes"`
	DatabaseBytes int64 `json:"database_bytes"`

	Pages   *int     `json:"pages"` // that watchers opened
	Slowest *float64 `json:"slowest_page_ms"`
	Where   *string  `json:"slowest_page"`
	Oldest  *float64 `json:"oldest_figures_s"` // that a watcher saw

	Unfinished int  `json:"unfinished"` // deliveries without an outcome
	Balanced   bool `json:"balanced"`

	counted int64 // messages that the relay counted; -1 = it does not
}

// sent puts in what the sending took.
func (r *benchReport) sent(w bench.Work, messages int) {
	r.SendS, r.SendRSS, r.Messages = w.Time.Seconds(), w.Peak, messages
	r.PeakRSS = max(r.PeakRSS, w.Peak)
	r.PerSecond = float64(messages) / w.Time.Seconds()
	r.CPU = per(w.CPU.Microseconds(), messages)
	r.Allocs, r.AllocBytes = per(w.Allocs, messages), per(w.Octets, messages)
	r.counted = -1
}

// ledger puts in what the database did between two looks at it.
func (r *benchReport) ledger(before, after store.Stats) {
	commits := after.Commits - before.Commits
	r.Commits = per(commits, r.Messages)
	r.CommitS = new((after.Commit - before.Commit).Seconds())
	r.JournalS = new((after.Sync - before.Sync).Seconds())
	r.Marks = per(after.Marks-before.Marks, commits)
}

// sizes puts in what the database takes.
func (r *benchReport) sizes(s store.Sizes) {
	r.DatabaseBytes = s.Database
	if s.Deliveries > 0 {
		r.DeliveriesBytes, r.LedgerBytes = per(s.Deliveries, r.Messages), per(s.Ledger, r.Messages)
	}
}

// watched puts in what those saw who watched.
func (r *benchReport) watched(w *watchers) {
	r.Pages, r.Slowest, r.Where, r.Oldest = &w.pages, new(float64(w.slowest)/1e6), &w.where, &w.oldest
}

// relay puts in what bench's own relay counted.
func (r *benchReport) relay(c *relayCounts) {
	n := int(c.Messages)
	r.MessageBytes, r.RoundTrips, r.Writes, r.RelayCPU = per(c.Octets, n), per(c.Replies, n), per(c.Reads, n), per(c.CPU, n)
	r.counted = c.Messages
}

// check says what is wrong with the books.
func (r *benchReport) check() error {
	var errs []error
	if !r.Balanced {
		errs = append(errs, errors.New("the books do not balance"))
	}
	if r.Unfinished > 0 {
		errs = append(errs, fmt.Errorf("%d of %d deliveries have no outcome", r.Unfinished, r.Readers))
	}
	if r.counted >= 0 && r.counted != int64(r.Messages) {
		errs = append(errs, fmt.Errorf("the relay counted %d mails, and %d are on record as accepted", r.counted, r.Messages))
	}
	return errors.Join(errs...)
}

func (p *program) printBench(r *benchReport, asJSON bool) error {
	if asJSON {
		return p.printJSON(r)
	}
	t := p.table("WHAT", "MEASURED")
	if r.Reference == nil {
		t.row("issue", fmt.Sprintf("%d readers, %d stories in %d sections, %d digests", r.Readers, r.Stories, r.Sections, r.Digests))
		t.row("import, stories, opening", fmt.Sprintf("%s, %s, %s", seconds(r.ImportS), seconds(r.StoriesS), seconds(r.OpenS)))
		t.row("sending", fmt.Sprintf("%d mails in %s, %d connections, in_doubt %d, dialogue %s", r.Messages, seconds(r.SendS), r.Connections, r.InDoubt, *r.Dialogue))
	} else {
		t.row("sending", fmt.Sprintf("%d mails in %s, %d connections, %s", r.Messages, seconds(r.SendS), r.Connections, *r.Reference))
	}
	t.row("messages a second", strconv.FormatFloat(r.PerSecond, 'f', 0, 64))
	figure := func(name string, v *float64, decimals int, unit string) {
		if v != nil {
			t.row(name, strconv.FormatFloat(*v, 'f', decimals, 64)+unit)
		}
	}
	figure("octets a message", r.MessageBytes, 0, "")
	figure("processor a message", r.CPU, 1, " µs")
	figure("the relay's", r.RelayCPU, 1, " µs")
	figure("PostgreSQL's", r.ServerCPU, 1, " µs")
	figure("deliveries on disk, a message", r.DeliveriesBytes, 0, " octets")
	figure("the whole ledger", r.LedgerBytes, 0, " octets")
	figure("allocations a message", r.Allocs, 1, "")
	figure("allocated a message", r.AllocBytes, 0, " octets")
	figure("round trips a message", r.RoundTrips, 2, "")
	figure("writes a message", r.Writes, 2, "")
	figure("an RSA signature alone", r.RSA, 1, " µs")
	figure("commits a message", r.Commits, 3, "")
	figure("marks a commit", r.Marks, 1, "")
	if r.CommitS != nil {
		t.row("in commits, in the journal", seconds(*r.CommitS)+", "+seconds(*r.JournalS))
	}
	t.row("peak memory", fmt.Sprintf("%s (import %s, opening %s, sending %s)", mega(r.PeakRSS), mega(r.ImportRSS), mega(r.OpenRSS), mega(r.SendRSS)))
	if r.Reference == nil {
		t.row("database", mega(r.DatabaseBytes))
	}
	if r.Pages != nil {
		t.row("watched", fmt.Sprintf("%d pages, the slowest %.0f ms (%s), figures %.1f s old at most", *r.Pages, *r.Slowest, *r.Where, *r.Oldest))
	}
	if r.Balanced && r.Unfinished == 0 {
		t.row("books", "balance")
	}
	return t.flush()
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond).String()
}
func mega(octets int64) string { return fmt.Sprintf("%.1f MB", float64(octets)/(1<<20)) }
