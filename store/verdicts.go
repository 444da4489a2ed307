package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/operators"
)

// ErrTooLate says that an issue's life has ended, so that nothing can be decided about it any more.
var ErrTooLate = errors.New("its end of life has passed")

// ErrOpening says that an issue is being opened, so that nobody can have seen it.
var ErrOpening = errors.New("it is still being opened")

// opinion is what people decided about a slot.
type opinion struct {
	any, approved bool
	who, why      string
	wires         []string // that were let go since anybody last disapproved
}

// opinion reads the verdicts on a slot.
func (t *tx) opinion(ctx context.Context, slot int64) (s opinion, err error) {
	_, err = selectAll(ctx, t, `SELECT who, why, approved, wires FROM verdicts WHERE slot = ?1 ORDER BY id`, args{slot}, func(r *sql.Rows) (none struct{}, err error) {
		var list string
		var wires []string
		s.any = true
		if err := r.Scan(&s.who, &s.why, &s.approved, &list); err != nil {
			return none, err
		}
		if err := json.Unmarshal([]byte(list), &wires); err != nil {
			return none, err
		}
		if !s.approved {
			s.wires = nil
		}
		s.wires = append(s.wires, wires...)
		return none, nil
	})
	return s, err
}

// letsGo reports whether all that tripped was let go.
func (s *opinion) letsGo(trips []digest.Trip) bool {
	return !slices.ContainsFunc(trips, func(t digest.Trip) bool { return !slices.Contains(s.wires, t.Wire) })
}

// waits holds an issue that has just been opened, if it is out of bounds or is to be approved. What was
// decided about the slot holds for this issue too: nobody is asked once for each zone.
func (t *tx) waits(ctx context.Context, i *digest.Issue, now time.Time) error {
	var approve, list string
	err := t.scan(ctx, `SELECT approve, trips FROM issue_proofs WHERE issue = ?1`, args{i.ID}, &approve, &list)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var trips []digest.Trip
	if err := fromJSON(list, &trips); err != nil {
		return err
	}
	s, err := t.opinion(ctx, i.SlotID)
	if err != nil {
		return err
	}
	if s.letsGo(trips) {
		if err := t.usual(ctx, i.ID, true); err != nil {
			return err
		}
	} else if err := t.unusual(ctx, &slotProof{issue: i.ID, trips: trips}, now); err != nil {
		return err
	}
	switch {
	case s.any && !s.approved:
		return t.keepBack(ctx, i.ID, digest.HoldApproval, disapproved(s.who, s.why), s.who, now)
	case !s.any && approve == "hold":
		return t.keepBack(ctx, i.ID, digest.HoldApproval, "nobody has approved it yet", "approve: hold", now)
	}
	return nil
}

func (t *tx) keepBack(ctx context.Context, issue int64, kind digest.HoldKind, reason, who string, now time.Time) error {
	_, err := t.hold(ctx, digest.Hold{Issue: issue, Kind: kind, Reason: reason, Who: who, At: now})
	return err
}

// unusual holds an issue by what tripped, and has no later one compared with it.
func (t *tx) unusual(ctx context.Context, p *slotProof, now time.Time) error {
	if err := t.usual(ctx, p.issue, false); err != nil {
		return err
	}
	return t.keepBack(ctx, p.issue, digest.HoldTripwire, tripsInWords(p.trips), "tripwires", now)
}

// usual says whether later issues are compared with this one.
func (t *tx) usual(ctx context.Context, issue int64, is bool) error {
	_, err := t.exec(ctx, `UPDATE issue_proofs SET usual = ?2 WHERE issue = ?1`, issue, is)
	return err
}

func tripsInWords(trips []digest.Trip) string {
	var texts []string
	for _, t := range trips {
		texts = append(texts, t.Text)
	}
	return strings.Join(texts, "; ")
}

func disapproved(who, why string) string { return "disapproved by " + who + ": " + why }

// Verdict is what a decision about an issue's slot changed.
type Verdict struct {
	Changed []int64  // issues that were let go or are held back now
	Waiting []int64  // issues of the slot that their own figures hold, still
	Wires   []string // tripwires that were let go
}

