package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"

	"broadsheet/subscribers"
)

// forgetNews takes what others said about a reader's mail, and what the reader wrote, off the
// record. What stays are numbers: which class of news there was, when, of which mail.
func (t *tx) forgetNews(ctx context.Context, id int64) error {
	mails, err := selectAll(ctx, t, `SELECT id FROM inbound WHERE subscriber = ?1 AND subscriber > 0`, args{id}, number)
	if err != nil {
		return err
	}
	addresses, err := owned(ctx, t, id)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		folded := subscribers.Fold(a)
		more, err := selectAll(ctx, t, `SELECT id FROM inbound WHERE address = ?1 AND address <> ''
			UNION ALL SELECT id FROM inbound WHERE sender = ?1 AND sender <> ''`, args{folded}, number)
		if err != nil {
			return err
		}
		mails = append(mails, more...)
	}
	if err := t.forgetMail(ctx, mails); err != nil {
		return err
	}
	for _, query := range []string{
		`UPDATE events SET reply = NULL, host = '', domain = '' WHERE slot ` + t.w.dialect.among(`SELECT 0 UNION ALL `+slotsOf) + ` AND subscriber = ?1`,
		`UPDATE deliveries SET reply = NULL, server = NULL WHERE taken > 0 AND slot ` + t.w.dialect.among(slotsOf) + ` AND subscriber = ?1`,
		`UPDATE tasks SET detail = '', outcome = '' WHERE subscriber = ?1`,
	} {
		if _, err := t.exec(ctx, query, id); err != nil {
			return err
		}
	}
	return nil
}

// forgetMail deletes what messages say, by whom and to whom, and does not pass them on.
func (t *tx) forgetMail(ctx context.Context, ids []int64) error {
	for _, id := range ids {
		for _, query := range []string{
			`UPDATE inbound SET raw = NULL, sender = '', subject = '', recipient = '', address = '', reply = NULL WHERE id = ?1`,
			`DELETE FROM forwards WHERE inbound = ?1`,
		} {
			if _, err := t.exec(ctx, query, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// looseMail finds messages without a token in which an address of a reader stands.
func (db *DB) looseMail(ctx context.Context, q querier, id int64) (found []int64, err error) {
	addresses, err := owned(ctx, q, id)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var forms [][]byte
	for _, f := range formsOf(addresses) {
		forms = append(forms, []byte(f))
	}
	if len(forms) == 0 {
		return nil, nil
	}
	type mail struct {
		id   int64
		here bool
	}
	for after := int64(0); ; {
		list, err := selectAll(ctx, q, `SELECT id, raw FROM inbound WHERE raw IS NOT NULL AND subscriber = 0 AND id > ?1 ORDER BY id LIMIT 100`, args{after},
			func(r *sql.Rows) (m mail, err error) {
				var raw sql.RawBytes
				if err = r.Scan(&m.id, &raw); err != nil {
					return m, err
				}
				low := bytes.ToLower(raw)
				for _, f := range forms {
					m.here = m.here || bytes.Contains(low, f)
				}
				return m, nil
			})
		if err != nil {
			return nil, fmt.Errorf("look through inbound mail: %w", err)
		}
		if len(list) == 0 {
			return found, nil
		}
		for _, m := range list {
			if after = m.id; m.here {
				found = append(found, m.id)
			}
		}
	}
}
