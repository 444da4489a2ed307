package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"broadsheet/subscribers"
)

// Flow is how many readers came or went for a reason.
type Flow struct {
	Reason  string `json:"reason"`
	Readers int    `json:"readers"`
}

// SectionBalance is what became of a section's readers: Before + Joined + Back + Followed - Left - Dropped = Now.
type SectionBalance struct {
	Section  string `json:"section"`
	Before   int    `json:"before"`
	Joined   int    `json:"joined"`
	Back     int    `json:"back"`
	Followed int    `json:"followed"` // by who was a reader before
	Left     int    `json:"left"`
	Dropped  int    `json:"dropped"` // by who still is a reader
	Now      int    `json:"now"`
}

// ReaderBalance is what became of readers since a report: Before + joined + back - left = Now. A reader is
// who gets mail: active, and the address not barred.
type ReaderBalance struct {
	Since              time.Time // of the report before; zero: there was none, and Before is Now
	Before, Now        int
	Joined, Back, Left []Flow           // by reason, the most first
	Sections           []SectionBalance // by section
	Unfinished         []int64          // issues that had mail to go at the report before

	next    memberWriter // who is a reader now
	highest int64
}

// Sum is how many readers flows are.
func Sum(flows []Flow) (n int) {
	for _, f := range flows {
		n += f.Readers
	}
	return n
}

// ReaderBalance counts who came and went since the last report, by going over all readers in pages. What
// changes meanwhile counts as it is found, and the next report goes on from there.
func (db *DB) ReaderBalance(ctx context.Context) (*ReaderBalance, error) {
	b, err := db.readerBalance(ctx)
	if err != nil {
		return nil, fmt.Errorf("balance readers: %w", err)
	}
	return b, nil
}

func (db *DB) readerBalance(ctx context.Context) (*ReaderBalance, error) {
	b := &ReaderBalance{}
	var at, highest int64
	var unfinished string
	var members []byte
	err := db.read().scan(ctx, `SELECT at, highest, unfinished, members FROM report_readers WHERE id = 1`, nil, &at, &highest, &unfinished, &members)
	first := errors.Is(err, sql.ErrNoRows)
	if err != nil && !first {
		return nil, err
	}
	if !first {
		if err := json.Unmarshal([]byte(unfinished), &b.Unfinished); err != nil {
			return nil, err
		}
	}
	b.Since = fromUS(at)
	if err := db.read().scan(ctx, `SELECT max(value, coalesce((SELECT max(id) FROM subscribers), 0)) FROM counters WHERE name = 'gone'`, nil, &b.highest); err != nil {
		return nil, err
	}
	old := readMembers(members)
	k := balancing{db: db, b: b, first: first, highest: highest, joined: map[string]int{}, back: map[string]int{}, left: map[string]int{}, sections: map[string]*SectionBalance{}}
	for s, err := range db.balanced(ctx, highest) {
		if err != nil {
			return nil, err
		}
		for old.ok && old.id < s.id { // their row is gone
			k.leaves(old.sections, "erased")
			old.step()
		}
		was := old.ok && old.id == s.id
		if err := k.take(ctx, s, was, old.sections); err != nil {
			return nil, err
		}
		if was {
			old.step()
		}
	}
	for ; old.ok; old.step() {
		k.leaves(old.sections, "erased")
	}
	if old.err != nil {
		return nil, old.err
	}
	b.Joined, b.Back, b.Left = flows(k.joined), flows(k.back), flows(k.left)
	for _, name := range slices.Sorted(maps.Keys(k.sections)) {
		b.Sections = append(b.Sections, *k.sections[name])
	}
	return b, nil
}

func flows(counts map[string]int) (list []Flow) {
	for reason, n := range counts {
		list = append(list, Flow{reason, n})
	}
	slices.SortFunc(list, func(a, b Flow) int { return cmp.Or(cmp.Compare(b.Readers, a.Readers), cmp.Compare(a.Reason, b.Reason)) })
	return list
}

// balanced is a reader for the balance.
type balanced struct {
	id       int64
	address  string
	status   subscribers.Status
	sections []string // followed, at whatever level but muted
	origin   string   // who made the first settings row, of one who is new
	barred   string   // reason of the suppression, "" = none
}

