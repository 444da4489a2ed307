package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"broadsheet/digest"
	"broadsheet/mailer"
)

// figures are what the chunks of an issue add up to. The zero value is that of none.
type figures struct {
	mails, skipped, stories         int
	html, htmlSize, largest, nearly int
}

// count adds a delivery; fresh is true if its digest was put on record with it.
func (f *figures) count(p *digest.Planned, fresh bool) {
	switch p.State {
	case string(mailer.Queued):
		f.mails++
		f.stories += p.Stories
	case string(mailer.Skipped):
		f.skipped++
	}
	if !fresh || p.Digest.TextOnly {
		return
	}
	f.html++
	f.htmlSize += p.Digest.HTMLSize
	f.largest = max(f.largest, p.Digest.HTMLSize)
	if p.Digest.HTMLSize >= digest.NearLimit {
		f.nearly++
	}
}

// addFigures puts what a chunk came to on record.
func (t *tx) addFigures(ctx context.Context, issue int64, f *figures) error {
	_, err := t.exec(ctx, `INSERT INTO issue_proofs (issue, mails, skipped, stories, html, html_size, largest, near) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
		ON CONFLICT (issue) DO UPDATE SET mails = issue_proofs.mails + ?2, skipped = issue_proofs.skipped + ?3, stories = issue_proofs.stories + ?4,
			html = issue_proofs.html + ?5, html_size = issue_proofs.html_size + ?6,
			largest = CASE WHEN issue_proofs.largest < ?7 THEN ?7 ELSE issue_proofs.largest END, near = issue_proofs.near + ?8`,
		issue, f.mails, f.skipped, f.stories, f.html, f.htmlSize, f.largest, f.nearly)
	return err
}

const figureColumns = `i.id, i.local, i.opened, i.cutoff, i.audience, i.digests, coalesce(p.mails, 0), coalesce(p.skipped, 0), coalesce(p.stories, 0),
	coalesce(p.html, 0), coalesce(p.html_size, 0), coalesce(p.largest, 0), coalesce(p.near, 0), coalesce(p.feeds, ''), coalesce(p.hosts, '')`

func scanFigures(r *sql.Rows) (f digest.Figures, err error) {
	var opened int64
	var feeds, hosts string
	if err := r.Scan(&f.Issue, &f.Local, &opened, &f.Cutoff, &f.Readers, &f.Digests, &f.Mails, &f.Skipped, &f.Stories,
		&f.HTML, &f.HTMLSize, &f.Largest, &f.Near, &feeds, &hosts); err != nil {
		return f, err
	}
	f.Opened = fromUS(opened)
	return f, errors.Join(fromJSON(feeds, &f.Feeds), fromJSON(hosts, &f.Hosts))
}

// fromJSON reads what may be empty.
func fromJSON(s string, into any) error {
	if s == "" {
		return nil
	}
	return json.Unmarshal([]byte(s), into)
}

// Figures meets [digest.Proofs].
func (db *DB) Figures(ctx context.Context, issue int64, n int) (now digest.Figures, past []digest.Figures, err error) {
	list, err := selectAll(ctx, db.read(), `SELECT `+figureColumns+` FROM issues i LEFT JOIN issue_proofs p ON p.issue = i.id WHERE i.id = ?1`,
		args{issue}, scanFigures)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return now, nil, fmt.Errorf("load figures of issue %d: %w", issue, err)
	}
	past, err = selectAll(ctx, db.read(), `SELECT `+figureColumns+` FROM issues me JOIN issues i ON i.edition = me.edition AND i.zone = me.zone
			AND i.hour = me.hour AND i.due < me.due AND i.state = 'open' JOIN issue_proofs p ON p.issue = i.id AND p.usual = 1
		WHERE me.id = ?1 ORDER BY i.due DESC LIMIT ?2`, args{issue, n}, scanFigures)
	if err != nil {
		return now, nil, fmt.Errorf("load figures of issues before %d: %w", issue, err)
	}
	return list[0], past, nil
}

// Arrivals meets [digest.Proofs].
func (db *DB) Arrivals(ctx context.Context, after, upTo int64) ([]digest.Arrival, error) {
	var all []digest.Arrival
	_, err := selectAll(ctx, db.read(), `SELECT p.story, p.section, r.body FROM story_sections p JOIN stories s ON s.id = p.story
		JOIN revisions r ON r.id = s.revision WHERE p.arrival > ?1 AND p.arrival <= ?2 ORDER BY p.story, p.arrival`, args{after, upTo},
		func(r *sql.Rows) (none struct{}, err error) {
			var story int64
			var section string
			var body sql.RawBytes
			if err := r.Scan(&story, &section, &body); err != nil {
				return none, err
			}
			if n := len(all); n > 0 && all[n-1].Story == story {
				all[n-1].Sections = append(all[n-1].Sections, section)
				return none, nil
			}
			var w struct {
				URL    string `json:"url"`
				Source string `json:"source"`
				Scope  string `json:"scope"`
			}
			if err := json.Unmarshal(body, &w); err != nil {
				return none, fmt.Errorf("read story %d: %w", story, err)
			}
			feed := w.Source
			if w.Scope == "page" { // each a file of its own
				feed = "saved pages"
			}
			all = append(all, digest.Arrival{Story: story, Sections: []string{section}, Feed: feed, Link: w.URL})
			return none, nil
		})
	if err != nil {
		return nil, fmt.Errorf("list new stories: %w", err)
	}
	return all, nil
}

// KeepFigures meets [digest.Proofs].
func (db *DB) KeepFigures(ctx context.Context, f *digest.Figures, trips []digest.Trip, approve string) error {
	var texts [3]string
	for n, v := range []any{f.Feeds, f.Hosts, trips} {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("keep figures: %w", err)
		}
		texts[n] = string(b)
	}
	if len(trips) == 0 {
		texts[2] = ""
	}
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO issue_proofs (issue, feeds, hosts, trips, usual, approve) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
			ON CONFLICT (issue) DO UPDATE SET feeds = ?2, hosts = ?3, trips = ?4, usual = ?5, approve = ?6`,
			f.Issue, texts[0], texts[1], texts[2], len(trips) == 0, approve)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep figures of issue %d: %w", f.Issue, err)
	}
	return nil
}
