package store_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// gone is a database whose readers leave, and a backup of it.
type gone struct {
	*office
	backup string
}

func newGone(t *testing.T, readers int) *gone {
	storetest.AboutSQLite(t, "a file is put back")
	g := &gone{office: newOffice(t, readers)}
	g.backup = g.path + ".backup"
	g.must(g.Close())
	copyFile(t, g.path, g.backup)
	g.reopen()
	return g
}

func (g *gone) reopen() {
	g.Helper()
	g.now = g.now.Add(time.Minute)
	g.DB = open(g.T, g.path, store.Options{AddressHash: hash, Now: func() time.Time { return g.now }})
	_, err := g.Recover(g.Context(), g.now)
	g.must(err)
}

// putBack restores the backup.
func (g *gone) putBack() {
	g.Helper()
	g.must(g.Close())
	copyFile(g.T, g.backup, g.path)
	g.reopen()
}

func (g *gone) edit(id int64, do func(s *subscribers.Settings)) subscribers.Edited {
	g.Helper()
	g.now = g.now.Add(time.Second)
	e, err := g.EditReader(g.Context(), id, subscribers.Edit{By: "reader", Leave: true, Do: func(s *subscribers.Settings) error { do(s); return nil }}, g.now)
	g.must(err)
	return e
}

func (g *gone) leaveAll(id int64) subscribers.Edited {
	g.Helper()
	g.now = g.now.Add(time.Second)
	e, err := g.LeaveAll(g.Context(), id, "reader", "", g.now)
	g.must(err)
	return e
}

// books is what became of readers: status, editions, suppression.
func (g *gone) books() string {
	g.Helper()
	var b strings.Builder
	for s, err := range g.Subscribers(g.Context(), store.SubscriberFilter{}) {
		g.must(err)
		fmt.Fprintf(&b, "%s %s %v", s.Address, s.Status, s.Editions)
		if s.Suppressed != nil {
			fmt.Fprintf(&b, " %s %s", s.Suppressed.Reason, s.Suppressed.At.Format(time.TimeOnly))
		}
		b.WriteByte('\n')
	}
	for s, err := range g.Suppressions(g.Context()) {
		g.must(err)
		fmt.Fprintf(&b, "%x %s\n", s.Hash[:2], s.Reason)
	}
	return b.String()
}

// TestLeavePutBack: who left has left in a backup put back too, and who took it back has not.
func TestLeavePutBack(t *testing.T) {
	g := newGone(t, 8)
	leave := func(s *subscribers.Settings) { s.LeaveEdition("morning") }
	g.edit(1, leave)
	g.leaveAll(2)
	undone := g.edit(3, leave)
	gone := g.leaveAll(4)
	g.edit(5, leave)
	g.leaveAll(5)
	g.edit(6, func(s *subscribers.Settings) { s.Hour = 9 }) // no leaving
	for _, e := range []subscribers.Edited{undone, gone} {
		g.now = g.now.Add(time.Second)
		_, err := g.Undo(t.Context(), e.ID, e.Row, false, g.now)
		g.must(err)
	}
	late := subscribers.NewSettings("late@example.org")
	late.Status, late.Editions = subscribers.Active, []string{"morning"}
	s, err := g.AddSubscriber(t.Context(), late, "reader", g.now) // the backup does not know them
	g.must(err)
	g.leaveAll(s.ID)
	want := g.books()
	g.putBack()
	got := g.books()
	// But for who is not in the backup, all is as it was; and that one is barred.
	want = strings.Replace(want, "late@example.org unsubscribed [morning] unsubscribed 06:01:10\n", "", 1)
	if got != want {
		t.Errorf("put back:\n%s\nwant:\n%s", got, want)
	}
	if _, err := g.AddSubscriber(t.Context(), late, "import", g.now); err != nil {
		t.Fatal(err)
	}
	if s, err := g.Subscriber(t.Context(), "late@example.org"); err != nil || s.Suppressed == nil || s.Suppressed.Reason != "unsubscribed" {
		t.Errorf("%+v, %v", s.Suppressed, err)
	}
	before := g.books()
	g.must(g.Close())
	g.reopen()
	if again := g.books(); again != before {
		t.Errorf("a second time:\n%s\nbefore:\n%s", again, before)
	}
	g.putBack()
	if again := g.books(); again != got {
		t.Errorf("put back again:\n%s\nbefore:\n%s", again, got)
	}
}

