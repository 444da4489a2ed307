package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// importChunk is how many rows share a transaction.
const importChunk = 500

func (p *program) subscribersImport() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Bring readers in from CSV; bad rows are reported and the rest goes on",
		Long: `Reads CSV with a header, columns in any order: email (required), name, sections (ids in order, ;
between them, -id muted, ~id less), editions (;), hour, days (1-7, ;), zone, language, format (html,
text), status (active, pending, paused, unsubscribed), external_id, consent_source, consent_at.
An empty cell changes nothing. A new reader without status is active if consent_source is filled,
else pending; one who is pending or unsubscribed stays so. A row that says unsubscribed bars the
address, and no import lifts a bar. Exit code 1 says that not one row was good.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			now, err := p.clock()
			if err != nil {
				return err
			}
			cfg, db, err := p.configAndDatabase(c.Context(), true)
			if err != nil {
				return err
			}
			in, done, err := p.openInput(args[0])
			if err != nil {
				return err
			}
			defer done()
			rows, err := subscribers.NewReader(in, known(cfg))
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			for _, w := range rows.Warnings() {
				fmt.Fprintf(p.stderr, "%s: %s\n", args[0], w)
			}
			count, err := importRows(c.Context(), rows.Next, func(e *subscribers.RowError) {
				fmt.Fprintf(p.stderr, "%s: %s\n", args[0], e)
			}, func(ctx context.Context, rows []subscribers.Row) (store.Imported, error) {
				return db.ImportRows(ctx, rows, now())
			})
			done()
			if count.Idle > 0 {
				fmt.Fprintf(p.stderr, "%s: note: %d new readers have no edition or no section and get no mail\n", args[0], count.Idle)
			}
			if asJSON {
				err = errors.Join(err, p.printJSON(count))
			} else {
				fmt.Fprintf(p.stdout, "%d new, %d changed, %d unchanged, %d suppressed, %d bad rows\n",
					count.New, count.Changed, count.Same, count.Suppressed, count.Bad)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return count.verdict(args[0])
		},
	}
	p.clockFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the counts as JSON")
	return c
}

type importCount struct {
	store.Imported
	Bad int `json:"bad"`
}

// verdict fails only if not one row was good: bad rows are reported, the others are in.
func (c importCount) verdict(file string) error {
	if c.Bad > 0 && c.New+c.Changed+c.Same == 0 {
		return fmt.Errorf("%s: all %d rows are bad; nothing was imported", file, c.Bad)
	}
	return nil
}

// importRows reads rows and saves them in chunks. Rows before a fault are saved.
func importRows[R any](ctx context.Context, next func() (R, error), bad func(*subscribers.RowError),
	save func(context.Context, []R) (store.Imported, error)) (count importCount, err error) {
	chunk := make([]R, 0, importChunk)
	flush := func() error {
		n, err := save(ctx, chunk)
		count.New += n.New
		count.Changed += n.Changed
		count.Same += n.Same
		count.Suppressed += n.Suppressed
		count.Idle += n.Idle
		chunk = chunk[:0]
		return err
	}
	for {
		row, err := next()
		if e, ok := errors.AsType[*subscribers.RowError](err); ok {
			count.Bad++
			bad(e)
			continue
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return count, errors.Join(flush(), err)
		}
		if chunk = append(chunk, row); len(chunk) == importChunk {
			if err := flush(); err != nil {
				return count, err
			}
		}
	}
}

func known(cfg *schedule.Config) subscribers.Known {
	k := subscribers.Known{Sections: map[string]bool{}, Editions: map[string]bool{}}
	for _, s := range cfg.Sections {
		k.Sections[s.ID] = true
	}
	for _, e := range cfg.Editions {
		k.Editions[e.Name] = true
	}
	return k
}

// openInput opens a file with a progress bar, or standard input for "-".
func (p *program) openInput(name string) (io.Reader, func(), error) {
	if name == "-" {
		return p.stdin, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	var size int64
	if info, err := f.Stat(); err == nil {
		size = info.Size()
	}
	b := progress(p.stderr, "octets", size)
	closed := false
	return &reading{Reader: f, bar: b}, func() {
		if !closed {
			closed = true
			b.done()
			f.Close()
		}
	}, nil
}

func (p *program) subscribersExport() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "export",
		Short: "Write all readers as CSV, safe to open in a spreadsheet",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			return p.writeOutput(out, func(w io.Writer) error {
				csv := subscribers.NewWriter(w)
				for s, err := range db.Subscribers(c.Context(), store.SubscriberFilter{}) {
					if err != nil {
						return err
					}
					if err := csv.Write(s.Settings); err != nil {
						return fmt.Errorf("write readers: %w", err)
					}
				}
				return csv.Flush()
			})
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write to `FILE`, readable by its owner alone, instead of standard output")
	return c
}

// writeOutput lets write fill a file, or standard output if name is "". A file that could not
// be written whole is removed.
func (p *program) writeOutput(name string, write func(io.Writer) error) error {
	if name == "" || name == "-" {
		return write(p.stdout)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		os.Remove(name)
		return err
	}
	return nil
}
