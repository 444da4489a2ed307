package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"broadsheet/intake"
	"broadsheet/mailer"
)

// How many characters are kept of what servers and messages say.
const (
	maxReason  = 50
	maxStatus  = 20
	maxHost    = 255
	maxAddress = 320
	maxSubject = 200
)

// event puts news of a delivery on record. fresh is false if they were.
func (t *tx) event(ctx context.Context, d *delivery, e *intake.Event, inbound int64, at time.Time) (fresh bool, err error) {
	reply, err := t.newsText(ctx, &e.News)
	if err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `INSERT INTO events (slot, subscriber, class, at, sure, reason, status, code, reply, host, source, domain, relay, inbound)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT (slot, subscriber, class, at) DO NOTHING`,
		d.Slot, d.Subscriber, string(e.Class), us(at), e.Sure, oneLine(e.Reason, maxReason), oneLine(e.Status, maxStatus), e.Code, reply,
		oneLine(e.Host, maxHost), e.Source, mailer.DomainOf(d.Address), d.relay, inbound)
	return n == 1, err
}

// knows says whether news is on record: each once, but for delays, which are many and differ by
// their time.
func (t *tx) knows(ctx context.Context, d *delivery, e *intake.Event, at time.Time) (is bool, err error) {
	if e.Class == mailer.Arrived && d.State == mailer.Delivered {
		return true, nil
	}
	err = t.scan(ctx, `SELECT EXISTS (SELECT 1 FROM events WHERE slot = ?1 AND subscriber = ?2 AND class = ?3 AND (?4 = 0 OR at = ?5))`,
		args{d.Slot, d.Subscriber, string(e.Class), e.Class == mailer.Put, us(at)}, &is)
	return is, err
}

// returnedAs is the gravest class that sure news gave a mail that came back, "" if there is none.
func (t *tx) returnedAs(ctx context.Context, d *delivery) (worst mailer.Class, err error) {
	list, err := selectAll(ctx, t, `SELECT class FROM events WHERE slot = ?1 AND subscriber = ?2 AND class IN ('hard', 'policy', 'content', 'soft') AND sure = 1
		ORDER BY at`, args{d.Slot, d.Subscriber}, text)
	for _, c := range list {
		if c := mailer.Class(c); gravity(c) > gravity(worst) {
			worst = c
		}
	}
	return worst, err
}

// mostDelays is how many delays of a delivery are on record, at most: then the latest takes the place
// of the one before.
const mostDelays = 50

// roomForDelay takes the last delay of a delivery off the record if there are too many. room is false if
// there are, and one at a time would not be the latest.
func (t *tx) roomForDelay(ctx context.Context, d *delivery, at time.Time) (room bool, err error) {
	var n int
	var last int64
	if err := t.scan(ctx, `SELECT count(*), coalesce(max(at), 0) FROM events WHERE slot = ?1 AND subscriber = ?2 AND class = 'delayed'`,
		args{d.Slot, d.Subscriber}, &n, &last); err != nil || n < mostDelays {
		return true, err
	}
	if us(at) < last {
		return false, nil
	}
	_, err = t.exec(ctx, `DELETE FROM events WHERE slot = ?1 AND subscriber = ?2 AND class = 'delayed' AND at = ?3`, d.Slot, d.Subscriber, last)
	return true, err
}

// keepArrival makes a row of what a delivery says of its arrival, before other news take its place.
func (t *tx) keepArrival(ctx context.Context, d *delivery) error {
	_, err := t.exec(ctx, `INSERT INTO events (slot, subscriber, class, at, sure, reason, status, code, reply, host, source, domain, relay)
		SELECT d.slot, d.subscriber, 'delivered', d.at, 1, '', d.enhanced, d.code, d.reply, coalesce(v.host, ''), coalesce(v.source, ''), ?3, d.relay
		FROM deliveries d LEFT JOIN servers v ON v.id = d.server WHERE d.slot = ?1 AND d.subscriber = ?2
		ON CONFLICT (slot, subscriber, class, at) DO NOTHING`, d.Slot, d.Subscriber, mailer.DomainOf(d.Address))
	return err
}

// newsText keeps what a server said, without code, addresses and ids: the same words are kept once
// for all who are told the same.
func (t *tx) newsText(ctx context.Context, n *mailer.News) (sql.NullInt64, error) {
	words := strings.Fields(bareText(n))
	for k, w := range words {
		if strings.Contains(w, "@") || strings.Contains(w, "%40") {
			words[k] = "…"
		}
	}
	text := cutIDs(strings.Join(words, " "))
	return remember(&t.news.texts, text, func() (sql.NullInt64, error) { return t.replyText(ctx, text) })
}

// bareText is what a server said behind its reply code and enhanced code, which stand beside it.
func bareText(n *mailer.News) string {
	text := strings.TrimSpace(n.Text)
	if n.Code != 0 {
		text = cutWord(text, strconv.Itoa(n.Code))
	}
	return cutWord(text, n.Status)
}

// cutWord is text without a word that it begins with.
func cutWord(text, word string) string {
	rest, found := strings.CutPrefix(text, word)
	if !found || word == "" || rest != "" && !strings.ContainsAny(rest[:1], " \t\r\n-:") {
		return text
	}
	return strings.TrimLeft(rest, " \t\r\n-:")
}

// oneLine is text on one line, in UTF-8 and not longer than most characters.
func oneLine(text string, most int) string {
	r := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " "))
	return string(r[:min(len(r), most)])
}

// EventRow is a piece of news of a delivery, for people to look at.
type EventRow struct {
	mailer.News
	Source  string
	Relay   string // that the mail went through
	Sure    bool   // false: by the address alone, it changed nothing
	Inbound int64  // message that said so, 0 if none did
}

// Events lists the news of a delivery, its arrival among them, the first one first.
func (db *DB) Events(ctx context.Context, id int64) ([]EventRow, error) {
	slot, subscriber := id>>32, id&math.MaxUint32
	list, err := selectAll(ctx, db.read(), `SELECT e.class, e.at, e.sure, e.reason, e.status, e.code, coalesce(rt.body, ''), e.host, e.source, e.relay, e.inbound
		FROM events e LEFT JOIN reply_texts rt ON rt.id = e.reply WHERE e.slot = ?1 AND e.subscriber = ?2
		UNION ALL SELECT 'delivered', d.at, 1, '', d.enhanced, d.code, coalesce(rt.body, ''), coalesce(v.host, ''), coalesce(v.source, ''), d.relay, 0
		FROM deliveries d LEFT JOIN reply_texts rt ON rt.id = d.reply LEFT JOIN servers v ON v.id = d.server
		WHERE d.slot = ?1 AND d.subscriber = ?2 AND d.state = 'delivered'`, args{slot, subscriber}, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("list events of delivery %d: %w", id, err)
	}
	slices.SortStableFunc(list, func(a, b EventRow) int { return a.At.Compare(b.At) })
	return list, nil
}

func scanEvent(r *sql.Rows) (e EventRow, err error) {
	var at int64
	err = r.Scan(&e.Class, &at, &e.Sure, &e.Reason, &e.Status, &e.Code, &e.Text, &e.Host, &e.Source, &e.Relay, &e.Inbound)
	e.At = fromUS(at)
	return e, err
}
