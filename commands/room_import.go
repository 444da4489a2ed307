package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

// Import meets [room.Readers]. The file lies beside the database while it is read, or where temporary files are if
// that is a server's, without a name, so that nothing of it is left whatever happens.
func (w roomReaders) Import(ctx context.Context, by operators.By, name string, content io.Reader) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	if last, err := w.db.LastImport(ctx); err == nil && last.State == store.ImportRunning {
		return "", refusal(store.ErrImporting)
	}
	beside := ""
	if path := w.db.Path(); path != "" {
		beside = filepath.Dir(path)
	}
	f, err := os.CreateTemp(beside, ".import-*")
	if err != nil {
		return "", fmt.Errorf("put file by: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return "", errors.Join(fmt.Errorf("put file by: %w", err), f.Close())
	}
	size, err := io.Copy(f, content)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("put file by: %w", err), f.Close())
	}
	if size == 0 {
		return "", errors.Join(fmt.Errorf("%w: the file is empty, or none was chosen", room.ErrRefused), f.Close())
	}
	id, err := w.db.BeginImport(ctx, by, filepath.Base(name), size, w.now())
	if err != nil {
		return "", errors.Join(refusal(err), f.Close())
	}
	run := &importRun{engine: w.engine, file: f, ImportRun: store.ImportRun{ID: id, State: store.ImportRunning, Size: size}}
	w.jobs.begin(run.run)
	return fmt.Sprintf("%s is being brought in.", filepath.Base(name)), nil
}

// importRun brings a file in.
type importRun struct {
	*engine
	store.ImportRun
	file *os.File
	bad  []subscribers.RowError // since the last note
}

// Read counts what was read.
func (r *importRun) Read(b []byte) (int, error) {
	n, err := r.file.Read(b)
	r.Octets += int64(n)
	return n, err
}

func (r *importRun) run(ctx context.Context) {
	defer r.file.Close()
	err := r.rows(ctx)
	switch {
	case ctx.Err() != nil:
		r.State, r.Error = store.ImportUnfinished, "the program ended; bring the file in again: rows that are in stay as they are"
	case err != nil:
		r.State, r.Error = store.ImportFailed, err.Error()
	default:
		r.State = store.ImportDone
	}
	if err := r.db.NoteImport(context.WithoutCancel(ctx), &r.ImportRun, r.bad); err != nil {
		r.log.Error("import readers", slog.Any("error", err))
	}
}

func (r *importRun) rows(ctx context.Context) error {
	from, err := subscribers.NewReader(r, known(r.cfg))
	if err != nil {
		return err
	}
	note := func() error {
		err := r.db.NoteImport(ctx, &r.ImportRun, r.bad)
		r.bad = r.bad[:0]
		return err
	}
	_, err = importRows(ctx, from, func(e *subscribers.RowError) {
		r.bad = append(r.bad, *e)
		if r.Bad++; len(r.bad) == importChunk {
			if err := note(); err != nil {
				r.log.Error("import readers", slog.Any("error", err)) // the next note says it again, or ends the import
			}
		}
	}, func(ctx context.Context, some []subscribers.Row) (store.Imported, error) {
		n, err := r.db.ImportRows(ctx, some, r.now())
		if err != nil {
			return n, err
		}
		r.Counts.Add(n)
		return n, note()
	})
	if err == nil && r.Bad > 0 && r.Counts.Rows() == 0 {
		return fmt.Errorf("no row is good, %d are bad; nothing was imported", r.Bad)
	}
	return err
}

// shownErrors is how many bad rows the page shows.
const shownErrors = 20

// LastImport meets [room.Readers].
func (w roomReaders) LastImport(ctx context.Context) (*room.Import, error) {
	r, err := w.db.LastImport(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := r.Counts
	out := &room.Import{ID: r.ID, File: r.File, Who: r.Who, Began: r.Began, Beat: r.Beat, State: r.State, Size: r.Size, Octets: r.Octets,
		Rows: c.Rows() + r.Bad, New: c.New, Changed: c.Changed, Same: c.Same, Suppressed: c.Suppressed, Erased: c.Erased, Idle: c.Idle, Bad: r.Bad, Error: r.Error}
	bad, err := w.db.ImportErrors(ctx, r.ID, shownErrors)
	for _, e := range bad {
		out.Errors = append(out.Errors, room.RowFault{Line: e.Line, Field: e.Column, Reason: e.Reason})
	}
	return out, err
}

// ImportErrors meets [room.Readers].
func (w roomReaders) ImportErrors(ctx context.Context, out io.Writer) error {
	r, err := w.db.LastImport(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: no file was brought in", room.ErrNotFound)
	}
	if err != nil {
		return err
	}
	bad, err := w.db.ImportErrors(ctx, r.ID, 1<<20)
	if err != nil {
		return err
	}
	rows := make([][]string, len(bad))
	for n, e := range bad {
		rows[n] = []string{strconv.Itoa(e.Line), e.Column, e.Reason}
	}
	return subscribers.WriteTable(out, []string{"line", "column", "what is wrong"}, rows)
}

// Export meets [room.Readers].
func (w roomReaders) Export(ctx context.Context, by operators.By, out io.Writer) error {
	if err := needWhy(by); err != nil {
		return err
	}
	if err := w.db.Note(ctx, by, "readers export", "all readers", "", w.now()); err != nil {
		return err
	}
	return exportReaders(ctx, w.db, out)
}

// exportReaders writes all readers as CSV.
func exportReaders(ctx context.Context, db *store.DB, out io.Writer) error {
	csv := subscribers.NewWriter(out)
	for s, err := range db.Subscribers(ctx, store.SubscriberFilter{}) {
		if err != nil {
			return err
		}
		if err := csv.Write(s.Settings); err != nil {
			return fmt.Errorf("write readers: %w", err)
		}
	}
	return csv.Flush()
}
