package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"weak"

	"broadsheet/digest"
)

// store puts a digest on record and fills in its ID; isNew is false if the issue had it.
func (w *chunkWriter) store(ctx context.Context, d *digest.Digest) (isNew bool, err error) {
	w.ids = w.ids[:0]
	for n := range d.Pieces {
		id, err := w.fragment(ctx, d.Pieces[n].Fragment)
		if err != nil {
			return false, fmt.Errorf("store fragment: %w", err)
		}
		w.ids = append(w.ids, id)
	}
	err = w.t.scan(ctx, `INSERT INTO digests (issue, digest_key, language, zone, text_only, subject, html_size, body)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (issue, digest_key) DO NOTHING RETURNING id`, args{w.c.issue.ID, d.Key,
		d.Language, d.Zone, d.TextOnly, d.Subject, d.HTMLSize, w.packer.Pack(d, w.ids)}, &d.ID)
	if errors.Is(err, sql.ErrNoRows) { // written before a crash
		return false, w.t.scan(ctx, `SELECT id FROM digests WHERE issue = ?1 AND digest_key = ?2`, args{w.c.issue.ID, d.Key}, &d.ID)
	}
	if err != nil {
		return false, err
	}
	w.fresh = append(w.fresh, d)
	return true, nil
}

// forget takes back what a transaction that is not on record said of digests.
func (w *chunkWriter) forget() {
	for _, d := range w.fresh {
		d.ID = 0
	}
	*w = chunkWriter{}
}

// fragment keeps a fragment once by its content and returns its id.
func (w *chunkWriter) fragment(ctx context.Context, f *digest.Fragment) (id int64, err error) {
	if id, ok := w.used[f]; ok {
		return id, nil
	}
	if id, ok := w.c.db.fragments.find(w.c.issue.ID, f); ok {
		w.used[f] = id
		return id, nil
	}
	sum := sha256.Sum256(f.Body)
	hash := sum[:16]
	err = w.t.scan(ctx, `SELECT id FROM fragments WHERE hash = ?1`, args{hash}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		body := f.Body
		if body == nil {
			body = []byte{}
		}
		err = w.t.scan(ctx, `INSERT INTO fragments (hash, body) VALUES (?1, ?2) RETURNING id`, args{hash, body}, &id)
	}
	if err == nil {
		w.used[f] = id
	}
	return id, err
}

// fragmentIDs remembers the fragments that committed chunks of one issue use, so that not every
// chunk hashes them anew. They are known by pointer and for this issue only: it holds them in
// the database, while those of an earlier one may be gone. The pointers are weak, because it is
// for the press to say how much of its memory stays.
type fragmentIDs struct {
	mu    sync.Mutex
	issue int64
	ids   map[weak.Pointer[digest.Fragment]]int64
}

func (k *fragmentIDs) find(issue int64, f *digest.Fragment) (id int64, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.issue != issue {
		return 0, false
	}
	id, ok = k.ids[weak.Make(f)]
	return id, ok
}

// add notes what a committed chunk used; it forgets all other issues.
func (k *fragmentIDs) add(issue int64, used map[*digest.Fragment]int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.issue != issue || k.ids == nil {
		k.issue, k.ids = issue, make(map[weak.Pointer[digest.Fragment]]int64, len(used))
	}
	for f, id := range used {
		k.ids[weak.Make(f)] = id
	}
}

func (k *fragmentIDs) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.issue, k.ids = 0, nil
}

// Digest loads a digest with its fragments' ids; bodies come by Fragments.
func (db *DB) Digest(ctx context.Context, id int64) (*digest.Digest, error) {
	d := &digest.Digest{ID: id}
	var body []byte
	err := db.read().scan(ctx, `SELECT digest_key, language, zone, text_only, subject, html_size, body FROM digests WHERE id = ?1`,
		args{id}, &d.Key, &d.Language, &d.Zone, &d.TextOnly, &d.Subject, &d.HTMLSize, &body)
	if err != nil {
		return nil, fmt.Errorf("load digest: %w", notFound(err, "%d", id))
	}
	if err := digest.Unpack(body, d); err != nil {
		return nil, fmt.Errorf("load digest %d: %w", id, damaged(err))
	}
	return d, nil
}

// damaged tells a digest that is not what was written.
func damaged(err error) error {
	if errors.Is(err, digest.ErrPacked) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// Digests meets [digest.Archive].
func (db *DB) Digests(ctx context.Context, ids []int64, take func(id int64, p digest.Packed) error) error {
	var id int64
	var zone, subject, body sql.RawBytes
	into := []any{&id, &zone, &subject, &body}
	wanted := neighbours(slices.Clone(ids))
	slices.Sort(wanted)
	in, values := wanted.where(db.dialect, "g.id", 1)
	_, err := selectAll(ctx, db.read(), `SELECT g.id, g.zone, g.subject, g.body FROM digests g WHERE `+in, values, func(r *sql.Rows) (none struct{}, _ error) {
		if err := r.Scan(into...); err != nil {
			return none, err
		}
		if !wanted.have(id) {
			return none, nil
		}
		if err := take(id, digest.Packed{Zone: zone, Subject: subject, Body: body}); err != nil {
			return none, fmt.Errorf("digest %d: %w", id, damaged(err))
		}
		return none, nil
	})
	if err != nil {
		return fmt.Errorf("load digests: %w", err)
	}
	return nil
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

// digestStories remembers the stories of committed digests.
type digestStories struct {
	mu sync.Mutex
	of map[int64][]int64 // by digest
}

// maxTold is how many digests' stories are kept in memory: some 10 MB.
const maxTold = 50_000

// storiesOf lists the stories of committed digests.
func (db *DB) storiesOf(ctx context.Context, q querier, digests []int64) (map[int64][]int64, error) {
	told := make(map[int64][]int64, len(digests))
	var missing []int64
	db.told.mu.Lock()
	for _, id := range digests {
		if list, ok := db.told.of[id]; ok {
			told[id] = list
		} else if _, asked := told[id]; !asked {
			told[id] = nil
			missing = append(missing, id)
		}
	}
	db.told.mu.Unlock()
	if len(missing) == 0 {
		return told, nil
	}
	slices.Sort(missing)
	_, err := selectAll(ctx, q, `SELECT g.id, g.body FROM `+db.dialect.ids(1)+` v CROSS JOIN digests g WHERE g.id = v.value`, args{idList(missing)},
		func(r *sql.Rows) (none struct{}, err error) {
			var id int64
			var body sql.RawBytes
			if err := r.Scan(&id, &body); err != nil {
				return none, err
			}
			if told[id], err = digest.UnpackStories(body); err != nil {
				return none, fmt.Errorf("digest %d: %w", id, damaged(err))
			}
			return none, nil
		})
	if err != nil {
		return nil, fmt.Errorf("load stories of digests: %w", err)
	}
	db.told.mu.Lock()
	defer db.told.mu.Unlock()
	if len(db.told.of)+len(missing) > maxTold {
		db.told.of = make(map[int64][]int64, len(missing))
	}
	for _, id := range missing {
		db.told.of[id] = told[id]
	}
	return told, nil
}