// balanced lists all readers by id.
func (db *DB) balanced(ctx context.Context, highest int64) iter.Seq2[balanced, error] {
	return pages(func(after balanced) ([]balanced, error) {
		list, err := selectAll(ctx, db.read(), `SELECT s.id, s.address, st.status, st.sections, CASE WHEN s.id > ?2 THEN
			(SELECT f.by FROM settings f WHERE f.subscriber = s.id ORDER BY f.id LIMIT 1) ELSE '' END
			FROM subscribers s JOIN settings st ON st.id = s.settings WHERE s.id > ?1 ORDER BY s.id LIMIT ?3`, args{after.id, highest, pageSize},
			func(r *sql.Rows) (v balanced, err error) {
				var sections string
				err = r.Scan(&v.id, &v.address, &v.status, &sections, &v.origin)
				for _, f := range parseFollows(sections) {
					if f.Level != subscribers.Muted {
						v.sections = append(v.sections, f.Section)
					}
				}
				return v, err
			})
		if err != nil || len(list) == 0 {
			return nil, err
		}
		addresses := make([]string, len(list))
		for i := range list {
			addresses[i] = list[i].address
		}
		barred, err := db.barred(ctx, db.read(), addresses)
		for i, s := range barred {
			if s != nil {
				list[i].barred = s.Reason
			}
		}
		return list, err
	}, "list readers")
}

// balancing is a balance that is being counted.
type balancing struct {
	db                 *DB
	b                  *ReaderBalance
	first              bool
	highest            int64 // number of a reader at the report before
	joined, back, left map[string]int
	sections           map[string]*SectionBalance
}

func (k *balancing) section(name string) *SectionBalance {
	s := k.sections[name]
	if s == nil {
		s = &SectionBalance{Section: name}
		k.sections[name] = s
	}
	return s
}

// leaves counts one who was a reader and is none any more.
func (k *balancing) leaves(sections []string, reason string) {
	k.b.Before++
	k.left[reason]++
	for _, name := range sections {
		s := k.section(name)
		s.Before++
		s.Left++
	}
}

// take counts one of those who are on record.
func (k *balancing) take(ctx context.Context, s balanced, was bool, before []string) error {
	is := s.status == subscribers.Active && s.barred == ""
	if is {
		k.b.Now++
		k.b.next.add(s.id, s.sections)
		for _, name := range s.sections {
			k.section(name).Now++
		}
	}
	switch {
	case is && k.first:
		k.b.Before++
		for _, name := range s.sections {
			k.section(name).Before++
		}
	case is && was:
		k.b.Before++
		for _, name := range before {
			q := k.section(name)
			if q.Before++; !slices.Contains(s.sections, name) {
				q.Dropped++
			}
		}
		for _, name := range s.sections {
			if !slices.Contains(before, name) {
				k.section(name).Followed++
			}
		}
	case was:
		k.leaves(before, cmp.Or(s.barred, string(s.status)))
	case is:
		return k.comes(ctx, s)
	}
	return nil
}

// comes counts one who is a reader and was none.
func (k *balancing) comes(ctx context.Context, s balanced) error {
	joined, reason := s.id > k.highest, s.origin
	if !joined {
		var err error
		if joined, reason, err = k.db.wayIn(ctx, s.id); err != nil {
			return err
		}
	}
	if joined {
		k.joined[reason]++
	} else {
		k.back[reason]++
	}
	for _, name := range s.sections {
		if joined {
			k.section(name).Joined++
		} else {
			k.section(name).Back++
		}
	}
	return nil
}

// wayIn says how one who was known came to be a reader: confirmed for the first time, or came back.
func (db *DB) wayIn(ctx context.Context, id int64) (joined bool, reason string, err error) {
	statuses, err := selectAll(ctx, db.read(), `SELECT status FROM settings WHERE subscriber = ?1 AND draft = 0 ORDER BY id DESC`, args{id}, text)
	if err != nil {
		return false, "", err
	}
	active := func(s string) bool { return s == string(subscribers.Active) }
	now := 0 // the rows since which the status is active
	for now < len(statuses) && active(statuses[now]) {
		now++
	}
	switch {
	case now == len(statuses): // active all along: the address was barred
		return false, "no longer barred", nil
	case statuses[now] == string(subscribers.Pending) && !slices.ContainsFunc(statuses[now:], active):
		return true, "confirmed", nil
	}
	return false, statuses[now] + " before", nil
}
