package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// planNotices makes a mail of each notice.
func planNotices(r digest.NoticeRun) (list []digest.Planned, err error) {
	digests := map[string]*digest.Digest{}
	for _, n := range r.Notices {
		key := fmt.Sprint(n.Kind, n.Number)
		if digests[key] == nil {
			digests[key] = &digest.Digest{Key: key, Language: "en", Zone: "UTC", Subject: n.Kind,
				Pieces: []digest.Piece{{Fragment: &digest.Fragment{Body: fmt.Appendf(nil, "%s\r\n", key)}}}}
		}
		list = append(list, digest.Planned{Subscriber: n.Subscriber, SettingsID: n.SettingsID, Digest: digests[key], State: "queued", Relay: "main"})
	}
	return list, nil
}

// office is a database with readers, notices and their runs.
type office struct {
	*testing.T
	*store.DB
	path string
	now  time.Time
}

func newOffice(t *testing.T, readers int) *office {
	o := &office{T: t, path: filepath.Join(t.TempDir(), "b.db"), now: time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)}
	o.DB = open(t, o.path, store.Options{AddressHash: hash})
	fill(t, o.DB, readers, o.now)
	return o
}

func (o *office) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *office) note(kind string, subscriber, number int64) {
	o.Helper()
	o.must(o.AddNotice(o.Context(), digest.Notice{Kind: kind, Subscriber: subscriber, SettingsID: subscriber, Number: number}, o.now))
}

// post posts all and returns the runs, the first one first.
func (o *office) post() (runs []digest.Issue) {
	o.Helper()
	for {
		n, err := o.PostNotices(o.Context(), 500, o.now, planNotices)
		o.must(err)
		if n == 0 {
			break
		}
	}
	for i, err := range o.Issues(o.Context(), store.IssueFilter{Edition: digest.NoticeEdition}) {
		o.must(err)
		runs = append(runs, i)
	}
	slices.Reverse(runs)
	return runs
}

// send sends what is due, and says to whom.
func (o *office) send() (sent []int64) { o.Helper(); return sendSome(o.T, o.DB, 1000, o.now) }

// state is that of a reader's latest notice.
func (o *office) state(subscriber int64) (state mailer.State, reason string) {
	o.Helper()
	for d, err := range o.Deliveries(o.Context(), store.DeliveryFilter{Subscriber: subscriber}) {
		o.must(err)
		if d.Edition == digest.NoticeEdition {
			state, reason = d.State, d.Reason
		}
	}
	return state, reason
}

func TestPostNotices(t *testing.T) {
	o := newOffice(t, 5)
	if n, err := o.PostNotices(t.Context(), 9, o.now, planNotices); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	o.note(digest.NoticeConfirm, 1, 11)
	o.note(digest.NoticeConfirm, 2, 12)
	o.note(digest.NoticeLeft, 1, 0)     // a reader's second, with another life
	o.note(digest.NoticeConfirm, 1, 13) // and a third, with the first one's
	o.note(digest.NoticeErase, 3, 0)
	runs := o.post()
	if len(runs) != 4 {
		t.Fatalf("%d runs, want 4: %+v", len(runs), runs)
	}
	for n, want := range []struct {
		audience int
		life     time.Duration
	}{{2, 48 * time.Hour}, {1, 24 * time.Hour}, {1, 48 * time.Hour}, {1, 30 * time.Minute}} {
		i := runs[n]
		if i.Audience != want.audience || i.Ends.Sub(o.now) != want.life || i.State != digest.Open || !i.Due.Equal(o.now) || i.MinGap != 0 || i.Wall() != o.now.Unix()/60 {
			t.Errorf("run %d is %+v", n, i)
		}
		counts, err := o.IssueCounts(t.Context(), i.ID)
		o.must(err)
		if counts["queued"] != want.audience {
			t.Errorf("run %d holds %v", n, counts)
		}
	}
	for i, err := range o.Issues(t.Context(), store.IssueFilter{}) {
		o.must(err)
		if i.Edition == digest.NoticeEdition {
			t.Errorf("run %d is among the issues of editions", i.ID)
		}
	}
	if sent := o.send(); !slices.Equal(sent, []int64{1, 2, 1, 1, 3}) {
		t.Errorf("sent to %v", sent)
	}
	for d, err := range o.Deliveries(t.Context(), store.DeliveryFilter{}) {
		o.must(err)
		if d.State != mailer.Accepted || d.Edition != digest.NoticeEdition {
			t.Errorf("%+v", d)
		}
	}
}