// TestErasedPutBack: what was erased is erased in a backup put back too, and no file brings it back.
func TestErasedPutBack(t *testing.T) {
	g := newGone(t, 3)
	is, err := g.SubscriberByID(t.Context(), 2)
	g.must(err)
	g.now = g.now.Add(time.Second)
	g.must(g.Erase(t.Context(), 2, g.now))
	want := g.books()
	g.putBack()
	if got := g.books(); got != want {
		t.Errorf("put back:\n%s\nwant:\n%s", got, want)
	}
	n, err := g.ImportRows(t.Context(), []subscribers.Row{{Line: 2, Settings: is.Settings, Given: ^subscribers.Fields(0)}}, g.now)
	g.must(err)
	if n != (store.Imported{Erased: 1}) {
		t.Errorf("imported %+v", n)
	}
	if _, err := g.AddSubscriber(t.Context(), is.Settings, "command", g.now); !errors.Is(err, store.ErrErased) {
		t.Errorf("added: %v", err)
	}
	if got := g.books(); got != want {
		t.Errorf("brought back:\n%s\nwant:\n%s", got, want)
	}
}

// TestLeaveWithForeignZone: settings that this machine does not understand keep nobody from leaving.
func TestLeaveWithForeignZone(t *testing.T) {
	g := &gone{office: newOffice(t, 1)}
	_, err := storetest.Raw(t, g.path).ExecContext(t.Context(), "UPDATE settings SET zone = 'Moon/Tranquility'")
	g.must(err)
	if e := g.edit(1, func(s *subscribers.Settings) { s.LeaveEdition("morning") }); !e.Changed || slices.Contains(e.Editions, "morning") {
		t.Errorf("%+v", e)
	}
}

// TestLeaveIsDated: a journal that is read once more, whole, changes nothing for who came back since.
func TestLeaveIsDated(t *testing.T) {
	g := newGone(t, 3)
	g.leaveAll(1)
	g.edit(2, func(s *subscribers.Settings) { s.LeaveEdition("morning") })
	g.now = g.now.Add(time.Hour)
	s, err := g.SubscriberByID(t.Context(), 1)
	g.must(err)
	_, err = g.LiftSuppression(t.Context(), s.Address, subscribers.ByOperator, "asked by telephone", g.now)
	g.must(err)
	s.Status = subscribers.Active
	_, err = g.ChangeSettings(t.Context(), 1, s.Settings, "operator", g.now)
	g.must(err)
	s, err = g.SubscriberByID(t.Context(), 2)
	g.must(err)
	s.Editions = []string{"morning"}
	_, err = g.ChangeSettings(t.Context(), 2, s.Settings, "operator", g.now)
	g.must(err)
	want := g.books()
	g.must(g.Close())
	for n, name := range journals(t, g.path) { // under other names nothing of them is known
		g.must(os.Rename(name, fmt.Sprintf("%s.handed-20200101T000000.000000-%d", g.path, n)))
	}
	g.reopen()
	if got := g.books(); got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}

// TestLeaveBetweenJournalAndCommit: the journal has the line and the database died before it
// committed. The reader wished it: they have left.
func TestLeaveBetweenJournalAndCommit(t *testing.T) {
	g := newGone(t, 3)
	g.leaveAll(2)
	want := g.books()
	g.must(g.Close())
	name := journals(t, g.path)[0]
	body, err := os.ReadFile(name)
	g.must(err)
	group := bytes.TrimSuffix(body, []byte("c\n"))
	if bytes.Contains(body, []byte("example.org")) {
		t.Error("an address is in the journal")
	}
	for _, c := range []struct {
		name string
		body []byte
		left bool
	}{{"whole", group, true}, {"torn", group[:len(group)-3], false}, {"zeros", append(bytes.Clone(group[:len(group)-3]), 0, 0, 0), false}} {
		copyFile(t, g.backup, g.path)
		g.must(os.WriteFile(name, c.body, 0o600))
		g.reopen()
		if got := g.books(); (got == want) != c.left {
			t.Errorf("%s: %s", c.name, got)
		}
		g.must(g.Close())
		for _, other := range journals(t, g.path) {
			if other != name {
				g.must(os.Remove(other))
			}
		}
	}
}

// TestLeaveWithoutJournal: where the journal cannot be written nobody has left, and the reader is
// told so; what is not committed is not in it.
func TestLeaveWithoutJournal(t *testing.T) {
	g := newGone(t, 3)
	g.leaveAll(1)
	want := g.books()
	restore, err := g.FullJournal()
	if err != nil {
		t.Skip("open a full device: ", err)
	}
	if _, err := g.LeaveAll(t.Context(), 2, "reader", "", g.now); !errors.Is(err, store.ErrFull) {
		t.Errorf("left without a journal: %v", err)
	}
	restore()
	if got := g.books(); got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
	if _, err := g.EditReader(t.Context(), 3, subscribers.Edit{By: "reader", Leave: true, Do: func(s *subscribers.Settings) error {
		s.LeaveEdition("morning")
		s.Address = "0@example.org" // another reader's: the transaction fails behind the line
		return nil
	}}, g.now); !errors.Is(err, store.ErrTaken) {
		t.Error(err)
	}
	g.putBack()
	if got := g.books(); got != want {
		t.Errorf("put back: %s\nwant:\n%s", got, want)
	}
}

