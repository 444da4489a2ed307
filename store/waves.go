package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// The hard marks of one slot and one domain are a wave once there are waveFrom of them and their
// share of the slot's mails to the domain is waveTimes the norm: a provider says "no such user"
// of readers whom it has. They are counted by slot, for an edition in its readers' zones has many
// issues in one, each with a few of a domain's readers. A wave is in quarantine. Its marks count for nothing, those that come
// later too, and what the earlier ones barred is lifted, until an operator says that it was false
// ([DB.UndoWave]) or true after all ([DB.ApplyWave]). If nobody does, they have lapsed: what comes
// back of later issues counts anew.
//
// The norm is the share of hard marks in the domain's mails of the normDays before the slot, those
// of its last day not among them, for a provider's bad day is longer than a slot; normLeast if
// that is more. So a list with many dead addresses makes a wave of its first two days, and none of
// the third.
const (
	waveFrom  = 3
	waveTimes = 5
	normLeast = 0.02
	normDays  = 28
	// waveLapse is after how long nobody is asked about a wave any more.
	waveLapse = 14 * 24 * time.Hour
)

// join adds a hard mark that has just been left to its wave. held says what that does to it, "" if
// it is to be dealt with as any other. effect is the mark's own.
func (db *DB) join(ctx context.Context, t *tx, d *delivery, domain, effect string, now time.Time) (held string, err error) {
	k := key{d.Slot, d.Subscriber}
	var hard, least int
	var since int64
	var ending string
	err = t.scan(ctx, `UPDATE waves SET hard = hard + 1 WHERE slot = ?1 AND domain = ?2 RETURNING hard, least, held, ending`,
		args{d.Slot, domain}, &hard, &least, &since, &ending)
	if errors.Is(err, sql.ErrNoRows) {
		if hard, err = t.hardMarks(ctx, d.Slot, domain); err != nil || hard < waveFrom {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	if ending == "" && since == 0 && hard >= least { // as far as was counted, and more mails may have left since
		if least, err = t.wave(ctx, d.Slot, d.Issue, domain, hard, false); err != nil {
			return "", err
		}
	}
	switch {
	case ending == "applied" || ending == "" && since == 0 && hard < least:
		return "", nil
	case ending == "undone":
		held, effect = "undone with its wave", cmp.Or(keptEffect(effect), markUndone)
	case since != 0:
		held, effect = "held in quarantine", cmp.Or(keptEffect(effect), markHeld)
	default:
		if _, err := t.exec(ctx, `UPDATE waves SET held = ?3 WHERE slot = ?1 AND domain = ?2`, d.Slot, domain, us(now)); err != nil {
			return "", err
		}
		_, err := db.takeBack(ctx, t, d.Slot, d.Issue, domain, markHeld, now)
		return "held in quarantine", err
	}
	return held, t.setMark(ctx, k, effect)
}

// keptEffect is the effect of a mark that its wave does not change; "" if it does.
func keptEffect(effect string) string {
	if effect == markForgiven {
		return effect
	}
	return ""
}

// hardMarks counts those of a domain in a slot.
func (t *tx) hardMarks(ctx context.Context, slot int64, domain string) (n int, err error) {
	err = t.scan(ctx, `SELECT count(*) FROM marks WHERE slot = ?1 AND domain = ?2 AND class = 'hard'`, args{slot, domain}, &n)
	return n, err
}

// wave makes the row of a domain in a slot, or renews it, and says how many hard marks bring it into
// quarantine. It counts the slot's mails to the domain; all of them, or up to twice as many as would
// make no wave of the marks that there are: a large provider's are not counted in a sender's turn, and
// once there are twice as many marks it is counted again.
func (t *tx) wave(ctx context.Context, slot, issue int64, domain string, hard int, all bool) (least int, err error) {
	var due, size int64
	if err := t.scan(ctx, `SELECT due FROM issues WHERE id = ?1`, args{issue}, &due); err != nil {
		return 0, err
	}
	norm, err := t.norm(ctx, domain, fromUS(due))
	if err != nil {
		return 0, err
	}
	most := int64(math.MaxInt64)
	if !all {
		most = int64(math.Ceil(2 * float64(hard) / (waveTimes * norm)))
	}
	if err := t.scan(ctx, `SELECT count(*) FROM (SELECT 1 FROM subscribers s `+t.w.dialect.by("subscribers_domain")+`
		CROSS JOIN deliveries d WHERE substr(s.address, `+t.w.dialect.instr+`(s.address, '@') + 1) = ?2
		AND d.slot = ?1 AND d.subscriber = s.id AND d.state NOT IN ('skipped', 'suppressed', 'superseded', 'cancelled') LIMIT ?3) found`,
		args{slot, domain, most}, &size); err != nil {
		return 0, err
	}
	size = max(size, int64(hard)) // who has another address by now got it too
	least = max(waveFrom, int(math.Ceil(waveTimes*norm*float64(size))))
	_, err = t.exec(ctx, `INSERT INTO waves (slot, domain, issue, size, norm, least, hard) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
		ON CONFLICT (slot, domain) DO UPDATE SET size = excluded.size, norm = excluded.norm, least = excluded.least`,
		slot, domain, issue, size, norm, least, hard)
	return least, err
}

// norm is what share of a domain's mails leaves hard marks as a rule, for a slot whose issue is due at
// a time.
func (t *tx) norm(ctx context.Context, domain string, due time.Time) (float64, error) {
	last := digest.UTCDay(due.Add(-24 * time.Hour)) // not among them
	var days []int64
	for day := last - normDays; day < last; day++ {
		days = append(days, day)
	}
	var mails, hard float64
	if err := t.scan(ctx, `SELECT coalesce(sum(n.taken + n.refused), 0) FROM `+t.w.dialect.ids(2)+` v CROSS JOIN domain_days n
		WHERE n.day = v.value AND n.domain = ?1`, args{domain, idList(days)}, &mails); err != nil || mails == 0 {
		return normLeast, err
	}
	at := func(day int64) int64 { return day * (24 * time.Hour).Microseconds() }
	if err := t.scan(ctx, `SELECT count(*) FROM marks WHERE domain = ?1 AND class = 'hard' AND sent >= ?2 AND sent < ?3 AND effect <> 'undone'`,
		args{domain, at(days[0]), at(last)}, &hard); err != nil {
		return 0, err
	}
	return min(max(hard/mails, normLeast), 1), nil
}

// waveMark is a mark of a wave with the address that it is about, "" if its owner was erased.
type waveMark struct {
	key
	sent    int64
	effect  string
	address string
	reason  string // of the delivery
}

func (t *tx) waveMarks(ctx context.Context, slot int64, domain string) ([]waveMark, error) {
	return selectAll(ctx, t, `SELECT m.slot, m.subscriber, m.sent, m.effect, coalesce(st.address, ''), d.reason
		FROM marks m CROSS JOIN deliveries d ON d.slot = m.slot AND d.subscriber = m.subscriber `+ofSettings+`
		WHERE m.slot = ?1 AND m.domain = ?2 AND m.class = 'hard' ORDER BY m.subscriber`, args{slot, domain},
		func(r *sql.Rows) (m waveMark, err error) {
			return m, r.Scan(&m.slot, &m.subscriber, &m.sent, &m.effect, &m.address, &m.reason)
		})
}

// takeBack has the hard marks of a domain in a slot count for nothing, by giving them an effect,
// and lifts what they barred. The issue is the one that is named for it.
func (db *DB) takeBack(ctx context.Context, t *tx, slot, issue int64, domain, effect string, now time.Time) (end WaveEnd, err error) {
	list, err := t.waveMarks(ctx, slot, domain)
	if err != nil {
		return end, err
	}
	why := fmt.Sprintf("%s with the hard bounces of %s in issue %d", effect, domain, issue)
	for _, m := range list {
		if m.effect != markForgiven {
			if err := t.setMark(ctx, m.key, effect); err != nil {
				return end, err
			}
			end.Marks++
		}
		lifted, err := db.reconsider(ctx, t, &m, why, now)
		if err != nil {
			return end, err
		}
		if lifted {
			end.Addresses++
		}
	}
	return end, nil
}

// reconsider lifts the suppression that a mark made of the address of m, which counts no more, unless
// what other marks there are would make it too. It leaves one alone that somebody else wished for.
func (db *DB) reconsider(ctx context.Context, t *tx, m *waveMark, why string, now time.Time) (lifted bool, err error) {
	if m.address == "" {
		return false, nil
	}
	if db.opts.AddressHash == nil {
		return false, ErrNoKey
	}
	hash := db.opts.AddressHash(subscribers.Fold(m.address))
	var slot int64
	var reason string
	var own bool // the mark that made it is the same reader's
	err = t.scan(ctx, `SELECT slot, reason, EXISTS (SELECT 1 FROM marks WHERE slot = suppressions.slot AND subscriber = ?2)
		FROM suppressions WHERE hash = ?1`, args{hash[:], m.subscriber}, &slot, &reason, &own)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (!own || !byMark(reason)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r, err := t.marked(ctx, m.subscriber, m.address)
	if err != nil || r == nil && slot != m.slot {
		return false, err
	}
	if r != nil {
		if still, err := db.stillBarred(ctx, t, r, hash, slot, now); still || err != nil {
			return false, err
		}
	}
	return true, t.liftRow(ctx, hash, why, now)
}

// stillBarred reports whether marks that count bar an address that the mark of a slot has barred,
// and if they do, makes the suppression theirs.
func (db *DB) stillBarred(ctx context.Context, t *tx, r *marked, hash subscribers.Hash, slot int64, now time.Time) (bool, error) {
	type mark struct {
		slot, sent int64
		class      mailer.Class
	}
	list, err := selectAll(ctx, t, `SELECT slot, sent, class FROM marks WHERE subscriber = ?1 AND effect IN ('counted', 'suppressed')
		ORDER BY slot = ?2 DESC, sent DESC LIMIT 20`, args{r.id, slot},
		func(rows *sql.Rows) (m mark, err error) { return m, rows.Scan(&m.slot, &m.sent, &m.class) })
	if err != nil {
		return false, err
	}
	for _, m := range list {
		bars, err := t.bars(ctx, r, m.class, fromUS(m.sent), now)
		if err != nil {
			return false, err
		}
		if bars {
			if _, err := t.exec(ctx, `UPDATE suppressions SET slot = ?2, reason = ?3 WHERE hash = ?1`, hash[:], m.slot, barReason(m.class)); err != nil {
				return false, err
			}
			return true, t.setMark(ctx, key{m.slot, r.id}, markBars)
		}
	}
	_, err = t.exec(ctx, `UPDATE marks SET effect = 'counted' WHERE subscriber = ?1 AND effect = 'suppressed'`, r.id)
	return false, err
}