// Approve lets an issue go, and so all issues of its slot, those that open later too: whatever zone they
// are for. What is out of bounds is let go where the same tripwires say so; an issue of the slot that
// trips others still waits. Holds of other kinds stay.
func (db *DB) Approve(ctx context.Context, issue int64, by operators.By, now time.Time) (v Verdict, err error) {
	err = db.pronounce(ctx, issue, by, now, true, &v)
	if err != nil {
		return v, fmt.Errorf("approve issue %d: %w", issue, err)
	}
	return v, nil
}

// Disapprove holds an issue back, and so all issues of its slot, those that open later too, until
// somebody approves one of them. What has left has left, and an issue of the slot that is over is not held.
func (db *DB) Disapprove(ctx context.Context, issue int64, by operators.By, now time.Time) (v Verdict, err error) {
	err = db.pronounce(ctx, issue, by, now, false, &v)
	if err != nil {
		return v, fmt.Errorf("disapprove issue %d: %w", issue, err)
	}
	return v, nil
}

func (db *DB) pronounce(ctx context.Context, issue int64, by operators.By, now time.Time, approved bool, v *Verdict) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		*v = Verdict{}
		i, err := issueWhere(ctx, t, `WHERE i.id = ?1`, issue)
		switch {
		case err != nil:
			return err
		case i.State != digest.Open:
			return ErrOpening
		case !i.Ends.After(now):
			return ErrTooLate
		}
		list, err := t.slotProofs(ctx, i.SlotID, now)
		if err != nil {
			return err
		}
		for _, p := range list {
			if p.issue == issue && approved {
				for _, trip := range p.trips {
					v.Wires = append(v.Wires, trip.Wire)
				}
			}
		}
		wires, err := json.Marshal(append([]string{}, v.Wires...))
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO verdicts (slot, issue, at, who, why, approved, wires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
			i.SlotID, issue, us(now), by.Who, by.Why, approved, string(wires)); err != nil {
			return err
		}
		s, err := t.opinion(ctx, i.SlotID)
		if err != nil {
			return err
		}
		for _, p := range list {
			if err := t.judge(ctx, p, &s, now, v); err != nil {
				return err
			}
		}
		act := "issue approve"
		if !approved {
			act = "issue disapprove"
		}
		return t.audit(ctx, by, act, issueName(issue), fmt.Sprintf("slot %s of %s%s", i.Slot, i.Edition, detailOf(v.Wires)), now)
	})
}

func detailOf(wires []string) string {
	if len(wires) == 0 {
		return ""
	}
	return "; let go: " + strings.Join(wires, ", ")
}

type slotProof struct {
	issue int64
	trips []digest.Trip
	over  bool // nothing of it can go any more
}

// slotProofs are the open issues of a slot.
func (t *tx) slotProofs(ctx context.Context, slot int64, now time.Time) ([]slotProof, error) {
	return selectAll(ctx, t, `SELECT i.id, coalesce(p.trips, ''), i.ends <= ?3 OR `+noMore+` AND EXISTS (SELECT 1 FROM batches b WHERE b.issue = i.id)
		FROM issues i LEFT JOIN issue_proofs p ON p.issue = i.id
		WHERE i.slot = ?1 AND i.state = ?2 ORDER BY i.id`, args{slot, digest.Open, us(now)}, func(r *sql.Rows) (p slotProof, err error) {
		var list string
		if err := r.Scan(&p.issue, &list, &p.over); err != nil {
			return p, err
		}
		return p, fromJSON(list, &p.trips)
	})
}

// judge holds one issue of a slot or lets it go, by what was decided.
func (t *tx) judge(ctx context.Context, p slotProof, s *opinion, now time.Time, v *Verdict) error {
	if p.over && !s.approved {
		if len(p.trips) > 0 {
			return t.usual(ctx, p.issue, false)
		}
		return nil
	}
	had, err := t.letGo(ctx, p.issue, digest.HoldApproval)
	if err != nil {
		return err
	}
	if !s.approved {
		v.Changed = append(v.Changed, p.issue)
		if len(p.trips) > 0 {
			if err := t.unusual(ctx, &p, now); err != nil {
				return err
			}
		}
		return t.keepBack(ctx, p.issue, digest.HoldApproval, disapproved(s.who, s.why), s.who, now)
	}
	if s.letsGo(p.trips) {
		tripped, err := t.letGo(ctx, p.issue, digest.HoldTripwire)
		if err != nil {
			return err
		}
		had = had || tripped
		if err := t.usual(ctx, p.issue, true); err != nil {
			return err
		}
	} else {
		v.Waiting = append(v.Waiting, p.issue)
	}
	if had {
		v.Changed = append(v.Changed, p.issue)
	}
	return nil
}