// TestPostNoticesUndone: what cannot be posted waits, and what nobody can get goes.
func TestPostNoticesUndone(t *testing.T) {
	o := newOffice(t, 3)
	o.note(digest.NoticeLink, 1, 0)
	o.note(digest.NoticeLink, 2, 0)
	o.must(o.AddNotice(t.Context(), digest.Notice{Kind: digest.NoticeLink, Subscriber: 99, SettingsID: 99}, o.now))
	broken := errors.New("template")
	if n, err := o.PostNotices(t.Context(), 9, o.now, func(digest.NoticeRun) ([]digest.Planned, error) { return nil, broken }); n != 0 || !errors.Is(err, broken) {
		t.Fatal(n, err)
	}
	n, err := o.PostNotices(t.Context(), 9, o.now, func(r digest.NoticeRun) ([]digest.Planned, error) {
		list, err := planNotices(r)
		return list[1:], err // the first one cannot be laid out
	})
	if n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if runs := o.post(); len(runs) != 1 || runs[0].Audience != 1 {
		t.Errorf("%+v", runs)
	}
	if sent := o.send(); !slices.Equal(sent, []int64{2}) {
		t.Errorf("sent to %v", sent)
	}
}

// TestNoticeRules: who is no reader gets notices, and only some suppressions keep them back; the
// same with marks in bulk and one by one, before the lease and behind it.
func TestNoticeRules(t *testing.T) {
	for _, slow := range []bool{false, true} {
		for _, late := range []bool{false, true} {
			o := newOffice(t, 12)
			if slow {
				o.OneByOne()
			}
			reasons := []string{"unsubscribed", "hard_bounce", "erased", "import", "complaint", "legal", "operator"}
			keep := func() {
				for n, reason := range reasons {
					_, err := o.Suppress(t.Context(), subscribers.Suppression{Address: fmt.Sprintf("%d@example.org", n), Reason: reason}, o.now)
					o.must(err)
				}
				for n, status := range []subscribers.Status{subscribers.Pending, subscribers.Paused, subscribers.Unsubscribed} {
					s, err := o.SubscriberByID(t.Context(), int64(n+9))
					o.must(err)
					s.Status = status
					_, err = o.ChangeSettings(t.Context(), s.ID, s.Settings, "reader", o.now)
					o.must(err)
				}
			}
			if !late {
				keep()
			}
			for id := range 12 {
				o.note(digest.NoticeLeft, int64(id+1), int64(id))
			}
			o.post()
			b, err := o.Lease(t.Context(), "main", "w", o.now)
			o.must(err)
			if late {
				keep()
			}
			var marks []mailer.Mark
			for k := range b.Deliveries {
				marks = append(marks, mailer.Mark{Step: mailer.Intend, Batch: b, Delivery: &b.Deliveries[k], KeyID: "k"})
			}
			o.must(o.Commit(t.Context(), marks, o.now))
			for k, m := range marks {
				id := m.Delivery.Subscriber
				state, reason := o.state(id)
				stopped := k < len(reasons) && slices.Contains(reasons[4:], reasons[k])
				erased := late && k == 2 // who is erased gets nothing that was under way
				switch {
				case (stopped || erased) && (!errors.Is(m.Err, mailer.ErrLost) || state != mailer.Suppressed || reason != reasons[k]):
					t.Errorf("slow %t, late %t, reader %d: %s %q, %v", slow, late, id, state, reason, m.Err)
				case !stopped && !erased && (m.Err != nil || state != mailer.Sending):
					t.Errorf("slow %t, late %t, reader %d: %s %q, %v", slow, late, id, state, reason, m.Err)
				}
			}
		}
	}
}

