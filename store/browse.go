package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
)

// What operators' pages read of deliveries. A slot may have a million of them, and a page has a third of
// a second: they are read in stretches of subscribers, and whoever reads says when it is enough.

// Browse says which deliveries of an issue to list. Zero fields do not filter.
type Browse struct {
	Issue   int64
	State   mailer.State
	Reply   string // a reply's code or its beginning ("550", "4"), its enhanced code, or words of its text
	Domain  string // of the address, folded
	Relay   string
	Address string // a part of it
	After   int64  // subscribers after this one
}

// stretch is how many deliveries of a slot are looked at by one statement.
const stretch = 2500

// BrowseDeliveries lists up to limit deliveries in the order of subscribers, as long as enough is false. next
// is the subscriber up to whom it has looked, to go on from there; 0 when it has seen all.
func (db *DB) BrowseDeliveries(ctx context.Context, b Browse, limit int, enough func() bool) (list []DeliveryRow, next int64, err error) {
	var slot int64
	if err := db.read().scan(ctx, `SELECT slot FROM issues WHERE id = ?1`, args{b.Issue}, &slot); err != nil {
		return nil, 0, fmt.Errorf("browse deliveries: %w", notFound(err, "issue %d", b.Issue))
	}
	low, high, words := replyFilter(b.Reply)
	for from := b.After; ; {
		var upto int64
		err := db.read().scan(ctx, `SELECT subscriber FROM deliveries WHERE slot = ?1 AND subscriber > ?2 ORDER BY subscriber LIMIT 1 OFFSET ?3`,
			args{slot, from, stretch - 1}, &upto)
		last := errors.Is(err, sql.ErrNoRows)
		if last {
			upto = 1<<62 - 1
		} else if err != nil {
			return nil, 0, fmt.Errorf("browse deliveries: %w", err)
		}
		some, err := selectAll(ctx, db.read(), deliveryColumns+`deliveries d JOIN slots s ON s.id = d.slot`+deliveryJoins+`
			WHERE d.slot = ?1 AND d.subscriber > ?2 AND d.subscriber <= ?3 AND d.issue = ?4 AND (?5 = '' OR d.state = ?5)
			AND (?7 = 0 OR d.code BETWEEN ?6 AND ?7) AND (?8 = '' OR d.enhanced = ?8 OR `+db.dialect.instr+`(lower(coalesce(rt.body, '')), ?8) > 0 OR `+db.dialect.instr+`(lower(d.reason), ?8) > 0)
			AND (?9 = '' OR `+db.dialect.domainOfSettings()+` = ?9) AND (?10 = '' OR coalesce(nullif(d.relay, ''), b.relay, '') = ?10)
			AND (?11 = '' OR `+db.dialect.instr+`(lower(coalesce(st.address, '')), ?11) > 0)
			ORDER BY d.subscriber LIMIT ?12`,
			args{slot, from, upto, b.Issue, string(b.State), low, high, words, strings.ToLower(b.Domain), b.Relay, strings.ToLower(b.Address), limit - len(list) + 1}, scanDelivery)
		if err != nil {
			return nil, 0, fmt.Errorf("browse deliveries: %w", err)
		}
		if list = append(list, some...); len(list) > limit {
			list = list[:limit]
			return list, list[limit-1].Subscriber, nil
		}
		if last {
			return list, 0, nil
		}
		if from = upto; enough() {
			return list, from, nil
		}
	}
}

// domainOfSettings is the domain of the address in settings st.
func (d dialect) domainOfSettings() string {
	return `lower(substr(st.address, ` + d.instr + `(st.address, '@') + 1))`
}

// replyFilter reads what a reply is to be like: codes from low to high, or words in it.
func replyFilter(s string) (low, high int, words string) {
	s = strings.ToLower(strings.TrimSpace(s))
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 1000 {
		low, high = n, n
		for low < 100 {
			low, high = 10*low, 10*high+9
		}
		return low, high, ""
	}
	return 0, 0, s
}

// PlotRow is what plots are made of: a delivery without its reader.
type PlotRow struct {
	State    mailer.State
	Reason   string
	Relay    string
	Domain   string // "" = the reader was erased
	Code     int
	Enhanced string
	Reply    int64 // id of the text, 0 = none
	Attempts int
	Taken    time.Time // by the relay; zero if it did not, or nobody knows
}

