package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"broadsheet/digest"
)

// piece is the stored form of a [digest.Piece].
type piece struct {
	Fragment int64    `json:"f"`
	Values   []string `json:"v,omitempty"`
}

// store puts a digest on record and fills in its ID; isNew is false if the issue had it.
func (w *chunkWriter) store(ctx context.Context, d *digest.Digest) (isNew bool, err error) {
	err = w.t.scan(ctx, `SELECT id FROM digests WHERE issue = ?1 AND digest_key = ?2`, args{w.c.issue.ID, d.Key}, &d.ID)
	if !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	list := make([]piece, len(d.Pieces))
	for n, p := range d.Pieces {
		if p.Fragment.ID == 0 {
			if err := w.fragment(ctx, p.Fragment); err != nil {
				return false, fmt.Errorf("store fragment: %w", err)
			}
		}
		list[n] = piece{p.Fragment.ID, p.Values}
	}
	pieces, err := json.Marshal(list)
	if err != nil {
		return false, err
	}
	items, err := json.Marshal(d.Items)
	if err != nil {
		return false, err
	}
	told := []byte{} // not nil: the column is never NULL
	for _, item := range d.Items {
		told = binary.AppendUvarint(told, uint64(item.Story))
	}
	if err := w.t.scan(ctx, `INSERT INTO digests (issue, digest_key, language, zone, text_only, subject, html_size, items, pieces, stories)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id`, args{w.c.issue.ID, d.Key, d.Language, d.Zone, d.TextOnly,
		d.Subject, d.HTMLSize, string(items), string(pieces), told}, &d.ID); err != nil {
		return false, err
	}
	*w.fresh = append(*w.fresh, &d.ID)
	return true, nil
}

// fragment keeps a fragment once by its content.
func (w *chunkWriter) fragment(ctx context.Context, f *digest.Fragment) error {
	sum := sha256.Sum256(f.Body)
	hash := sum[:16]
	err := w.t.scan(ctx, `SELECT id FROM fragments WHERE hash = ?1`, args{hash}, &f.ID)
	if errors.Is(err, sql.ErrNoRows) {
		body := f.Body
		if body == nil {
			body = []byte{}
		}
		err = w.t.scan(ctx, `INSERT INTO fragments (hash, body) VALUES (?1, ?2) RETURNING id`, args{hash, body}, &f.ID)
	}
	if err == nil {
		*w.fresh = append(*w.fresh, &f.ID)
	}
	return err
}

// Digest meets [digest.Archive].
func (db *DB) Digest(ctx context.Context, id int64) (*digest.Digest, error) {
	d := &digest.Digest{ID: id}
	var items, pieces string
	err := db.read().scan(ctx, `SELECT digest_key, language, zone, text_only, subject, html_size, items, pieces FROM digests WHERE id = ?1`,
		args{id}, &d.Key, &d.Language, &d.Zone, &d.TextOnly, &d.Subject, &d.HTMLSize, &items, &pieces)
	if err != nil {
		return nil, fmt.Errorf("load digest: %w", notFound(err, "%d", id))
	}
	var list []piece
	if err := errors.Join(json.Unmarshal([]byte(items), &d.Items), json.Unmarshal([]byte(pieces), &list)); err != nil {
		return nil, fmt.Errorf("load digest %d: %w", id, err)
	}
	d.Pieces = make([]digest.Piece, len(list))
	for n, p := range list {
		d.Pieces[n] = digest.Piece{Fragment: &digest.Fragment{ID: p.Fragment}, Values: p.Values}
	}
	return d, nil
}

// Fragments meets [digest.Archive].
func (db *DB) Fragments(ctx context.Context, ids []int64) (map[int64]*digest.Fragment, error) {
	list, err := selectAll(ctx, db.read(), `SELECT f.id, f.body FROM `+db.dialect.ids(1)+` v CROSS JOIN fragments f WHERE f.id = v.value`, args{idList(ids)},
		func(r *sql.Rows) (*digest.Fragment, error) {
			f := &digest.Fragment{}
			return f, r.Scan(&f.ID, &f.Body)
		})
	if err != nil {
		return nil, fmt.Errorf("load fragments: %w", err)
	}
	found := make(map[int64]*digest.Fragment, len(list))
	for _, f := range list {
		found[f.ID] = f
	}
	return found, nil
}

// maxSeen is how many digests' stories are kept in memory: some 10 MB.
const maxSeen = 50_000

// storiesOf lists the stories of a digest that is committed.
func (db *DB) storiesOf(ctx context.Context, q querier, id int64) ([]int64, error) {
	db.seenMu.Lock()
	told, ok := db.seen[id]
	db.seenMu.Unlock()
	if ok {
		return told, nil
	}
	var b []byte
	if err := q.scan(ctx, `SELECT stories FROM digests WHERE id = ?1`, args{id}, &b); err != nil {
		return nil, fmt.Errorf("load stories of digest %d: %w", id, err)
	}
	for len(b) > 0 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, fmt.Errorf("load stories of digest %d: %w", id, ErrDamaged)
		}
		told, b = append(told, int64(v)), b[n:]
	}
	db.seenMu.Lock()
	defer db.seenMu.Unlock()
	if len(db.seen) >= maxSeen {
		clear(db.seen)
	}
	db.seen[id] = told
	return told, nil
}