// TestNoticesAreNearToNone: a digest does not wait for a notice that went, nor a notice for a digest;
// and a reader's next window does not know of notices.
func TestNoticesAreNearToNone(t *testing.T) {
	o := newOffice(t, 2)
	before, err := o.BeginIssue(t.Context(), digest.Issue{Edition: "morning", Slot: "0", Zone: "UTC", Due: o.now, Ends: o.now.Add(6 * time.Hour),
		MinGap: 3 * time.Hour, Quiet: []schedule.Quiet{}}, o.now)
	o.must(err)
	plan(t, o.DB, &before, o.now)
	o.send()
	o.note(digest.NoticeLink, 1, 0)
	o.note(digest.NoticeLink, 2, 0)
	o.now = o.now.Add(time.Minute)
	o.post()
	if sent := o.send(); !slices.Equal(sent, []int64{1, 2}) {
		t.Fatalf("notices after a digest: sent to %v", sent)
	}
	o.now = o.now.Add(3 * time.Hour)
	o.note(digest.NoticeLink, 1, 0)
	o.post()
	o.send()
	for _, slow := range []bool{false, true} {
		if slow {
			o.OneByOne()
			o.now = o.now.Add(4 * time.Hour)
			o.note(digest.NoticeLink, 2, 0)
			o.post()
			o.send()
		}
		i, err := o.BeginIssue(t.Context(), digest.Issue{Edition: "morning", Slot: fmt.Sprint(1, slow), Zone: "UTC", Due: o.now, Ends: o.now.Add(6 * time.Hour),
			MinGap: 3 * time.Hour}, o.now)
		o.must(err)
		plan(t, o.DB, &i, o.now)
		if sent := o.send(); !slices.Equal(sent, []int64{1, 2}) {
			t.Errorf("slow %t: digests after a notice: sent to %v", slow, sent)
		}
	}
}

// TestNoticesGoFirst: however much waits, of digests or of what was put off.
func TestNoticesGoFirst(t *testing.T) {
	o := newOffice(t, 1200)
	i, err := o.BeginIssue(t.Context(), digest.Issue{Edition: "morning", Slot: "2", Zone: "UTC", Due: o.now.Add(-time.Hour), Ends: o.now.Add(6 * time.Hour)}, o.now)
	o.must(err)
	plan(t, o.DB, &i, o.now)
	if b, err := o.LeaseUrgent(t.Context(), "main", "w", o.now); b != nil || err != nil {
		t.Fatal(b, err)
	}
	o.note(digest.NoticeConfirm, 7, 1)
	o.post()
	first, err := o.Lease(t.Context(), "main", "w", o.now)
	o.must(err)
	if !first.Urgent || len(first.Deliveries) != 1 || first.Deliveries[0].Subscriber != 7 {
		t.Fatalf("first is %+v", first)
	}
	// Greylisted, it is no less urgent when its time comes.
	d := &first.Deliveries[0]
	o.must(errors.Join(storetest.Intend(t.Context(), o.DB, first, d, "k", o.now), storetest.Settle(t.Context(), o.DB, first, d,
		mailer.Outcome{State: mailer.Deferred, Reason: "rcpt 450", Due: o.now.Add(5 * time.Minute), Charged: true, Relay: "main"}, o.now), o.Release(t.Context(), first, o.now)))
	if b, err := o.LeaseUrgent(t.Context(), "main", "w", o.now); b != nil || err != nil {
		t.Fatal(b, err)
	}
	if b, err := o.Lease(t.Context(), "main", "w", o.now); err != nil || b.Urgent {
		t.Fatalf("%+v, %v", b, err)
	}
	o.now = o.now.Add(5 * time.Minute)
	if b, err := o.LeaseUrgent(t.Context(), "main", "w", o.now); err != nil || b == nil || b.Deliveries[0].Subscriber != 7 {
		t.Fatalf("%+v, %v", b, err)
	}
	morning, err := o.EditionID(t.Context(), "morning")
	o.must(err)
	o.note(digest.NoticeLink, 8, 1)
	o.post()
	if b, err := (store.OfEdition{DB: o.DB, Number: morning}).Lease(t.Context(), "main", "w", o.now); err != nil || b.Urgent {
		t.Errorf("sending one edition takes %+v, %v", b, err)
	}
}

