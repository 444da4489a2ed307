package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"broadsheet/operators"
	"broadsheet/subscribers"
)

// States of an import.
const (
	ImportRunning    = "running"
	ImportDone       = "done"
	ImportFailed     = "failed"
	ImportUnfinished = "unfinished" // it was running when its program ended
)

// ImportRun is a file of readers that an operator brought in by a page.
type ImportRun struct {
	ID     int64
	File   string // its name, as the operator's machine has it
	Who    string
	Size   int64 // octets
	Began  time.Time
	Beat   time.Time // when it last got on, by the machine's clock
	State  string
	Octets int64 // read so far
	Counts Imported
	Bad    int
	Error  string // why it failed
}

// importSilence is how long after its last sign of life an import counts as unfinished.
const importSilence = 15 * time.Second

// maxImportErrors is how many bad rows are kept: a file with more has one fault in all rows.
const maxImportErrors = 10_000

// ErrImporting says that another import is running.
var ErrImporting = errors.New("another import is running")

// BeginImport puts an import on record. The error is [ErrImporting] while another one is running. The bad
// rows of the one before it go.
func (db *DB) BeginImport(ctx context.Context, by operators.By, file string, size int64, now time.Time) (id int64, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		var running int
		if err := t.scan(ctx, `SELECT count(*) FROM imports WHERE id = (SELECT max(id) FROM imports) AND state = ?1 AND beat > ?2`, args{ImportRunning, us(db.real().Add(-importSilence))}, &running); err != nil {
			return err
		}
		if running > 0 {
			return ErrImporting
		}
		if _, err := t.exec(ctx, `DELETE FROM import_errors`); err != nil {
			return err
		}
		if err := t.scan(ctx, `INSERT INTO imports (file, who, size, began, beat, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id`,
			args{oneLine(file, 200), by.Who, size, us(now), us(db.real()), ImportRunning}, &id); err != nil {
			return err
		}
		return t.audit(ctx, by, "readers import", fmt.Sprintf("import %d", id), fmt.Sprintf("%s, %d octets", oneLine(file, 200), size), now)
	})
	if err != nil {
		return 0, fmt.Errorf("begin import: %w", err)
	}
	return id, nil
}

// NoteImport says how far an import is, with the bad rows that came since the last time.
func (db *DB) NoteImport(ctx context.Context, r *ImportRun, bad []subscribers.RowError) error {
	counts, err := json.Marshal(r.Counts)
	if err != nil {
		return err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `UPDATE imports SET beat = ?2, state = ?3, octets = ?4, counts = ?5, bad = ?6, error = ?7 WHERE id = ?1`,
			r.ID, us(db.real()), r.State, r.Octets, string(counts), r.Bad, oneLine(r.Error, 500)); err != nil {
			return err
		}
		for n := range bad {
			at := r.Bad - len(bad) + n
			if at >= maxImportErrors {
				break
			}
			if _, err := t.exec(ctx, `INSERT INTO import_errors (import, n, line, field, reason) VALUES (?1, ?2, ?3, ?4, ?5)`,
				r.ID, at, bad[n].Line, bad[n].Column, oneLine(bad[n].Reason, 500)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note import: %w", err)
	}
	return nil
}

// LastImport is the latest import; [ErrNotFound] if there was none.
func (db *DB) LastImport(ctx context.Context) (r ImportRun, err error) {
	list, err := selectAll(ctx, db.read(), `SELECT id, file, who, size, began, beat, state, octets, counts, bad, error FROM imports WHERE id = (SELECT max(id) FROM imports)`, nil,
		func(rows *sql.Rows) (r ImportRun, err error) {
			var began, beat int64
			var counts []byte
			if err := rows.Scan(&r.ID, &r.File, &r.Who, &r.Size, &began, &beat, &r.State, &r.Octets, &counts, &r.Bad, &r.Error); err != nil {
				return r, err
			}
			r.Began, r.Beat = fromUS(began), fromUS(beat)
			return r, json.Unmarshal(counts, &r.Counts)
		})
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("load last import: %w", err)
	}
	if r = list[0]; r.State == ImportRunning && db.real().Sub(r.Beat) > importSilence {
		r.State = ImportUnfinished
	}
	return r, nil
}

// ImportErrors lists the bad rows of an import, at most limit and no more than 10,000.
func (db *DB) ImportErrors(ctx context.Context, id int64, limit int) ([]subscribers.RowError, error) {
	list, err := selectAll(ctx, db.read(), `SELECT line, field, reason FROM import_errors WHERE import = ?1 ORDER BY n LIMIT ?2`, args{id, limit},
		func(r *sql.Rows) (e subscribers.RowError, err error) { return e, r.Scan(&e.Line, &e.Column, &e.Reason) })
	if err != nil {
		return nil, fmt.Errorf("list bad rows of import %d: %w", id, err)
	}
	return list, nil
}
