package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"broadsheet/subscribers"
)

// ReaderQuery says which readers an operator looks for. Zero fields do not filter. The narrowest that has an
// index leads, in this order: external id, name, address, status, edition; the others sift what it finds.
type ReaderQuery struct {
	Address    string // how it begins; with a leading @ its domain, whole
	Name       string // how it begins, in any case of ASCII letters
	ExternalID string // whole
	Status     subscribers.Status
	Section    string // id: readers who have it among theirs, muted or not
	Edition    string

	After string        // [ReaderPage.Next] of the page before; "" = from the first
	Limit int           // readers on a page; 0 = 50
	Spend time.Duration // after which the page ends with what was found; 0 = 150 ms
}

// ReaderPage is what was found.
type ReaderPage struct {
	Readers []subscribers.Subscriber
	Next    string // where the next page goes on; "" = there is none
	Looked  int    // readers that were looked at for it
}

const (
	readersAPage = 50
	readersSpend = 150 * time.Millisecond
	readersALook = 1000 // looked at by a statement: some milliseconds
)

// lead is the index that a search walks. In its where ?1 and ?2 are from and to, ?3 and ?4 the text and the
// number of the last place.
type lead struct {
	from, where string
	text        string // column that the index is in the order of, "" = none but id
	id          string // column that tells entries of a text apart
	low, high   string
}

// FindReaders finds readers a page at a time. However many there are and however few fit, it looks only as long as it may:
// then Next is set and the page may be short, or empty.
func (db *DB) FindReaders(ctx context.Context, f ReaderQuery) (page ReaderPage, err error) {
	page, err = db.findReaders(ctx, &f)
	if err != nil {
		return ReaderPage{}, fmt.Errorf("find readers: %w", err)
	}
	return page, nil
}

func (db *DB) findReaders(ctx context.Context, f *ReaderQuery) (page ReaderPage, err error) {
	if f.Limit <= 0 {
		f.Limit = readersAPage
	}
	if f.Spend <= 0 {
		f.Spend = readersSpend
	}
	l := db.leadOf(f)
	text, id, err := cutPlace(f.After)
	if err != nil {
		return page, err
	}
	began := time.Now()
	for {
		var end place
		list, err := db.look(ctx, f, &l, text, id, &end)
		if err != nil {
			return page, err
		}
		page.Looked += end.n
		text, id = end.text, end.id
		if more := f.Limit - len(page.Readers); len(list) > more { // the place is behind the last one shown
			page.Readers = append(page.Readers, list[:more]...)
			page.Next = placeOf(&l, &list[more-1])
			break
		}
		page.Readers = append(page.Readers, list...)
		if end.n < readersALook {
			break
		}
		if len(page.Readers) == f.Limit || time.Since(began) > f.Spend {
			page.Next = joinPlace(text, id)
			break
		}
	}
	return page, db.addBars(ctx, page.Readers)
}

// addBars adds the suppressions of readers.
func (db *DB) addBars(ctx context.Context, list []subscribers.Subscriber) error {
	addresses := make([]string, len(list))
	for i := range list {
		addresses[i] = list[i].Address
	}
	if len(list) == 0 {
		return nil
	}
	barred, err := db.barred(ctx, db.read(), addresses)
	for i := range list {
		list[i].Suppressed = barred[i]
	}
	return err
}