// TestNoticePutBack: a database put back does not send a notice again that has left.
func TestNoticePutBack(t *testing.T) {
	storetest.AboutSQLite(t, "a file is put back")
	for _, posted := range []bool{false, true} {
		o := newOffice(t, 2)
		o.note(digest.NoticeLink, 1, 0)
		if posted {
			o.post()
		}
		o.must(o.Close())
		copyFile(t, o.path, o.path+".backup")
		o.DB = open(t, o.path, store.Options{AddressHash: hash})
		o.now = o.now.Add(time.Second)
		o.post()
		if sent := o.send(); !slices.Equal(sent, []int64{1}) {
			t.Fatalf("sent to %v", sent)
		}
		o.must(o.Close())
		copyFile(t, o.path+".backup", o.path)
		o.now = o.now.Add(time.Hour)
		o.DB = restart(t, o.path, o.now)
		o.note(digest.NoticeLink, 2, 0)
		o.post()
		if sent := o.send(); !slices.Equal(sent, []int64{2}) {
			t.Errorf("posted %t: sent to %v", posted, sent)
		}
		if state, reason := o.state(1); state != mailer.Uncertain || !strings.Contains(reason, "put back") {
			t.Errorf("posted %t: %s %q", posted, state, reason)
		}
		o.note(digest.NoticeErase, 1, 0) // a new one goes
		o.post()
		if sent := o.send(); !slices.Equal(sent, []int64{1}) {
			t.Errorf("posted %t: sent to %v", posted, sent)
		}
	}
}

// TestGoneWhileOnItsWay takes the settings of readers away whose mail waits, is being sent or is
// handed: it comes to its end, and nothing else is held up.
func TestGoneWhileOnItsWay(t *testing.T) {
	for _, slow := range []bool{false, true} {
		o := newOffice(t, 5)
		if slow {
			o.OneByOne()
		}
		i, err := o.BeginIssue(t.Context(), digest.Issue{Edition: "morning", Slot: "2", Zone: "UTC", Due: o.now, Ends: o.now.Add(6 * time.Hour)}, o.now)
		o.must(err)
		plan(t, o.DB, &i, o.now)
		b, err := o.Lease(t.Context(), "main", "w", o.now)
		o.must(err)
		o.must(errors.Join(storetest.Intend(t.Context(), o.DB, b, &b.Deliveries[1], "k", o.now), storetest.Intend(t.Context(), o.DB, b, &b.Deliveries[2], "k", o.now),
			storetest.Hand(t.Context(), o.DB, b, &b.Deliveries[2], o.now)))
		_, err = storetest.Raw(t, o.path).Exec(`DELETE FROM settings WHERE id <= 3; UPDATE counters SET value = value + 1 WHERE name = 'readers'`)
		o.must(err)
		o.must(storetest.Settle(t.Context(), o.DB, b, &b.Deliveries[2], taken250(&b.Deliveries[2]), o.now))
		o.must(o.Release(t.Context(), b, o.now)) // the second one was being sent
		_, err = o.Loads(t.Context(), 0, nil)
		o.must(err)
		o.now = o.now.Add(time.Minute)
		b, err = o.Lease(t.Context(), "main", "w", o.now)
		o.must(err)
		for k := range b.Deliveries {
			d := &b.Deliveries[k]
			err := storetest.Intend(t.Context(), o.DB, b, d, "k", o.now)
			if gone := d.Subscriber <= 2; gone != errors.Is(err, mailer.ErrLost) {
				t.Errorf("reader %d: %v", d.Subscriber, err)
			} else if !gone {
				o.must(errors.Join(storetest.Hand(t.Context(), o.DB, b, d, o.now), storetest.Settle(t.Context(), o.DB, b, d, taken250(d), o.now)))
			}
		}
		o.must(o.Release(t.Context(), b, o.now))
		counts, err := o.IssueCounts(t.Context(), i.ID)
		if err != nil || counts["accepted"] != 3 || counts["suppressed"] != 2 {
			t.Errorf("%v, %v", counts, err)
		}
		if b, err := o.Lease(t.Context(), "main", "w", o.now); b != nil || err != nil {
			t.Errorf("%+v, %v", b, err)
		}
	}
}
