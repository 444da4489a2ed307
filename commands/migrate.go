package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"broadsheet/operators"
	"broadsheet/store"
)

func (p *program) migrate() *cobra.Command {
	var from, to string
	var asJSON bool
	var by func() operators.By
	c := &cobra.Command{
		Use: "migrate", Short: "Move the database to another place: from SQLite to PostgreSQL, and back", Args: cobra.NoArgs,
		Long: `Copies everything into an empty database, checks counts and hashes of all tables on both sides, and has the
target be the one that mails. What was half sent goes on there: nobody gets a second mail, and all links in
mails stay valid. Stop serve first (exit code 4 says that somebody is at work).

It may be interrupted at any moment: run it again with the same addresses, and it goes on where it was. The source
is marked and stays as it is: whatever sends, serves or writes there ends with exit code 5 and says where the database
is now. "broadsheet adopt --db SOURCE" takes that back.

BROADSHEET_DB_PASSWORD, or _FILE, is the password of an address that has a user and none.`,
		Example: `  broadsheet migrate --from broadsheet.db --to postgres://broadsheet@db.example/broadsheet
  broadsheet migrate --from postgres://broadsheet@db.example/broadsheet --to new.db`,
		RunE: func(c *cobra.Command, _ []string) error {
			if from == "" || to == "" {
				return usagef("--from and --to each name a database: a SQLite file or a postgres:// URL")
			}
			ring, err := p.keyring()
			if err != nil {
				return err
			}
			now, err := p.clock()
			if err != nil {
				return err
			}
			move := store.Move{AddressHash: ring.AddressHash, Fingerprint: ring.Fingerprint(), By: by(), Now: now}
			if move.From, err = p.withPassword(from); err != nil {
				return fmt.Errorf("--from: %w", err)
			}
			if move.To, err = p.withPassword(to); err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			show := p.newMoveBar()
			move.Progress = show.step
			report, err := move.Run(c.Context())
			show.done()
			if err != nil {
				return moveFailed(err)
			}
			if asJSON {
				return p.printJSON(struct {
					store.MoveReport
					Tables  []store.MovedTable `json:"tables"`
					Seconds float64            `json:"seconds"`
				}{report, list(report.Tables), report.Took.Seconds()})
			}
			return p.printMove(&report)
		},
	}
	c.Flags().StringVar(&from, "from", "", "`DSN` of the database that is to move")
	c.Flags().StringVar(&to, "to", "", "`DSN` of the empty database that it moves to; a SQLite file is made")
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object, with rows and hash of every table")
	by = byFlag(c)
	return c
}

// moveFailed gives an error of a move its exit code.
func moveFailed(err error) error {
	for code, of := range map[int][]error{
		exitBusy:  {store.ErrLocked, store.ErrInUse, store.ErrBusy},
		exitHeld:  {store.ErrMoved, store.ErrNotAdopted},
		exitUsage: {store.ErrNotEmpty, store.ErrSameDatabase, store.ErrKey, store.ErrNoDatabase},
	} {
		if slices.ContainsFunc(of, func(e error) bool { return errors.Is(err, e) }) {
			return &exitError{code, err}
		}
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: run the same command again, and it goes on where it was (%w)", errInterrupted)
	}
	return err
}

var errInterrupted = errors.New("nothing mails meanwhile, on either side")

func (p *program) printMove(report *store.MoveReport) error {
	if report.Before {
		fmt.Fprintf(p.stdout, "%s had arrived at %s before\n", report.From, report.To)
		return nil
	}
	t := p.table("TABLE", "ROWS", "HASH ON BOTH SIDES")
	for _, m := range report.Tables {
		if m.Rows > 0 {
			t.row(m.Name, itoa(m.Rows), m.Hash[:16])
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "\n%s is now %s: %d rows in %d tables in %.1f s, the same on both sides; it mails from there\n",
		report.From, report.To, report.Rows, len(report.Tables), report.Took.Seconds())
	if report.WentOn {
		fmt.Fprintln(p.stdout, "an earlier run had carried some of it")
	}
	for _, m := range report.Tables {
		if m.Cleaned > 0 {
			fmt.Fprintf(p.stdout, "%d texts in %s had octets that are no text (NUL or no UTF-8): they are \uFFFD now\n", m.Cleaned, m.Name)
		}
	}
	return nil
}

// moveBar shows how far a move is: a bar on a terminal, else a line every ten seconds.
type moveBar struct {
	p        *program
	bar      *bar
	checking bool
	began    time.Time
	first    int64 // rows that were there when it began
	said     time.Time
	tty      bool
	last     store.MoveStep
}

func (p *program) newMoveBar() *moveBar {
	f, ok := p.stderr.(*os.File)
	return &moveBar{p: p, bar: &bar{}, said: time.Now(), tty: ok && term.IsTerminal(int(f.Fd()))}
}

func (m *moveBar) step(s store.MoveStep) {
	if m.began.IsZero() || m.checking != s.Checking {
		m.bar.done()
		name := "moving rows"
		if s.Checking {
			name = "checking rows"
		}
		m.bar = progress(m.p.stderr, name, s.Of)
		m.checking, m.began, m.first = s.Checking, time.Now(), s.Rows
	}
	m.last = s
	m.bar.set(s.Rows)
	if m.tty || time.Since(m.said) < 10*time.Second {
		return
	}
	m.said = time.Now()
	m.say()
}

// say prints a line.
func (m *moveBar) say() {
	s, took := m.last, time.Since(m.began).Seconds()
	rate := float64(s.Rows-m.first) / max(took, 0.001)
	left := "?"
	if rate > 0 {
		left = (time.Duration(float64(s.Of-s.Rows)/rate) * time.Second).String()
	}
	what := "moved"
	if s.Checking {
		what = "checked"
	}
	fmt.Fprintf(m.p.stderr, "%s %d of %d rows, %.0f rows/s, %s left; at %s\n", what, s.Rows, s.Of, rate, left, s.Table)
}

func (m *moveBar) done() { m.bar.done() }
