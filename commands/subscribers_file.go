package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// importChunk is how many rows share a transaction.
const importChunk = 500

func (p *program) subscribersImport() *cobra.Command {
	var asJSON bool
	var by func() operators.By
	c := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Bring readers in from CSV; bad rows are reported and the rest goes on",
		Long: `Reads CSV with a header, columns in any order: email (required), name, sections (ids in order, ;
between them, -id muted, ~id less), editions (;), hour, days (1-7, ;), zone, language, format (html,
text), status (active, pending, paused, unsubscribed), external_id, consent_source, consent_at,
paused_until (the end of a pause: a time, or a date, which begins in UTC).
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
			count, err := importCSV(c.Context(), p, args[0], func(in io.Reader) (csvRows[subscribers.Row], error) {
				return subscribers.NewReader(in, known(cfg))
			}, func(ctx context.Context, some []subscribers.Row) (store.Imported, error) {
				return db.ImportRows(ctx, some, now())
			})
			if err != nil && count == (importCount{}) { // not one row was read
				return err
			}
			detail := fmt.Sprintf("%d new, %d changed, %d unchanged, %d suppressed, %d bad rows", count.New, count.Changed, count.Same, count.Suppressed, count.Bad)
			if count.New+count.Changed+count.Suppressed > 0 {
				err = errors.Join(err, db.Note(c.Context(), by(), "readers import", "file "+filepath.Base(args[0]), detail, now()))
			}
			if count.Idle > 0 {
				fmt.Fprintf(p.stderr, "%s: note: %d new readers have no edition or no section and get no mail\n", args[0], count.Idle)
			}
			if count.Erased > 0 {
				fmt.Fprintf(p.stderr, "%s: note: %d rows are left out: their owners had everything erased, and only a confirmed sign-up brings them back\n", args[0], count.Erased)
			}
			if asJSON {
				return errors.Join(p.printJSON(count), err)
			}
			fmt.Fprintln(p.stdout, detail)
			return err
		},
	}
	p.clockFlag(c)
	by = byFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the counts as JSON")
	return c
}

type importCount struct {
	store.Imported
	Bad int `json:"bad"`
}

// csvRows is a CSV file of ours: readers or suppressions.
type csvRows[R any] interface {
	Warnings() []string
	Next() (R, error)
}

// importCSV reads the file of that name and saves it in chunks. Warnings and bad rows are
// reported as they come; it fails if not one row was good. What was saved before a fault stays.
func importCSV[R any](ctx context.Context, p *program, name string, open func(io.Reader) (csvRows[R], error),
	save func(context.Context, []R) (store.Imported, error)) (importCount, error) {
	in, done, err := p.openInput(name)
	if err != nil {
		return importCount{}, err
	}
	defer done()
	from, err := open(in)
	if err != nil {
		return importCount{}, fmt.Errorf("%s: %w", name, err)
	}
	for _, w := range from.Warnings() {
		fmt.Fprintf(p.stderr, "%s: %s\n", name, w)
	}
	count, err := importRows(ctx, from, func(e *subscribers.RowError) {
		fmt.Fprintf(p.stderr, "%s: %s\n", name, e)
	}, save)
	switch {
	case err != nil:
		return count, fmt.Errorf("%s: %w", name, err)
	case count.Bad > 0 && count.New+count.Changed+count.Same == 0:
		return count, fmt.Errorf("%s: no row is good, %d are bad; nothing was imported", name, count.Bad)
	}
	return count, nil
}

// importRows reads rows and saves them in chunks. Rows before a fault are saved.
func importRows[R any](ctx context.Context, from csvRows[R], bad func(*subscribers.RowError),
	save func(context.Context, []R) (store.Imported, error)) (count importCount, err error) {
	chunk := make([]R, 0, importChunk)
	flush := func() error {
		n, err := save(ctx, chunk)
		count.Add(n)
		chunk = chunk[:0]
		return err
	}
	for {
		row, err := from.Next()
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
			return p.writeOutput(out, func(w io.Writer) error { return exportReaders(c.Context(), db, w) })
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