// PlotRows reads the next stretch of an issue's deliveries behind a subscriber; next is 0 at the end.
func (db *DB) PlotRows(ctx context.Context, i *digest.Issue, after int64) (list []PlotRow, next int64, err error) {
	list, err = selectAll(ctx, db.read(), `SELECT d.subscriber, d.state, d.reason, coalesce(nullif(d.relay, ''), b.relay, ''), coalesce(`+db.dialect.domainOfSettings()+`, ''),
			d.code, d.enhanced, coalesce(d.reply, 0), d.attempts, `+takenAt+`, d.issue
		FROM deliveries d `+ofSettings+` LEFT JOIN batches b ON b.id = d.batch WHERE d.slot = ?1 AND d.subscriber > ?2 ORDER BY d.subscriber LIMIT ?3`,
		args{i.SlotID, after, stretch}, func(r *sql.Rows) (s PlotRow, err error) {
			var taken, issue int64
			err = r.Scan(&next, &s.State, &s.Reason, &s.Relay, &s.Domain, &s.Code, &s.Enhanced, &s.Reply, &s.Attempts, &taken, &issue)
			if s.Taken = fromUS(taken); issue != i.ID {
				s.State = "" // another issue of the slot
			}
			return s, err
		})
	if err != nil {
		return nil, 0, fmt.Errorf("read deliveries of issue %d: %w", i.ID, err)
	}
	if len(list) < stretch {
		next = 0
	}
	n := 0
	for _, s := range list {
		if s.State != "" {
			list[n] = s
			n++
		}
	}
	return list[:n], next, nil
}

// ReplyText is the text that a [PlotRow] names; "" if there is none.
func (db *DB) ReplyText(ctx context.Context, id int64) (text string, err error) {
	err = db.read().scan(ctx, `SELECT body FROM reply_texts WHERE id = ?1`, args{id}, &text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("load reply: %w", err)
	}
	return text, nil
}

// RunningIssues lists the issues that are being opened or have deliveries still to go, notices left out.
func (db *DB) RunningIssues(ctx context.Context) ([]int64, error) {
	list, err := selectAll(ctx, db.read(), `SELECT i.id FROM (SELECT DISTINCT issue FROM batches`+db.dialect.by("batches_due")+`WHERE done = 0
		UNION SELECT id FROM issues`+db.dialect.by("issues_opening")+`WHERE state = 'opening') found JOIN issues i ON i.id = found.issue
		JOIN editions e ON e.id = i.edition WHERE e.name <> '`+digest.NoticeEdition+`' ORDER BY i.id`, nil, number)
	if err != nil {
		return nil, fmt.Errorf("list running issues: %w", err)
	}
	return list, nil
}

// ToGo is about how many deliveries of an issue each relay still has before it: those of its unfinished batches.
func (db *DB) ToGo(ctx context.Context, issue int64) (map[string]int, error) {
	type left struct {
		relay string
		n     int
	}
	list, err := selectAll(ctx, db.read(), `SELECT relay, sum(size) FROM batches WHERE issue = ?1 AND done = 0 GROUP BY relay`, args{issue},
		func(r *sql.Rows) (l left, err error) { return l, r.Scan(&l.relay, &l.n) })
	if err != nil {
		return nil, fmt.Errorf("count what relays have before them: %w", err)
	}
	m := make(map[string]int, len(list))
	for _, l := range list {
		m[l.relay] = l.n
	}
	return m, nil
}

// Starts are when the first and the last batch of an issue start that are not done; zero if all are.
func (db *DB) Starts(ctx context.Context, issue int64) (first, last time.Time, err error) {
	var low, high int64
	if err := db.read().scan(ctx, `SELECT coalesce(min(start), 0), coalesce(max(start), 0) FROM batches WHERE issue = ?1 AND done = 0`, args{issue}, &low, &high); err != nil {
		return first, last, fmt.Errorf("look when batches start: %w", err)
	}
	return fromUS(low), fromUS(high), nil
}

// Recent is by how much an issue's books grew from a minute on, by state.
func (db *DB) Recent(ctx context.Context, issue int64, since time.Time) ([]Book, error) {
	list, err := selectAll(ctx, db.read(), `SELECT issue, relay, state, sum(n) FROM issue_minutes WHERE issue = ?1 AND minute >= ?2 GROUP BY issue, relay, state`,
		args{issue, since.Unix() / 60}, func(r *sql.Rows) (b Book, err error) { return b, r.Scan(&b.Issue, &b.Relay, &b.State, &b.N) })
	if err != nil {
		return nil, fmt.Errorf("read books of late: %w", err)
	}
	return list, nil
}

// Followed is how many readers an edition has in a zone and at an hour, on a weekday.
type Followed struct {
	digest.Place
	Days    int64 // on which they want it, bit 0 is Monday; 0 = every day
	Readers int
}

// FollowersByPlace counts an edition's audience. It walks an index of its readers: for figures that are kept a while.
func (db *DB) FollowersByPlace(ctx context.Context, edition string) ([]Followed, error) {
	id, err := db.EditionID(ctx, edition)
	if err != nil {
		return nil, err
	}
	list, err := selectAll(ctx, db.read(), `SELECT zone, hour, days, count(*) FROM followers WHERE edition = ?1 AND active = 1 GROUP BY zone, hour, days`,
		args{id}, func(r *sql.Rows) (f Followed, err error) { return f, r.Scan(&f.Zone, &f.Hour, &f.Days, &f.Readers) })
	if err != nil {
		return nil, fmt.Errorf("count readers of %s: %w", edition, err)
	}
	return list, nil
}