// Proof is how an issue stands before it goes.
type Proof struct {
	Figures digest.Figures
	Past    []digest.Figures // that it was compared with, the latest first
	Trips   []digest.Trip
	Approve string // as its edition had it when it was opened; "" = it was opened by an earlier version
	Said    []Decision
}

// Decision is what somebody decided about a slot.
type Decision struct {
	Issue    int64 // that they looked at
	At       time.Time
	By       operators.By
	Approved bool
	Wires    []string // let go with it
}

// Proof loads how an issue stands.
func (db *DB) Proof(ctx context.Context, issue int64) (p Proof, err error) {
	if p.Figures, p.Past, err = db.Figures(ctx, issue, digest.TripwirePast); err != nil {
		return p, err
	}
	var list string
	err = db.read().scan(ctx, `SELECT trips, approve FROM issue_proofs WHERE issue = ?1`, args{issue}, &list, &p.Approve)
	if err == nil {
		err = fromJSON(list, &p.Trips)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return p, fmt.Errorf("load proof of issue %d: %w", issue, err)
	}
	p.Said, err = selectAll(ctx, db.read(), `SELECT v.issue, v.at, v.who, v.why, v.approved, v.wires FROM issues i JOIN verdicts v ON v.slot = i.slot
		WHERE i.id = ?1 ORDER BY v.id`, args{issue}, func(r *sql.Rows) (d Decision, err error) {
		var at int64
		var wires string
		if err := r.Scan(&d.Issue, &at, &d.By.Who, &d.By.Why, &d.Approved, &wires); err != nil {
			return d, err
		}
		d.At = fromUS(at)
		return d, json.Unmarshal([]byte(wires), &d.Wires)
	})
	if err != nil {
		return p, fmt.Errorf("load verdicts on issue %d: %w", issue, err)
	}
	return p, nil
}

// Waiting lists the issues that are open and have mail that has not gone, because their time has not come or
// because they are held; by due time.
func (db *DB) Waiting(ctx context.Context, now time.Time) ([]digest.Issue, error) {
	list, err := selectAll(ctx, db.read(), `SELECT `+issueColumns+`WHERE i.state = ?2 AND i.ends > ?1 AND e.name <> '`+digest.NoticeEdition+`'
		AND (i.due > ?1 OR EXISTS (SELECT 1 FROM issue_holds h WHERE h.issue IN (0, i.id)))
		AND EXISTS (SELECT 1 FROM batches b WHERE b.issue = i.id AND b.done = 0) ORDER BY i.due, i.id`, args{us(now), digest.Open}, scanIssue)
	if err != nil {
		return nil, fmt.Errorf("list waiting issues: %w", err)
	}
	return list, nil
}

// Sampled is a reader whose mail of an issue stands for many, or is the most of a kind.
type Sampled struct {
	Address  string
	Language string
	TextOnly bool
	Stories  int
	HTMLSize int
}

// sampled is among how many deliveries of an issue a sample is looked for: enough to meet every kind, and
// few enough that a page may do so.
const sampled = 1000

// Sample lists the first mails of an issue, to choose from.
func (db *DB) Sample(ctx context.Context, issue int64) ([]Sampled, error) {
	list, err := selectAll(ctx, db.read(), `SELECT st.address, g.language, g.text_only, g.html_size, g.body FROM
			(SELECT d.settings, d.digest FROM issues i JOIN deliveries d ON d.slot = i.slot AND d.issue = i.id WHERE i.id = ?1 AND d.digest IS NOT NULL LIMIT ?2) d
			JOIN settings st ON st.id = d.settings JOIN digests g ON g.id = d.digest WHERE st.address <> ''`, args{issue, sampled},
		func(r *sql.Rows) (s Sampled, err error) {
			var body sql.RawBytes
			if err := r.Scan(&s.Address, &s.Language, &s.TextOnly, &s.HTMLSize, &body); err != nil {
				return s, err
			}
			told, err := digest.UnpackStories(body)
			s.Stories = len(told)
			return s, damaged(err)
		})
	if err != nil {
		return nil, fmt.Errorf("list mails of issue %d: %w", issue, err)
	}
	return list, nil
}
