package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"broadsheet/mailer"
)

const (
	// reportLease is how long one try to send a report may take. What is on record as handed for longer was
	// cut short.
	reportLease = 10 * time.Minute
	// reportCopies is how many copies of a report may leave without any reply.
	reportCopies = 2
)

// reportsKept is how long reports are kept: they name no reader.
const reportsKept = 90 * 24 * time.Hour

// ReportMail is a morning report on its way to one recipient.
type ReportMail struct {
	Day       string // local date 2006-01-02
	Recipient string
	At        time.Time // when it was written: its mail is dated so
	Subject   string
	Text      string
	HTML      string
	State     mailer.State
	Attempts  int
	Copies    int // that may have arrived
	Due       time.Time
	Reason    string
}

// WriteReport puts a day's report on record for its recipients, and who the readers now are as what the next
// one begins with, all in one step. written is false if the day has one already. b is what the report said.
func (db *DB) WriteReport(ctx context.Context, mails []ReportMail, b *ReaderBalance, now time.Time) (written bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		written = false
		for _, m := range mails {
			n, err := t.exec(ctx, `INSERT INTO reports (day, recipient, at, subject, body, html, state, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?3)
				ON CONFLICT (day, recipient) DO NOTHING`, m.Day, m.Recipient, us(now), m.Subject, m.Text, m.HTML)
			if err != nil || n == 0 {
				return err
			}
		}
		if _, err := t.exec(ctx, `DELETE FROM reports WHERE day < ?1`, now.Add(-reportsKept).Format(time.DateOnly)); err != nil {
			return err
		}
		unfinished, err := selectAll(ctx, t, `SELECT DISTINCT issue FROM batches WHERE done = 0 AND due IS NOT NULL`, nil, number)
		if err != nil {
			return err
		}
		ids, err := json.Marshal(unfinished)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO report_readers (id, at, real_at, highest, unfinished, members) VALUES (1, ?1, ?2, ?3, ?4, ?5)
			ON CONFLICT (id) DO UPDATE SET at = excluded.at, real_at = excluded.real_at, highest = excluded.highest,
			unfinished = excluded.unfinished, members = excluded.members`, us(now), us(db.real()), b.highest, string(ids), append([]byte{}, b.next.b...))
		written = err == nil
		return err
	})
	if err != nil {
		return false, fmt.Errorf("write report: %w", err)
	}
	return written, nil
}

// Reported reports whether a day has its report.
func (db *DB) Reported(ctx context.Context, day string) (is bool, err error) {
	if err := db.read().scan(ctx, `SELECT EXISTS (SELECT 1 FROM reports WHERE day = ?1)`, args{day}, &is); err != nil {
		return false, fmt.Errorf("look for report: %w", err)
	}
	return is, nil
}

// NextReport returns a report that is due to be sent; nil if there is none.
func (db *DB) NextReport(ctx context.Context, now time.Time) (*ReportMail, error) {
	for {
		list, err := selectAll(ctx, db.read(), `SELECT day, recipient, at, subject, body, html, state, attempts, copies, due, reason FROM reports`+
			db.dialect.by("reports_due")+`WHERE state IN ('queued', 'handed') AND due <= ?1 ORDER BY due LIMIT 1`, args{us(now)}, scanReport)
		if err != nil {
			return nil, fmt.Errorf("look for reports to send: %w", err)
		}
		if len(list) == 0 || list[0].Copies < reportCopies {
			return first(list), nil
		}
		if err := db.SettleReport(ctx, &list[0], mailer.Outcome{State: mailer.Uncertain, Reason: forwardUnknown, Copies: list[0].Copies}); err != nil {
			return nil, err
		}
	}
}

func first[T any](list []T) *T {
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}

func scanReport(r *sql.Rows) (m ReportMail, err error) {
	var at, due int64
	err = r.Scan(&m.Day, &m.Recipient, &at, &m.Subject, &m.Text, &m.HTML, &m.State, &m.Attempts, &m.Copies, &due, &m.Reason)
	m.At, m.Due = fromUS(at), fromUS(due)
	return m, err
}

// LastReports lists the mails of the latest report, by recipient.
func (db *DB) LastReports(ctx context.Context) ([]ReportMail, error) {
	list, err := selectAll(ctx, db.read(), `SELECT day, recipient, at, subject, body, html, state, attempts, copies, due, reason FROM reports
		WHERE day = (SELECT max(day) FROM reports) ORDER BY recipient`, nil, scanReport)
	if err != nil {
		return nil, fmt.Errorf("list reports: %w", err)
	}
	return list, nil
}

// BeginReport writes down that a report is about to leave, before a relay sees any of it. [mailer.ErrLost] if
// somebody else has it.
func (db *DB) BeginReport(ctx context.Context, m *ReportMail, now time.Time) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE reports SET state = 'handed', attempts = attempts + 1, copies = copies + 1, due = ?5
			WHERE day = ?1 AND recipient = ?2 AND state = ?3 AND attempts = ?4`, m.Day, m.Recipient, string(m.State), m.Attempts, us(now.Add(reportLease)))
		if err == nil && n == 0 {
			err = mailer.ErrLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("begin report: %w", err)
	}
	m.State = mailer.Handed
	m.Attempts++
	m.Copies++
	return nil
}

// SettleReport writes down what came of a try: accepted, queued or deferred (due again), or the end.
func (db *DB) SettleReport(ctx context.Context, m *ReportMail, o mailer.Outcome) error {
	state := o.State
	switch state {
	case mailer.Deferred:
		state = mailer.Queued
	case mailer.Expired:
		state = mailer.Failed
	}
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE reports SET state = ?5, copies = ?6, due = ?7, reason = ?8 WHERE day = ?1 AND recipient = ?2 AND state = ?3 AND attempts = ?4`,
			m.Day, m.Recipient, string(m.State), m.Attempts, string(state), o.Copies, us(o.Due), oneLine(o.Reason, 200))
		if err == nil && n == 0 {
			err = mailer.ErrLost
		}
		return err
	})
	if err != nil && !errors.Is(err, mailer.ErrLost) {
		return fmt.Errorf("put on record what came of a report: %w", err)
	}
	m.State, m.Copies, m.Reason = state, o.Copies, o.Reason
	return err
}