// TestKilledLeaving kills a process with -9 in which readers leave: whoever was told so has left,
// also in a backup from before.
func TestKilledLeaving(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	if path := os.Getenv("BROADSHEET_TEST_LEAVING"); path != "" {
		killedLeaving(t, path)
		return
	}
	const readers = 300
	g := newGone(t, readers)
	g.must(g.Close())
	told := map[string]bool{}
	for n := range 6 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledLeaving$")
		child.Env = append(os.Environ(), "BROADSHEET_TEST_LEAVING="+g.path)
		out, err := child.StdoutPipe()
		g.must(err)
		g.must(child.Start())
		lines := bufio.NewScanner(out)
		for k := 0; lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "left "); ok {
				told[id] = true
				if k++; k == 5+rand.IntN(10) || k > 15 {
					break
				}
			}
		}
		g.must(child.Process.Kill())
		for lines.Scan() { // what was on its way
			if id, ok := strings.CutPrefix(lines.Text(), "left "); ok {
				told[id] = true
			}
		}
		_ = child.Wait()
		if n == 3 {
			copyFile(t, g.backup, g.path)
			g.must(os.RemoveAll(g.path + "-wal"))
			g.must(os.RemoveAll(g.path + "-shm"))
		}
		g.reopen()
		left := 0
		for s, err := range g.Subscribers(t.Context(), store.SubscriberFilter{}) {
			g.must(err)
			if s.Status == subscribers.Unsubscribed && s.Suppressed != nil {
				left++
			} else if told[fmt.Sprint(s.ID)] {
				t.Errorf("kill %d: reader %d was told to have left and is %s", n, s.ID, s.Status)
			}
		}
		if left < len(told) || left > len(told)+n+1 {
			t.Errorf("kill %d: %d have left, %d were told so", n, left, len(told))
		}
		g.must(g.Check(t.Context()))
		g.must(g.Close())
	}
	if len(told) < 12 {
		t.Errorf("only %d left", len(told))
	}
}

func killedLeaving(t *testing.T, path string) {
	db := open(t, path, store.Options{AddressHash: hash})
	var ids []int64
	for s, err := range db.Subscribers(t.Context(), store.SubscriberFilter{Status: subscribers.Active}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	rand.Shuffle(len(ids), func(a, b int) { ids[a], ids[b] = ids[b], ids[a] })
	for _, id := range ids {
		if _, err := db.LeaveAll(t.Context(), id, "reader", "", time.Now()); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("left %d\n", id)
	}
}

// TestJournalOfLeavesStays longer than one of mails alone: a backup may be older.
func TestJournalOfLeavesStays(t *testing.T) {
	g := newGone(t, 2)
	g.leaveAll(1)
	g.must(g.Close())
	for _, c := range []struct {
		age   time.Duration
		stays bool
	}{{73 * time.Hour, true}, {91 * 24 * time.Hour, false}} {
		for _, name := range journals(t, g.path) {
			g.must(os.Chtimes(name, g.now.Add(-c.age), g.now.Add(-c.age)))
		}
		g.reopen()
		g.must(g.Close())
		if n := len(journals(t, g.path)); (n > 0) != c.stays {
			t.Errorf("after %s there are %d journals", c.age, n)
		}
	}
}

// TestLeaveTakesNoNumber: a number that is another reader's in a database put back leaves that one alone.
func TestLeaveTakesNoNumber(t *testing.T) {
	g := newGone(t, 1)
	add := func(address string) int64 {
		s := subscribers.NewSettings(address)
		s.Status, s.Editions = subscribers.Active, []string{"morning"}
		r, err := g.AddSubscriber(t.Context(), s, "reader", g.now)
		g.must(err)
		return r.ID
	}
	one := add("one@example.org")
	g.leaveAll(one)
	g.must(g.Close())
	copyFile(t, g.backup, g.path)
	g.DB = open(t, g.path, store.Options{AddressHash: hash, Now: func() time.Time { return g.now }})
	if other := add("other@example.org"); other != one {
		t.Fatalf("reader %d has not the number of reader %d", other, one)
	}
	g.must(g.Close())
	g.reopen()
	if s, err := g.Subscriber(t.Context(), "other@example.org"); err != nil || s.Status != subscribers.Active || s.Suppressed != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte("h 1 \"morning\" \"2026-04-02\" 1,2\nl 2 \"\" 00112233445566778899aabbccddeeff\nr 3 \"x\\\"y\" 00112233445566778899aabbccddeeff\n"))
	f.Add([]byte("l 2 \"morning\" 0011\n"))
	f.Add([]byte("h 1 \"a\" \"b\" \n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		read, whole := store.ReadJournal(lines)
		if !whole {
			return
		}
		// What is read is what was written.
		var kept []string
		for line := range strings.Lines(string(lines)) {
			kept = append(kept, line[:1])
		}
		if !slices.Equal(read, kept) {
			t.Errorf("%q read as %q", lines, read)
		}
	})
}
