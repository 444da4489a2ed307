package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"broadsheet/subscribers"
)

const settingsColumns = `st.id, st.address, st.name, st.external_id, st.status, st.sections, st.editions, st.hour, st.days,
	st.zone, st.language, st.format, st.consent_source, st.consent_at, st.paused_until, st.at, st.real_at, st.by`

func scanChange(r interface{ Scan(...any) error }, more ...any) (c subscribers.Change, err error) {
	var sections, editions string
	var days, paused, at, realAt int64
	var consent sql.NullInt64
	err = r.Scan(append([]any{&c.ID, &c.Address, &c.Name, &c.ExternalID, &c.Status, &sections, &editions, &c.Hour, &days,
		&c.Zone, &c.Language, &c.Format, &c.ConsentSource, &consent, &paused, &at, &realAt, &c.By}, more...)...)
	if err != nil {
		return c, err
	}
	c.Sections, c.Editions, c.Days = parseFollows(sections), split(editions), daysOf(days)
	c.PausedUntil, c.At, c.RealAt = fromUS(paused), fromUS(at), fromUS(realAt)
	if consent.Valid {
		c.ConsentAt = time.UnixMicro(consent.Int64).UTC()
	}
	return c, nil
}

// parseFollows reads what [subscribers.FormatFollows] wrote, which was checked then.
func parseFollows(list string) []subscribers.Follow {
	var follows []subscribers.Follow
	for _, id := range split(list) {
		f := subscribers.Follow{Section: id, Level: subscribers.Normal}
		switch id[0] {
		case '-':
			f = subscribers.Follow{Section: id[1:], Level: subscribers.Muted}
		case '~':
			f = subscribers.Follow{Section: id[1:], Level: subscribers.Less}
		}
		follows = append(follows, f)
	}
	return follows
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ";")
}

func dayBits(days []int) (bits int64) {
	for _, d := range days {
		bits |= 1 << (d - 1)
	}
	return bits
}

func daysOf(bits int64) (days []int) {
	for d := 1; d <= 7; d++ {
		if bits&(1<<(d-1)) != 0 {
			days = append(days, d)
		}
	}
	return days
}

// load reads a subscriber without the suppression; [sql.ErrNoRows] if there is none.
func load(ctx context.Context, q querier, where string, arg any) (*subscribers.Subscriber, error) {
	list, err := selectAll(ctx, q, `SELECT `+settingsColumns+`, s.id, s.created FROM subscribers s
		JOIN settings st ON st.id = s.settings WHERE `+where, args{arg}, scanSubscriber)
	if err == nil && len(list) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

func scanSubscriber(r *sql.Rows) (s subscribers.Subscriber, err error) {
	var created int64
	c, err := scanChange(r, &s.ID, &created)
	s.Settings, s.SettingsID, s.Created = c.Settings, c.ID, fromUS(created)
	return s, err
}

// AddSubscriber puts a new reader on record; [ErrTaken] if the address is known, [ErrErased] if its
// owner had it erased.
// by says who did it: command, import, reader or operator.
func (db *DB) AddSubscriber(ctx context.Context, s subscribers.Settings, by string, now time.Time) (*subscribers.Subscriber, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("add subscriber: %w", err)
	}
	var added *subscribers.Subscriber
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		if erased, err := db.erased(ctx, t, s.Address); err != nil || erased {
			return cmp.Or(err, ErrErased)
		}
		id, err := db.insert(ctx, t, s, by, now)
		if err != nil {
			return err
		}
		added, err = db.withSuppression(ctx, t, "s.id = ?1", id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("add subscriber: %w", err)
	}
	return added, nil
}

