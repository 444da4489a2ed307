package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"broadsheet/mailer"
)

// InboundRow is a message that came in, for people to look at. [mailer.News] is the gravest of what
// it says.
type InboundRow struct {
	mailer.News
	ID         int64
	Source     string
	Key        string // in its source
	At         time.Time
	To         string
	From       string // "" once it is no longer kept, as To, Subject and Recipient
	Subject    string
	Slot       int64  // with Subscriber the delivery that it is about; 0 = of none that is on record
	Issue      int64  // of that delivery
	Subscriber int64  // by a token; 0 = nobody's
	Reader     string // address of that reader now; "" if there is none any more
	Aside      string // why a person should look at it, "" = it was understood
	Effect     string // what followed
	Cut        bool   // what is kept of it is not all
	Kept       bool   // it can be had with [DB.InboundMail]
}

// Delivery is the number of the delivery that the message is about, 0 if there is none.
func (m *InboundRow) Delivery() int64 {
	if m.Slot == 0 {
		return 0
	}
	return DeliveryID(m.Slot, m.Subscriber)
}

// InboundFilter says which messages to list. Zero fields do not filter.
type InboundFilter struct {
	Class      mailer.Class
	Bounces    bool // hard, soft, policy and content
	Aside      bool // set aside for a person
	Subscriber int64
	Address    string // that the news names or that wrote, folded
	Issue      int64
	Domain     string // of the address that the news names, folded
	Since      time.Time
}

const inboundColumns = `SELECT m.id, m.source, m.place, m.at, m.recipient, m.sender, m.subject, m.class, m.reason, m.status, m.code,
	coalesce(rt.body, ''), m.address, m.slot, m.subscriber, m.aside, m.effect, m.cut, m.raw IS NOT NULL, coalesce(d.issue, 0), coalesce(st.address, '')
	FROM inbound m LEFT JOIN subscribers sb ON sb.id = m.subscriber AND m.subscriber > 0 LEFT JOIN settings st ON st.id = sb.settings LEFT JOIN reply_texts rt ON rt.id = m.reply LEFT JOIN deliveries d ON d.slot = m.slot AND d.subscriber = m.subscriber AND m.slot > 0 `

func scanInbound(r *sql.Rows) (m InboundRow, err error) {
	var at int64
	err = r.Scan(&m.ID, &m.Source, &m.Key, &at, &m.To, &m.From, &m.Subject, &m.Class, &m.Reason, &m.Status, &m.Code,
		&m.Text, &m.Recipient, &m.Slot, &m.Subscriber, &m.Aside, &m.Effect, &m.Cut, &m.Kept, &m.Issue, &m.Reader)
	m.At = fromUS(at)
	return m, err
}

// Inbound lists messages that came in, the last one on record first. Memory stays flat.
func (db *DB) Inbound(ctx context.Context, f InboundFilter) iter.Seq2[InboundRow, error] {
	where := `m.id < ?1`
	switch {
	case f.Subscriber != 0:
		where = `m.subscriber = ?5 AND m.subscriber > 0 AND m.id < ?1`
	case f.Address != "":
		where = `m.id IN (SELECT id FROM inbound WHERE address = ?6 AND address <> '' UNION ALL SELECT id FROM inbound WHERE sender = ?6 AND sender <> '') AND m.id < ?1`
	case f.Aside:
		where = `m.aside <> '' AND m.id < ?1` // as its index says
	}
	query := inboundColumns + `WHERE ` + where + ` AND (?2 = '' OR m.class = ?2) AND (?3 = 0 OR m.class IN ('hard', 'soft', 'policy', 'content'))
		AND (?4 = 0 OR m.aside <> '') AND (?5 = 0 OR m.subscriber = ?5) AND (?6 = '' OR m.address = ?6 OR m.sender = ?6) AND m.at >= ?7
		AND (?8 = 0 OR d.issue = ?8) AND (?9 = '' OR m.address ` + db.dialect.like + ` '%@' || ?9) ORDER BY m.id DESC LIMIT ?10`
	return pages(func(after InboundRow) ([]InboundRow, error) {
		before := int64(1) << 62
		if after.ID != 0 {
			before = after.ID
		}
		return selectAll(ctx, db.read(), query, args{before, string(f.Class), f.Bounces, f.Aside, f.Subscriber, f.Address, us(f.Since), f.Issue, f.Domain, pageSize}, scanInbound)
	}, "list inbound mail")
}

// InboundMail loads a message with what is kept of it; raw is nil if nothing is. The error is
// [ErrNotFound] if there is no such message.
func (db *DB) InboundMail(ctx context.Context, id int64) (m InboundRow, raw []byte, err error) {
	list, err := selectAll(ctx, db.read(), inboundColumns+`WHERE m.id = ?1`, args{id}, scanInbound)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err == nil {
		m = list[0]
		err = db.read().scan(ctx, `SELECT raw FROM inbound WHERE id = ?1`, args{id}, &raw)
	}
	if err != nil {
		return m, nil, fmt.Errorf("load inbound mail %d: %w", id, err)
	}
	return m, raw, nil
}

// ForgetInbound deletes what messages say that went on record before an instant, and by whom and to
// whom. What stays says that there was one, of which class, and what followed. It returns how many.
func (db *DB) ForgetInbound(ctx context.Context, before time.Time) (n int, err error) {
	for {
		list, err := selectAll(ctx, db.read(), `SELECT id FROM inbound WHERE raw IS NOT NULL AND recorded < ?1 ORDER BY recorded LIMIT 200`,
			args{us(before)}, number)
		if err == nil && len(list) == 0 { // mostly: a look does not take the writer's turn
			return n, nil
		}
		if err == nil {
			err = db.write(ctx, func(ctx context.Context, t *tx) error {
				_, err := t.exec(ctx, `UPDATE inbound SET raw = NULL, sender = '', subject = '', recipient = '', address = ''
					WHERE id `+db.dialect.in(1)+``, idList(list))
				return err
			})
		}
		if err != nil {
			return n, fmt.Errorf("forget inbound mail: %w", err)
		}
		n += len(list)
	}
}