// leadOf chooses the index.
func (db *DB) leadOf(f *ReaderQuery) lead {
	const inForce = ` CROSS JOIN subscribers s ON s.id = st.subscriber AND s.settings = st.id`
	switch {
	case f.ExternalID != "":
		return lead{from: `settings st` + db.dialect.by("settings_external") + inForce, id: `st.id`, low: f.ExternalID,
			where: `st.external_id = ?1 AND st.external_id <> '' AND st.id > ?4`}
	case f.Name != "":
		name := db.dialect.noCase(`st.name`)
		return lead{from: `settings st` + db.dialect.by("settings_name") + inForce, text: name, id: `st.id`, low: f.Name, high: f.Name + last,
			where: `st.name <> '' AND ` + name + ` >= ` + db.dialect.noCase(`?1`) + ` AND ` + name + ` < ` + db.dialect.noCase(`?2`) + ` AND (` + name + ` > ` + db.dialect.noCase(`?3`) + ` OR ` + name + ` = ` + db.dialect.noCase(`?3`) + ` AND st.id > ?4)`}
	case strings.HasPrefix(f.Address, "@"):
		return lead{from: `subscribers s` + db.dialect.by("subscribers_domain"), id: `s.id`, low: strings.ToLower(f.Address[1:]),
			where: `substr(s.address, ` + db.dialect.instr + `(s.address, '@') + 1) = ?1 AND s.id > ?4`}
	case f.Address != "":
		return lead{from: `subscribers s`, text: `s.address`, id: `s.id`, low: strings.ToLower(f.Address), high: strings.ToLower(f.Address) + last,
			where: `s.address >= ?1 AND s.address < ?2 AND s.address > ?3`}
	case f.Status != "":
		return lead{from: `subscribers s` + db.dialect.by("subscribers_status"), id: `s.id`, low: string(f.Status), where: `s.status = ?1 AND s.id > ?4`}
	case f.Edition != "":
		return lead{from: `followers f CROSS JOIN subscribers s ON s.id = f.subscriber`, id: `f.subscriber`, low: f.Edition,
			where: `f.edition = (SELECT id FROM editions WHERE name = ?1) AND f.subscriber > ?4`}
	}
	return lead{from: `subscribers s`, id: `s.id`, where: `s.id > ?4`}
}

// last comes after every text that begins as what it is added to.
const last = "\U0010ffff"

// place is where a look ended, and at how many readers it looked.
type place struct {
	text string
	id   int64
	n    int
}

// look finds those that fit among the next readers of the index.
func (db *DB) look(ctx context.Context, f *ReaderQuery, l *lead, text string, id int64, end *place) ([]subscribers.Subscriber, error) {
	type step struct {
		place
		reader int64
	}
	columns, order, low := `''`, l.id, l.low
	if l.text != "" {
		columns, order = l.text, l.text+`, `+l.id
		if text != "" { // not whichever is greater: that depends on the column's collation
			low = text
		}
	}
	steps, err := selectAll(ctx, db.read(), `SELECT `+columns+`, `+l.id+`, s.id FROM `+l.from+` WHERE `+l.where+` ORDER BY `+order+` LIMIT ?5`,
		args{low, l.high, text, id, readersALook}, func(r *sql.Rows) (s step, err error) { return s, r.Scan(&s.text, &s.id, &s.reader) })
	if err != nil || len(steps) == 0 {
		return nil, err
	}
	*end = steps[len(steps)-1].place
	end.n = len(steps)
	ids := make([]int64, len(steps))
	for n := range steps {
		ids[n] = steps[n].reader
	}
	return selectAll(ctx, db.read(), `SELECT `+settingsColumns+`, s.id, s.created FROM `+db.dialect.ids(1)+` v
		CROSS JOIN subscribers s ON s.id = v.value CROSS JOIN settings st ON st.id = s.settings
		WHERE (?2 = '' OR s.status = ?2) AND (?3 = '' OR `+db.dialect.instr+`(';' || st.editions || ';', ';' || ?3 || ';') > 0)
		AND (?4 = '' OR `+db.dialect.instr+`(replace(replace(';' || st.sections || ';', ';-', ';'), ';~', ';'), ';' || ?4 || ';') > 0)
		AND (?5 = '' OR substr(s.address, 1, length(?5)) = ?5) AND (?6 = '' OR substr(s.address, `+db.dialect.instr+`(s.address, '@')) = ?6)
		AND (?7 = '' OR lower(substr(st.name, 1, length(?7))) = lower(?7))
		ORDER BY v.key LIMIT ?8`, sift(f, idList(ids)), scanSubscriber)
}

