package store

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"broadsheet/subscribers"
)

// A statement costs PostgreSQL more than the row that it writes, so new readers of an import go on record together.

// newReader is a row of settings and one of subscribers, newFollower one of followers, as they go to PostgreSQL.
type newReader struct {
	ID       int64  `json:"id"`
	Folded   string `json:"folded"`
	Address  string `json:"address"`
	Name     string `json:"name"`
	External string `json:"external"`
	Status   string `json:"status"`
	Sections string `json:"sections"`
	Editions string `json:"editions"`
	Hour     int    `json:"hour"`
	Days     int64  `json:"days"`
	Zone     string `json:"zone"`
	Language string `json:"language"`
	Format   string `json:"format"`
	Source   string `json:"source"`
	Consent  *int64 `json:"consent"`
}

type newFollower struct {
	Edition int64  `json:"edition"`
	ID      int64  `json:"id"`
	Active  int    `json:"active"`
	Zone    string `json:"zone"`
	Hour    int    `json:"hour"`
	Days    int64  `json:"days"`
}

// importNew writes those readers that are new, of whom nothing is known and of whom nothing else follows, and counts
// them. It returns the rows of all others, which come one by one. On SQLite all of them do.
func (db *DB) importNew(ctx context.Context, t *tx, rows []subscribers.Row, now time.Time, done *Imported) (rest []subscribers.Row, err error) {
	if t.w.dialect.name != postgresDialect.name {
		return rows, nil
	}
	addresses := make([]string, len(rows))
	for n := range rows {
		addresses[n], _ = clean(subscribers.Fold(rows[n].Settings.Address))
	}
	known, err := selectAll(ctx, t, `SELECT address FROM subscribers WHERE address = ANY (?1)`, args{addresses}, text)
	if err != nil {
		return nil, err
	}
	barred, err := db.barred(ctx, t, addresses)
	if err != nil {
		return rows, nil //nolint:nilerr // the first of them says so, with its line
	}
	taken := make(map[string]bool, len(known))
	for _, address := range known {
		taken[address] = true
	}
	var first int64
	if err := t.scan(ctx, `SELECT `+nextReader, nil, &first); err != nil {
		return nil, err
	}
	readers, followers := []newReader{}, []newFollower{} // empty lists are such in JSON too
	for n, row := range rows {
		s, suppress := subscribers.Merge(nil, row)
		before := taken[addresses[n]]
		taken[addresses[n]] = true // a second row of a reader comes after the first
		if before || barred[n] != nil || suppress || s.Status == subscribers.Paused {
			rest = append(rest, row)
			continue
		}
		done.new(&s)
		t.countSections(nil, &s)
		r := newReader{ID: first + int64(len(readers)), Folded: addresses[n], Address: s.Address, Name: s.Name, External: s.ExternalID,
			Status: string(s.Status), Sections: subscribers.FormatFollows(s.Sections), Editions: strings.Join(s.Editions, ";"), Hour: s.Hour, Days: dayBits(s.Days),
			Zone: s.Zone, Language: s.Language, Format: string(cmp.Or(s.Format, subscribers.HTML)), Source: s.ConsentSource}
		if !s.ConsentAt.IsZero() {
			at := us(s.ConsentAt)
			r.Consent = &at
		}
		for _, text := range []*string{&r.Address, &r.Name, &r.External, &r.Sections, &r.Editions, &r.Zone, &r.Language, &r.Source} {
			*text, _ = clean(*text)
		}
		readers = append(readers, r)
		active := 0
		if s.Status == subscribers.Active {
			active = 1
		}
		for _, name := range s.Editions {
			edition, err := t.editionID(ctx, name)
			if err != nil {
				return nil, err
			}
			followers = append(followers, newFollower{edition, r.ID, active, r.Zone, r.Hour, r.Days})
		}
	}
	return rest, db.writeNew(ctx, t, readers, followers, now)
}

const newColumns = `FROM json_to_recordset(?1::json) AS n (id bigint, folded text, address text, name text, external text, status text,
		sections text, editions text, hour bigint, days bigint, zone text, language text, format text, source text, consent bigint)`

func (db *DB) writeNew(ctx context.Context, t *tx, readers []newReader, followers []newFollower, now time.Time) error {
	if len(readers) == 0 {
		return nil
	}
	list, err := json.Marshal(readers)
	if err != nil {
		return err
	}
	follow, err := json.Marshal(followers)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO settings (subscriber, address, name, external_id, status, sections, editions, hour, days, zone, language,
			format, consent_source, consent_at, at, real_at, by)
		SELECT id, address, name, external, status, sections, editions, hour, days, zone, language, format, source, consent, ?2, ?3, 'import' `+newColumns+` ORDER BY id`,
		string(list), us(now), us(db.real())); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO subscribers (id, address, settings, created)
		SELECT n.id, n.folded, (SELECT st.id FROM settings st WHERE st.subscriber = n.id), ?2 `+newColumns, string(list), us(now)); err != nil {
		return err
	}
	// A step of its own, for events tell of a change of status.
	if _, err := t.exec(ctx, `UPDATE subscribers SET status = (SELECT st.status FROM settings st WHERE st.id = subscribers.settings) WHERE id BETWEEN ?1 AND ?2`,
		readers[0].ID, readers[len(readers)-1].ID); err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO followers (edition, subscriber, active, zone, hour, days) SELECT edition, id, active, zone, hour, days
		FROM json_to_recordset(?1::json) AS n (edition bigint, id bigint, active bigint, zone text, hour bigint, days bigint)
		ON CONFLICT (edition, subscriber) DO NOTHING`, string(follow))
	return err
}
