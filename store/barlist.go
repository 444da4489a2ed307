package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"broadsheet/subscribers"
)

// BarQuery says which suppressions an operator looks for. Zero fields do not filter.
type BarQuery struct {
	Address string // how it begins; erased ones have none
	Reason  string
	After   string // [BarPage.Next] of the page before
	Limit   int    // 0 = 50
}

// BarPage is what was found: the latest first, or by address where one was asked for.
type BarPage struct {
	Bars []Suppressed
	Next string // "" = there are no more
}

// FindSuppressions finds suppressions a page at a time.
func (db *DB) FindSuppressions(ctx context.Context, f BarQuery) (page BarPage, err error) {
	if f.Limit <= 0 {
		f.Limit = readersAPage
	}
	const columns = `SELECT hash, address, reason, note, at FROM suppressions`
	before, hash, err := cutBar(f.After)
	if err != nil {
		return page, err
	}
	query, values := columns+db.dialect.by("suppressions_at")+`WHERE (at, hash) < (?1, ?2) ORDER BY at DESC, hash DESC LIMIT ?3`, args{before, hash, f.Limit + 1}
	switch low := strings.ToLower(f.Address); {
	case low != "":
		query = columns + db.dialect.by("suppressions_address") + `WHERE address IS NOT NULL AND lower(address) >= ?1 AND lower(address) < ?2
			AND (?3 = '' OR reason = ?3) ORDER BY lower(address) LIMIT ?4`
		values = args{low, low + last, f.Reason, f.Limit + 1}
	case f.Reason != "":
		query = columns + db.dialect.by("suppressions_reason") + `WHERE reason = ?4 AND (at, hash) < (?1, ?2) ORDER BY at DESC, hash DESC LIMIT ?3`
		values = append(values, f.Reason)
	}
	page.Bars, err = selectAll(ctx, db.read(), query, values, scanSuppression)
	if err != nil {
		return page, fmt.Errorf("find suppressions: %w", err)
	}
	if len(page.Bars) > f.Limit {
		page.Bars = page.Bars[:f.Limit]
		if end := page.Bars[f.Limit-1]; f.Address == "" { // who narrows an address down needs no second page
			page.Next = strconv.FormatInt(us(end.At), 10) + "." + end.Hash.String()
		}
	}
	return page, nil
}

// cutBar reads a place in the list; it may have come from anywhere.
func cutBar(s string) (at int64, hash []byte, err error) {
	if s == "" {
		return 1 << 62, []byte{}, nil
	}
	number, text, _ := strings.Cut(s, ".")
	if at, err = strconv.ParseInt(number, 10, 64); err == nil {
		hash, err = hex.DecodeString(text)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("find suppressions: %w: %q is no place in the list", ErrNotFound, s)
	}
	return at, hash, nil
}

// SuppressionOf is the suppression of an address, nil if it is not barred.
func (db *DB) SuppressionOf(ctx context.Context, address string) (*subscribers.Suppression, error) {
	found, err := db.barred(ctx, db.read(), []string{address})
	if err != nil {
		return nil, fmt.Errorf("look for suppression of %s: %w", subscribers.Mask(address), err)
	}
	return found[0], nil
}

// LiftedBar is a suppression that was lifted.
type LiftedBar struct {
	subscribers.Suppression
	Lifted time.Time
	Why    string
}

// LiftedBars lists the suppressions of an address that were lifted, the first one first.
func (db *DB) LiftedBars(ctx context.Context, address string) ([]LiftedBar, error) {
	if db.opts.AddressHash == nil {
		return nil, fmt.Errorf("list lifted suppressions: %w", ErrNoKey)
	}
	hash := db.opts.AddressHash(subscribers.Fold(address))
	list, err := selectAll(ctx, db.read(), `SELECT reason, note, at, lifted_at, why FROM lifted_suppressions WHERE hash = ?1 ORDER BY id`, args{hash[:]},
		func(r *sql.Rows) (b LiftedBar, err error) {
			var at, lifted int64
			err = r.Scan(&b.Reason, &b.Note, &at, &lifted, &b.Why)
			b.At, b.Lifted = fromUS(at), fromUS(lifted)
			return b, err
		})
	if err != nil {
		return nil, fmt.Errorf("list lifted suppressions: %w", err)
	}
	return list, nil
}