// erased reports whether the owner of an address had everything erased that was held, whatever it
// is barred for. That only the hash of it is known says nothing: so it is with what was imported.
func (db *DB) erased(ctx context.Context, t *tx, address string) (is bool, err error) {
	if barred, err := db.barred(ctx, t, []string{address}); err != nil || barred[0] == nil {
		return false, err
	}
	hash := db.opts.AddressHash(subscribers.Fold(address))
	err = t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM suppressions WHERE hash = ?1 AND (erased = 1 OR reason = 'erased'))`, args{hash[:]}, &is)
	return is, err
}

// nextReader is the next reader's number. That of who is gone is not given again: links in old mails would open for
// somebody else.
const nextReader = `1 + max(value, coalesce((SELECT max(id) FROM subscribers), 0)) FROM counters WHERE name = 'gone'`

func (db *DB) insert(ctx context.Context, t *tx, s subscribers.Settings, by string, now time.Time) (int64, error) {
	var id int64
	err := t.scan(ctx, `INSERT INTO subscribers (id, address, settings, created) VALUES ((SELECT `+nextReader+`), ?1, 0, ?2)
		ON CONFLICT (address) DO NOTHING RETURNING id`, args{subscribers.Fold(s.Address), us(now)}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrTaken
	}
	if err != nil {
		return 0, err
	}
	_, err = db.apply(ctx, t, id, nil, s, by, now)
	return id, err
}

// Subscriber finds a reader by address, compared folded; [ErrNotFound] if there is none.
func (db *DB) Subscriber(ctx context.Context, address string) (*subscribers.Subscriber, error) {
	s, err := db.withSuppression(ctx, db.read(), "s.address = ?1", subscribers.Fold(address))
	if err != nil {
		return nil, fmt.Errorf("load subscriber: %w", notFound(err, "%s", subscribers.Mask(address)))
	}
	return s, nil
}

// SubscriberByID finds a reader; [ErrNotFound] if there is none.
func (db *DB) SubscriberByID(ctx context.Context, id int64) (*subscribers.Subscriber, error) {
	s, err := db.withSuppression(ctx, db.read(), "s.id = ?1", id)
	if err != nil {
		return nil, fmt.Errorf("load subscriber: %w", notFound(err, "%d", id))
	}
	return s, nil
}

func (db *DB) withSuppression(ctx context.Context, q querier, where string, arg any) (*subscribers.Subscriber, error) {
	s, err := load(ctx, q, where, arg)
	if err != nil {
		return nil, err
	}
	barred, err := db.barred(ctx, q, []string{s.Address})
	s.Suppressed = barred[0]
	return s, err
}

// ChangeSettings gives a reader new settings as a new dated row, and says whether anything is
// different. In the same transaction waiting mail of editions that the reader left is suppressed.
func (db *DB) ChangeSettings(ctx context.Context, id int64, s subscribers.Settings, by string, now time.Time) (changed bool, err error) {
	if err := s.Validate(); err != nil {
		return false, fmt.Errorf("change settings: %w", err)
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		old, err := db.changeSettings(ctx, t, id, s, by, now)
		changed = old != nil
		return err
	})
	if err != nil {
		return false, fmt.Errorf("change settings: %w", err)
	}
	return changed, nil
}

// changeSettings returns the settings before, nil if nothing is different.
func (db *DB) changeSettings(ctx context.Context, t *tx, id int64, s subscribers.Settings, by string, now time.Time) (*subscribers.Settings, error) {
	old, err := load(ctx, t, "s.id = ?1", id)
	if err != nil {
		return nil, notFound(err, "subscriber %d", id)
	}
	if old.Equal(s) {
		return nil, nil
	}
	_, err = db.apply(ctx, t, id, &old.Settings, s, by, now)
	return &old.Settings, err
}

// apply writes a dated row and everything that follows from it, and returns the row's id.
func (db *DB) apply(ctx context.Context, t *tx, id int64, old *subscribers.Settings, s subscribers.Settings, by string, now time.Time) (row int64, err error) {
	var consent any
	if !s.ConsentAt.IsZero() {
		consent = s.ConsentAt.UnixMicro()
	}
	if s.Format == "" {
		s.Format = subscribers.HTML
	}
	if s.Status != subscribers.Paused {
		s.PausedUntil = time.Time{}
	}
	if old != nil {
		if err := db.noteChange(t, old, &s, now); err != nil {
			return 0, err
		}
	}
	if err := t.scan(ctx, `INSERT INTO settings (subscriber, address, name, external_id, status, sections, editions, hour, days,
			zone, language, format, consent_source, consent_at, paused_until, at, real_at, by)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) RETURNING id`,
		args{id, s.Address, s.Name, s.ExternalID, string(s.Status), subscribers.FormatFollows(s.Sections), strings.Join(s.Editions, ";"),
			s.Hour, dayBits(s.Days), s.Zone, s.Language, string(s.Format), s.ConsentSource, consent, us(s.PausedUntil),
			us(now), us(db.real()), by}, &row); err != nil {
		return 0, err
	}
	if err := t.later(ctx, `UPDATE subscribers SET settings = ?2, status = ?3 WHERE id = ?1`, anyRows, id, row, string(s.Status)); err != nil {
		return 0, err
	}
	if old != nil && subscribers.Fold(old.Address) != subscribers.Fold(s.Address) {
		// What is known of the old mailbox says nothing about the new one.
		n, err := t.exec(ctx, `UPDATE subscribers SET address = ?2, accepted = 0 WHERE id = ?1
			AND NOT EXISTS (SELECT 1 FROM subscribers WHERE address = ?2)`, id, subscribers.Fold(s.Address))
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, ErrTaken
		}
		if err := t.forgive(ctx, id); err != nil {
			return 0, err
		}
	}
	t.countSections(old, &s)
	if err := t.pause(ctx, id, old, &s); err != nil {
		return 0, err
	}
	return row, t.follow(ctx, id, old, &s, now)
}

// History lists a reader's settings rows, the oldest first, without those that wait for a
// confirmation.
func (db *DB) History(ctx context.Context, id int64) ([]subscribers.Change, error) {
	list, err := selectAll(ctx, db.read(), `SELECT `+settingsColumns+` FROM settings st WHERE st.subscriber = ?1 AND st.draft = 0 ORDER BY st.id`, args{id},
		func(r *sql.Rows) (subscribers.Change, error) { return scanChange(r) })
	if err != nil {
		return nil, fmt.Errorf("load history: %w", err)
	}
	return list, nil
}

// SubscriberFilter says which readers to list. Zero fields do not filter.
type SubscriberFilter struct {
	Status  subscribers.Status
	Edition string // readers whose settings name it
}

// Subscribers lists readers by id. Memory stays flat.
func (db *DB) Subscribers(ctx context.Context, f SubscriberFilter) iter.Seq2[subscribers.Subscriber, error] {
	return pages(func(after subscribers.Subscriber) ([]subscribers.Subscriber, error) {
		list, err := selectAll(ctx, db.read(), `SELECT `+settingsColumns+`, s.id, s.created FROM subscribers s
			JOIN settings st ON st.id = s.settings WHERE s.id > ?1 AND (?2 = '' OR st.status = ?2)
			AND (?3 = '' OR `+db.dialect.instr+`(';' || st.editions || ';', ';' || ?3 || ';') > 0)
			ORDER BY s.id LIMIT ?4`, args{after.ID, string(f.Status), f.Edition, pageSize}, scanSubscriber)
		if err != nil || len(list) == 0 {
			return nil, err
		}
		addresses := make([]string, len(list))
		for i := range list {
			addresses[i] = list[i].Address
		}
		barred, err := db.barred(ctx, db.read(), addresses)
		if err != nil {
			return nil, err
		}
		for i := range list {
			list[i].Suppressed = barred[i]
		}
		return list, nil
	}, "list subscribers")
}

// Imported counts what became of imported rows.
type Imported struct {
	New        int `json:"new"`
	Changed    int `json:"changed"`
	Same       int `json:"same"`
	Suppressed int `json:"suppressed"` // addresses barred because their row says unsubscribed
	Erased     int `json:"erased"`     // rows left out: their owners had everything erased, and a file does not bring it back
	Idle       int `json:"idle"`       // new readers with no edition or no section, who get no mail
}

// Add counts more rows.
func (i *Imported) Add(n Imported) {
	i.New += n.New
	i.Changed += n.Changed
	i.Same += n.Same
	i.Suppressed += n.Suppressed
	i.Erased += n.Erased
	i.Idle += n.Idle
}

func (i *Imported) new(s *subscribers.Settings) {
	i.New++
	if len(s.Editions) == 0 || len(s.Sections) == 0 {
		i.Idle++
	}
}

// Rows is how many rows were counted.
func (i *Imported) Rows() int { return i.New + i.Changed + i.Same + i.Erased }

// ImportRows upserts readers by [subscribers.Merge], all in one transaction. Call it with some
// 500 rows at a time: more would hold up senders.
func (db *DB) ImportRows(ctx context.Context, rows []subscribers.Row, now time.Time) (Imported, error) {
	var done Imported
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		done = Imported{}
		rest, err := db.importNew(ctx, t, rows, now, &done)
		if err != nil {
			return err
		}
		for _, row := range rest {
			if err := db.upsert(ctx, t, row, now, &done); err != nil {
				return fmt.Errorf("line %d: %w", row.Line, err)
			}
		}
		return t.measure(ctx, "subscribers", "settings", "followers")
	})
	if err != nil {
		return Imported{}, fmt.Errorf("import subscribers: %w", err)
	}
	return done, nil
}

func (db *DB) upsert(ctx context.Context, t *tx, row subscribers.Row, now time.Time, done *Imported) error {
	old, err := db.withSuppression(ctx, t, "s.address = ?1", subscribers.Fold(row.Settings.Address))
	if errors.Is(err, sql.ErrNoRows) {
		old = nil
	} else if err != nil {
		return err
	}
	if old == nil {
		if erased, err := db.erased(ctx, t, row.Settings.Address); err != nil || erased {
			done.Erased++
			return err
		}
	}
	s, suppress := subscribers.Merge(old, row)
	switch {
	case old == nil:
		_, err = db.insert(ctx, t, s, "import", now)
		done.new(&s)
	case old.Equal(s):
		done.Same++
	default:
		_, err = db.apply(ctx, t, old.ID, &old.Settings, s, "import", now)
		done.Changed++
	}
	if err != nil || !suppress {
		return err
	}
	added, err := db.suppress(ctx, t, subscribers.Suppression{Address: s.Address, Reason: "unsubscribed", Note: "import", At: now}, nil, 0, now)
	if added {
		done.Suppressed++
	}
	return err
}