// sift are the values of what the leading index leaves to be looked at.
func sift(f *ReaderQuery, ids any) args {
	address, domain := strings.ToLower(f.Address), ""
	if strings.HasPrefix(address, "@") {
		address, domain = "", address
	}
	return args{ids, string(f.Status), f.Edition, f.Section, address, domain, f.Name, f.Limit + 1}
}

// placeOf is the place of a reader in the index.
func placeOf(l *lead, s *subscribers.Subscriber) string {
	id := s.ID
	if l.id == `st.id` {
		id = s.SettingsID
	}
	switch l.text {
	case "":
		return joinPlace("", id)
	case `s.address`:
		return joinPlace(subscribers.Fold(s.Address), id)
	}
	return joinPlace(s.Name, id)
}

func joinPlace(text string, id int64) string { return strconv.FormatInt(id, 10) + " " + text }

// cutPlace reads what joinPlace wrote; it may have come from anywhere.
func cutPlace(s string) (text string, id int64, err error) {
	if s == "" {
		return "", 0, nil
	}
	number, text, _ := strings.Cut(s, " ")
	if id, err = strconv.ParseInt(number, 10, 64); err != nil {
		return "", 0, fmt.Errorf("%w: %q is no place in a list", ErrNotFound, s)
	}
	return text, id, nil
}

// NearReaders finds readers whose addresses may be what somebody meant who typed another: the same name elsewhere,
// the same beginning, the same domain with letters changed, left out or put in. The nearest come first.
func (db *DB) NearReaders(ctx context.Context, typed string, limit int) ([]subscribers.Subscriber, error) {
	list, err := db.nearReaders(ctx, strings.ToLower(strings.TrimSpace(typed)), limit)
	if err != nil {
		return nil, fmt.Errorf("find readers near an address: %w", err)
	}
	return list, nil
}

// nearLook is how many addresses of a beginning, and of a domain, are held against what was typed.
const nearLook = 2000

func (db *DB) nearReaders(ctx context.Context, typed string, limit int) ([]subscribers.Subscriber, error) {
	local, domain, whole := strings.Cut(typed, "@")
	if local == "" {
		return nil, nil
	}
	runes := []rune(local)
	begins := []string{typed, local + "@", string(runes[:min(3, len(runes))])}
	found := make(map[string]int64)
	keep := func(r *sql.Rows) (struct{}, error) {
		var id int64
		var address string
		err := r.Scan(&id, &address)
		found[address] = id
		return struct{}{}, err
	}
	for _, begin := range begins {
		if _, err := selectAll(ctx, db.read(), `SELECT id, address FROM subscribers WHERE address >= ?1 AND address < ?2 ORDER BY address LIMIT ?3`,
			args{begin, begin + last, nearLook}, keep); err != nil {
			return nil, err
		}
	}
	if domain != "" {
		if _, err := selectAll(ctx, db.read(), `SELECT id, address FROM subscribers`+db.dialect.by("subscribers_domain")+`
			WHERE substr(address, `+db.dialect.instr+`(address, '@') + 1) = ?1 ORDER BY id LIMIT ?2`, args{domain, nearLook}, keep); err != nil {
			return nil, err
		}
	}
	type near struct {
		id   int64
		away int
		text string
	}
	var list []near
	for address, id := range found {
		n := near{id, subscribers.Apart(typed, address), address}
		other, _, _ := strings.Cut(address, "@")
		switch {
		case strings.HasPrefix(address, typed):
			n.away = 1
		case whole && other == local:
			n.away = 1 // the same name at another domain
		case !whole:
			n.away = subscribers.Apart(local, other)
		}
		if n.away <= max(2, len(runes)/4) {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b near) int { return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.text, b.text)) })
	var readers []subscribers.Subscriber
	for _, n := range list[:min(limit, len(list))] {
		s, err := db.withSuppression(ctx, db.read(), "s.id = ?1", n.id)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		readers = append(readers, *s)
	}
	return readers, nil
}
