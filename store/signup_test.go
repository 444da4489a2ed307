package store_test

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"broadsheet/digest"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/subscribers"
)

// door is a database with sign-ups, and a second look into it.
type door struct {
	*testing.T
	db   *store.DB
	raw  *sql.DB
	keys *subscribers.Keys
	now  time.Time
	n    int // forms sent
}

func newDoor(t *testing.T) *door {
	t.Helper()
	entry, err := subscribers.NewKey("k", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := subscribers.ParseKeys(entry)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "b.db")
	d := &door{T: t, keys: keys, now: time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)}
	d.db = open(t, path, store.Options{AddressHash: keys.AddressHash})
	d.raw = storetest.Raw(t, path)
	return d
}

func (d *door) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// form is one from a client of its own.
func (d *door) form(address string) subscribers.SignUp {
	d.n++
	s := subscribers.NewSettings("")
	s.Sections = []subscribers.Follow{{Section: "sport", Level: subscribers.Normal}, {Section: "world", Level: subscribers.Less}}
	s.Editions, s.Hour, s.Days, s.Zone, s.Language, s.Format = []string{"morning"}, 7, []int{1, 5}, "Asia/Dubai", "ar", subscribers.Text
	return subscribers.SignUp{At: d.now, Client: fmt.Sprintf("10.%d.%d.%d", d.n>>16, d.n>>8&255, d.n&255), Page: "https://news.example/signup", Wording: "I agree.", Language: "en",
		Address: address, Choices: s}
}

// send puts forms on record, many at a time.
func (d *door) send(forms ...subscribers.SignUp) {
	d.Helper()
	var wg sync.WaitGroup
	slots := make(chan bool, 500)
	for _, f := range forms {
		slots <- true
		wg.Go(func() {
			defer func() { <-slots }()
			if err := d.db.AddSignUp(d.Context(), f); err != nil {
				d.Error(err)
			}
		})
	}
	wg.Wait()
}

// take sends forms and looks them through; it returns how many mails came of them.
func (d *door) take(forms ...subscribers.SignUp) int {
	d.Helper()
	d.send(forms...)
	taken, err := d.db.TakeSignUps(d.Context(), 1000, d.now)
	d.must(err)
	if left := d.count("SELECT count(*) FROM signups"); left != 0 {
		d.Fatalf("%d forms are left", left)
	}
	return taken.Mails
}

func (d *door) count(query string, args ...any) (n int) {
	d.Helper()
	d.must(d.raw.QueryRow(query, args...).Scan(&n))
	return n
}

// notices are the kinds that wait for an address, the oldest first.
func (d *door) notices(address string) string {
	d.Helper()
	rows, err := d.raw.Query(`SELECT n.kind FROM notices n JOIN settings s ON s.id = n.settings WHERE s.address = ?1 ORDER BY n.id`, strings.ToValidUTF8(address, ""))
	d.must(err)
	defer rows.Close()
	var kinds []string
	for rows.Next() {
		var kind string
		d.must(rows.Scan(&kind))
		kinds = append(kinds, kind)
	}
	return strings.Join(kinds, " ")
}

// request is the latest for an address.
func (d *door) request(address string) (id, subscriber int64) {
	d.Helper()
	d.must(d.raw.QueryRow(`SELECT r.id, r.subscriber FROM requests r JOIN settings s ON s.id = r.settings WHERE s.address = ?1 ORDER BY r.id DESC`, address).Scan(&id, &subscriber))
	return id, subscriber
}

// confirm presses the button of the latest mail to an address.
func (d *door) confirm(address string) (subscribers.Edited, error) {
	d.Helper()
	id, subscriber := d.request(address)
	_, done, err := d.db.Confirm(d.Context(), id, subscriber, "2001:db8::/64", d.now)
	return done, err
}

func (d *door) add(address string, status subscribers.Status) *subscribers.Subscriber {
	d.Helper()
	s := subscribers.NewSettings(address)
	s.Status, s.Name = status, "R"
	s.Editions, s.Sections = []string{"evening"}, []subscribers.Follow{{Section: "world", Level: subscribers.Normal}}
	r, err := d.db.AddSubscriber(d.Context(), s, "command", d.now)
	d.must(err)
	return r
}

func (d *door) suppress(address, reason string) {
	d.Helper()
	_, err := d.db.Suppress(d.Context(), subscribers.Suppression{Address: address, Reason: reason}, d.now)
	d.must(err)
}

func TestSignUp(t *testing.T) {
	d := newDoor(t)
	f := d.form("Reader@Example.org")
	if n := d.take(f); n != 1 {
		t.Fatalf("%d mails", n)
	}
	r, err := d.db.Subscriber(t.Context(), "reader@example.org")
	d.must(err)
	if r.Status != subscribers.Pending || len(r.Sections) != 0 || len(r.Editions) != 0 {
		t.Fatalf("before it is confirmed: %+v", r.Settings)
	}
	if got := d.notices("Reader@Example.org"); got != "confirm" {
		t.Fatalf("notices %q", got)
	}
	id, subscriber := d.request("Reader@Example.org")
	if _, err := d.db.Request(t.Context(), id, subscriber+1); !errors.Is(err, subscribers.ErrNotFound) {
		t.Fatalf("request of another reader: %v", err)
	}
	if _, _, err := d.db.Confirm(t.Context(), id, subscriber+1, "c", d.now); !errors.Is(err, subscribers.ErrNotFound) {
		t.Fatalf("confirmed by another reader: %v", err)
	}
	d.now = d.now.Add(time.Hour)
	done, err := d.confirm("Reader@Example.org")
	d.must(err)
	want := f.Choices
	want.Address, want.Status, want.ConsentSource, want.ConsentAt = "Reader@Example.org", subscribers.Active, f.Page, d.now
	if diff := cmp.Diff(want, done.Settings); diff != "" || !done.Changed || done.Row != done.SettingsID {
		t.Fatalf("changed %v, row %d of %d: %s", done.Changed, done.Row, done.SettingsID, diff)
	}
	again, err := d.confirm("Reader@Example.org")
	if err != nil || again.Changed || again.SettingsID != done.SettingsID {
		t.Fatalf("second press: %+v, %v", again, err)
	}
	history, err := d.db.History(t.Context(), subscriber)
	if err != nil || len(history) != 2 || history[1].By != "reader" {
		t.Fatalf("history %+v, %v", history, err)
	}
	var wording, page, language, client, confirmed string
	var at, confirmedAt int64
	d.must(d.raw.QueryRow(`SELECT w.body, c.page, c.language, c.at, c.client, c.confirmed_at, c.confirmed_client
		FROM consents c JOIN wordings w ON w.id = c.wording WHERE c.subscriber = ?1`, subscriber).Scan(&wording, &page, &language, &at, &client, &confirmedAt, &confirmed))
	if wording != f.Wording || page != f.Page || language != "en" || at != f.At.UnixMicro() || client != f.Client ||
		confirmedAt != d.now.UnixMicro() || confirmed != "2001:db8::/64" {
		t.Errorf("consent %q %q %q %d %q, confirmed %d %q", wording, page, language, at, client, confirmedAt, confirmed)
	}
	// What a client is stays nowhere but there.
	for _, table := range []string{"asked", "requests", "settings", "notices", "subscribers", "signups"} {
		rows, err := d.raw.Query("SELECT * FROM " + table)
		d.must(err)
		columns, _ := rows.Columns()
		for rows.Next() {
			cells := make([]any, len(columns))
			for n := range cells {
				cells[n] = new(any)
			}
			d.must(rows.Scan(cells...))
			for n := range cells {
				if strings.Contains(fmt.Sprint(*cells[n].(*any)), f.Client) {
					t.Errorf("%s.%s holds the client", table, columns[n])
				}
			}
		}
		rows.Close()
	}
}

// TestSignUpBombing has ten thousand forms sent in for one address, each from elsewhere.
func TestSignUpBombing(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	d := newDoor(t)
	spellings := []string{"victim@example.org", "VICTIM@example.org", "victim@EXAMPLE.org", "vIctim@example.org"}
	var forms []subscribers.SignUp
	for n := range 10_000 {
		forms = append(forms, d.form(spellings[n%len(spellings)]))
	}
	if n := d.take(forms...); n != 1 || d.count("SELECT count(*) FROM notices") != 1 || d.count("SELECT count(*) FROM subscribers") != 1 {
		t.Fatalf("%d mails, %d notices", n, d.count("SELECT count(*) FROM notices"))
	}
	mails := 1
	for range 45 { // days, on each of which the row is gone by the evening
		_, subscriber := d.latest()
		for _, table := range []string{"notices", "requests", "consents"} {
			_, err := d.raw.Exec("DELETE FROM "+table+" WHERE subscriber = ?1", subscriber)
			d.must(err)
		}
		d.must(d.exec(`DELETE FROM settings; DELETE FROM subscribers`))
		d.now = d.now.Add(24*time.Hour + time.Second)
		_, err := d.db.ForgetUnconfirmed(t.Context(), d.now)
		d.must(err)
		mails += d.take(d.form("victim@example.org"), d.form("victim@example.org"))
	}
	if mails != 6 { // three in each of two times thirty days
		t.Errorf("%d mails in 46 days, want 6", mails)
	}
}

func (d *door) latest() (id, subscriber int64) {
	_ = d.raw.QueryRow(`SELECT id, subscriber FROM requests ORDER BY id DESC`).Scan(&id, &subscriber)
	return id, subscriber
}

func (d *door) exec(query string) error {
	_, err := d.raw.Exec(query)
	return err
}

func TestSignUpClientLimit(t *testing.T) {
	d := newDoor(t)
	from := func(n int) subscribers.SignUp {
		f := d.form(fmt.Sprintf("r%d@example.org", n))
		f.Client = "192.0.2.1"
		return f
	}
	for n := range 5 {
		d.take(from(n))
		d.now = d.now.Add(time.Minute)
	}
	var forms []subscribers.SignUp
	for n := range 20 {
		forms = append(forms, from(100+n))
	}
	if n := d.take(forms...); n != 5 {
		t.Errorf("%d further mails within the hour, want 5", n)
	}
	other := d.form("other@example.org")
	if n := d.take(other); n != 1 {
		t.Error("another client is held back too")
	}
	d.now = d.now.Add(55*time.Minute + time.Second) // the first form is an hour ago
	if n := d.take(from(200), from(201)); n != 1 {
		t.Errorf("%d mails an hour after the first form, want 1", n)
	}
}

// TestSignUpGlobalLimit has more forms than mails may go out: those left wait, and are not lost.
func TestSignUpGlobalLimit(t *testing.T) {
	d := newDoor(t)
	var forms []subscribers.SignUp
	for n := range 250 {
		forms = append(forms, d.form(fmt.Sprintf("r%d@example.org", n)))
	}
	d.send(forms...)
	take := func() store.Taken {
		t.Helper()
		taken, err := d.db.TakeSignUps(t.Context(), 120, d.now)
		d.must(err)
		return taken
	}
	if got := take(); got.Mails != 120 || !got.Held {
		t.Fatalf("first hour: %+v", got)
	}
	if got := take(); got.Mails != 0 || !got.Held {
		t.Fatalf("again: %+v", got)
	}
	d.now = d.now.Add(62 * time.Minute)
	if got := take(); got.Mails != 120 || !got.Held {
		t.Fatalf("second hour: %+v", got)
	}
	d.now = d.now.Add(62 * time.Minute)
	if got := take(); got.Mails != 10 || got.Held {
		t.Fatalf("third hour: %+v", got)
	}
	d.send(d.form("late@example.org"))
	d.now = d.now.Add(25 * time.Hour)
	if got := take(); got.Mails != 0 || got.Dropped != 1 {
		t.Errorf("after a day: %+v", got)
	}
}

// TestSignUpKinds sends in a form for every kind of address.
func TestSignUpKinds(t *testing.T) {
	d := newDoor(t)
	d.add("active@example.org", subscribers.Active)
	d.add("paused@example.org", subscribers.Paused)
	d.add("left@example.org", subscribers.Unsubscribed)
	d.add("pending@example.org", subscribers.Pending)
	for _, reason := range subscribers.Reasons() {
		d.suppress(reason+"@example.org", reason)
		d.add("known-"+reason+"@example.org", subscribers.Active)
		d.suppress("known-"+reason+"@example.org", reason)
	}
	for address, want := range map[string]string{
		"active@example.org": "known", "ACTIVE@example.org": "", "paused@example.org": "known", "left@example.org": "confirm", "pending@example.org": "confirm",
		"unsubscribed@example.org": "confirm", "hard_bounce@example.org": "confirm", "soft_bounce@example.org": "confirm", "erased@example.org": "confirm", "import@example.org": "confirm",
		"complaint@example.org": "", "operator@example.org": "", "legal@example.org": "",
		"known-unsubscribed@example.org": "confirm", "known-hard_bounce@example.org": "confirm", "known-soft_bounce@example.org": "confirm", "known-complaint@example.org": "",
		"known-operator@example.org": "", "known-legal@example.org": "",
		"": "", "nobody": "", "a@b": "", "a@b.example\r\nBcc: c@d.example": "", "x@[127.0.0.1]": "", strings.Repeat("x", 900) + "@example.org": "", "\xff@example.org": "",
	} {
		d.take(d.form(address))
		if got := d.notices(address); got != want {
			t.Errorf("%.40q: notices %q, want %q", address, got, want)
		}
	}
	for _, address := range []string{"hard_bounce@example.org", "soft_bounce@example.org", "known-hard_bounce@example.org", "left@example.org", "pending@example.org"} {
		done, err := d.confirm(address)
		if err != nil || done.Status != subscribers.Active || done.Suppressed != nil || done.Editions[0] != "morning" {
			t.Errorf("%s confirmed: %+v, %v", address, done.Subscriber, err)
		}
		if strings.HasPrefix(address, "known") && done.Name != "R" {
			t.Errorf("%s lost its name", address)
		}
	}
	// What comes between the form and its confirmation counts.
	d.suppress("erased@example.org", "complaint") // barred already: no change
	d.take(d.form("bad@example.org"))
	d.suppress("bad@example.org", "complaint")
	if _, err := d.confirm("bad@example.org"); !errors.Is(err, subscribers.ErrBarred) {
		t.Errorf("confirmed after a complaint: %v", err)
	}
	if r, _ := d.db.Subscriber(t.Context(), "bad@example.org"); r.Status != subscribers.Pending || r.Suppressed == nil {
		t.Errorf("a refused confirmation changed %+v", r)
	}
}

// TestSignUpLookalike writes an address in a way that folds to another's.
func TestSignUpLookalike(t *testing.T) {
	d := newDoor(t)
	const own, other = "mike@example.org", "mi\u212ae@example.org" // KELVIN SIGN
	d.add(own, subscribers.Unsubscribed)
	d.take(d.form(other))
	if d.notices(own) != "confirm" || d.notices(other) != "" {
		t.Errorf("a confirmed address was not the one written to: %q, %q", d.notices(own), d.notices(other))
	}
	// One that was never confirmed does not stand in the way of its owner.
	d.take(d.form("\u212aate@example.org"))
	d.now = d.now.Add(25 * time.Hour)
	d.take(d.form("kate@example.org"))
	if d.notices("kate@example.org") != "confirm" {
		t.Error("the owner's spelling was not written to")
	}
	done, err := d.confirm("kate@example.org")
	if err != nil || done.Address != "kate@example.org" {
		t.Errorf("confirmed: %+v, %v", done.Address, err)
	}
	if first, subscriber := d.request("\u212aate@example.org"); subscriber != done.ID {
		t.Errorf("request %d is of reader %d", first, subscriber)
	} else if _, again, err := d.db.Confirm(t.Context(), first, subscriber, "c", d.now); err != nil || again.Changed {
		t.Errorf("an older request came into force over the confirmed one: %+v, %v", again, err)
	}
}

func TestChangeAddress(t *testing.T) {
	d := newDoor(t)
	r := d.add("old@example.org", subscribers.Active)
	d.add("other@example.org", subscribers.Active)
	d.add("gone@example.org", subscribers.Unsubscribed)
	d.suppress("barred@example.org", "complaint")
	d.suppress("back@example.org", "unsubscribed")
	ask := func(address string) {
		t.Helper()
		f := d.form(address)
		f.Subscriber = r.ID
		d.take(f)
	}
	for address, want := range map[string]string{"old@example.org": "", "OLD@example.org": "", "nonsense": "", "barred@example.org": "", "gone@example.org": "",
		"other@example.org": "known", "new@example.org": "new-address", "back@example.org": "new-address"} {
		ask(address)
		if got := d.notices(address); got != want {
			t.Errorf("%s: notices %q, want %q", address, got, want)
		}
	}
	// Settings that the reader changes meanwhile stay.
	_, err := d.db.EditReader(t.Context(), r.ID, subscribers.Edit{By: "reader", Do: func(s *subscribers.Settings) error { s.Hour = 9; return nil }}, d.now)
	d.must(err)
	done, err := d.confirm("new@example.org")
	if err != nil || done.ID != r.ID || done.Address != "new@example.org" || done.Hour != 9 || done.Name != "R" || !done.Changed {
		t.Fatalf("moved: %+v, %v", done, err)
	}
	if got := d.notices("old@example.org"); got != "moved" {
		t.Errorf("the old address was told %q", got)
	}
	if again, err := d.confirm("new@example.org"); err != nil || again.Changed {
		t.Errorf("second press: %+v, %v", again, err)
	}
	if later, err := d.confirm("back@example.org"); err != nil || later.Changed || later.Address != "new@example.org" {
		t.Errorf("a request from before came into force: %+v, %v", later, err)
	}
	if _, err := d.db.Subscriber(t.Context(), "old@example.org"); !errors.Is(err, subscribers.ErrNotFound) {
		t.Errorf("old address: %v", err)
	}
	undone, err := d.db.Undo(t.Context(), r.ID, done.Row, false, d.now)
	if err != nil || undone.Address != "old@example.org" || undone.Hour != 9 {
		t.Errorf("undone: %+v, %v", undone, err)
	}

	// An address that somebody signed up and nobody confirmed gives way; one that was confirmed does not.
	d.now = d.now.Add(25 * time.Hour)
	d.take(d.form("mine@example.org"))
	d.now = d.now.Add(25 * time.Hour)
	ask("mine@example.org")
	first, pending := d.request("mine@example.org")
	done, err = d.confirm("mine@example.org")
	if err != nil || done.ID != r.ID || done.Address != "mine@example.org" {
		t.Errorf("moved over a pending reader: %+v, %v (request %d of %d)", done, err, first, pending)
	}
	ask("soon@example.org")
	d.now = d.now.Add(25 * time.Hour)
	d.add("soon@example.org", subscribers.Active)
	if _, err := d.confirm("soon@example.org"); !errors.Is(err, store.ErrTaken) {
		t.Errorf("moved over an active reader: %v", err)
	}
	ask("late@example.org")
	_, err = d.db.LeaveAll(t.Context(), r.ID, "reader", "", d.now)
	d.must(err)
	if _, err := d.confirm("late@example.org"); !errors.Is(err, subscribers.ErrNotFound) {
		t.Errorf("moved after leaving: %v", err)
	}
}

func TestForgetUnconfirmed(t *testing.T) {
	d := newDoor(t)
	d.add("imported@example.org", subscribers.Pending)
	d.add("left@example.org", subscribers.Unsubscribed)
	r := d.add("old@example.org", subscribers.Active)
	f := d.form("new@example.org")
	f.Subscriber = r.ID
	d.take(d.form("never@example.org"), d.form("yes@example.org"), d.form("twice@example.org"), d.form("imported@example.org"), d.form("left@example.org"), f)
	_, err := d.confirm("yes@example.org")
	d.must(err)
	d.now = d.now.Add(2 * 24 * time.Hour)
	d.take(d.form("twice@example.org"))
	forget := func(after time.Duration) store.Forgotten {
		t.Helper()
		d.now = d.now.Add(after)
		f, err := d.db.ForgetUnconfirmed(t.Context(), d.now)
		d.must(err)
		return f
	}
	if got := forget(4 * 24 * time.Hour); got != (store.Forgotten{}) {
		t.Fatalf("after six days: %+v", got)
	}
	if got := forget(25 * time.Hour); got != (store.Forgotten{Requests: 6, Readers: 1}) {
		t.Fatalf("after seven days: %+v", got)
	}
	if got := forget(2 * 24 * time.Hour); got != (store.Forgotten{Requests: 1, Readers: 1}) {
		t.Fatalf("after nine days: %+v", got)
	}
	for address, there := range map[string]bool{"never@example.org": false, "twice@example.org": false, "yes@example.org": true,
		"imported@example.org": true, "left@example.org": true, "old@example.org": true, "new@example.org": false} {
		if _, err := d.db.Subscriber(t.Context(), address); (err == nil) != there || err != nil && !errors.Is(err, subscribers.ErrNotFound) {
			t.Errorf("%s: %v", address, err)
		}
		if n := d.count("SELECT count(*) FROM settings WHERE address = ?1", address); (n > 0) != there {
			t.Errorf("%d settings of %s", n, address)
		}
	}
	if n := d.count("SELECT count(*) FROM consents"); n != 1 {
		t.Errorf("%d consents, want that of who confirmed", n)
	}
	if n := d.count("SELECT count(*) FROM asked WHERE kind <> 'confirm'"); n != 0 {
		t.Errorf("%d clients are still counted", n)
	}
	forget(31 * 24 * time.Hour)
	if n := d.count("SELECT count(*) FROM asked"); n != 0 {
		t.Errorf("%d addresses are still counted", n)
	}
}

// TestNumbersAreNotGivenAgain lets a reader go and another come: no link of the first may open for the second.
func TestNumbersAreNotGivenAgain(t *testing.T) {
	d := newDoor(t)
	d.take(d.form("first@example.org"))
	first, err := d.db.Subscriber(t.Context(), "first@example.org")
	d.must(err)
	d.now = d.now.Add(8 * 24 * time.Hour)
	_, err = d.db.ForgetUnconfirmed(t.Context(), d.now)
	d.must(err)
	if second := d.add("second@example.org", subscribers.Active); second.ID <= first.ID {
		t.Errorf("reader %d came after reader %d was forgotten", second.ID, first.ID)
	}
}

// signUps does with sign-ups what a day's work does.
func signUps(t *testing.T, db *store.DB, now time.Time) {
	t.Helper()
	ctx := t.Context()
	form := subscribers.SignUp{At: now, Address: "new@example.org", Choices: subscribers.NewSettings("")}
	move := form
	move.Subscriber, move.Address = 1, "moved@example.org"
	err := errors.Join(db.AddSignUp(ctx, form), db.AddSignUp(ctx, move))
	_, taken := db.TakeSignUps(ctx, 1000, now)
	r, who := db.Subscriber(ctx, "new@example.org")
	if err := errors.Join(err, taken, who); err != nil {
		t.Fatal(err)
	}
	_, request := db.Request(ctx, 1, r.ID)
	_, _, confirmed := db.Confirm(ctx, 1, r.ID, "", now)
	_, _, moved := db.Confirm(ctx, 2, 1, "", now)
	_, asked := db.AskLink(ctx, r.ID, digest.NoticeErase, now)
	form.At, form.Address = now.Add(time.Hour), "never@example.org"
	err = db.AddSignUp(ctx, form)
	_, again := db.TakeSignUps(ctx, 1000, now.Add(time.Hour))
	_, forgotten := db.ForgetUnconfirmed(ctx, now.Add(8*24*time.Hour))
	if err := errors.Join(request, confirmed, moved, asked, err, again, forgotten); err != nil {
		t.Fatal(err)
	}
}

// TestKilledSignUps kills a process that takes sign-ups and confirms them with -9, again and again.
// The file `answered` holds the forms whose visitors were told to look into their mail.
func TestKilledSignUps(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	if dir := os.Getenv("BROADSHEET_TEST_SIGNUPS"); dir != "" {
		killedSignUps(t, dir, os.Getenv("BROADSHEET_TEST_DSN"))
		return
	}
	const kills = 12
	dir := t.TempDir()
	path := filepath.Join(dir, "b.db")
	open(t, path, store.Options{AddressHash: hash})
	answered := func() []string {
		b, err := os.ReadFile(filepath.Join(dir, "answered"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.Fields(string(b))
	}
	for n := range kills {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledSignUps$")
		child.Env = append(os.Environ(), "BROADSHEET_TEST_SIGNUPS="+dir, "BROADSHEET_TEST_DSN="+storetest.Fresh(t, path))
		var out bytes.Buffer
		child.Stdout, child.Stderr = &out, &out
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		before := len(answered())
		for until := time.Now().Add(30 * time.Second); len(answered()) < before+5+n; {
			if time.Now().After(until) {
				t.Fatalf("process %d does nothing: %s", n, out.String())
			}
			runtime.Gosched()
		}
		_ = child.Process.Kill()
		_ = child.Wait()
	}
	db := open(t, path, store.Options{AddressHash: hash})
	if _, err := db.TakeSignUps(t.Context(), 1e6, time.Now()); err != nil {
		t.Fatal(err)
	}
	d := &door{T: t, db: db, raw: storetest.Raw(t, path)}
	all := answered()
	for _, address := range all {
		if n := d.count(`SELECT count(*) FROM requests r JOIN settings st ON st.id = r.settings JOIN notices n ON n.number = r.id AND n.settings = st.id
			JOIN consents c ON c.id = r.consent WHERE st.address = ?1`, address); n != 1 {
			t.Errorf("%s: %d requests with their notice and consent, want 1", address, n)
		}
	}
	for _, table := range []string{"requests", "notices", "consents"} {
		if n, readers := d.count("SELECT count(*) FROM "+table), d.count("SELECT count(*) FROM subscribers"); n != readers || readers < len(all) {
			t.Errorf("%d %s for %d readers and %d answers", n, table, readers, len(all))
		}
	}
	if n := d.count(`SELECT count(*) FROM requests r JOIN consents c ON c.id = r.consent JOIN subscribers s ON s.id = r.subscriber JOIN settings st ON st.id = s.settings
		WHERE CAST(r.used > 0 AS INTEGER) + CAST(c.confirmed_at > 0 AS INTEGER) + CAST(st.status = 'active' AS INTEGER)
			+ CAST(EXISTS (SELECT 1 FROM followers f WHERE f.subscriber = s.id AND f.active = 1) AS INTEGER) NOT IN (0, 4)`); n != 0 {
		t.Errorf("%d readers are half confirmed", n)
	}
	if n := d.count("SELECT count(*) FROM requests WHERE used > 0"); n < kills {
		t.Errorf("only %d were confirmed", n)
	}
}

func killedSignUps(t *testing.T, dir, dsn string) {
	ctx := t.Context()
	d := &door{T: t, db: open(t, dsn, store.Options{AddressHash: hash}), now: time.Now()}
	d.raw = storetest.Raw(t, dsn)
	file, err := os.OpenFile(filepath.Join(dir, "answered"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	d.must(err)
	for n := 0; ; n++ {
		address := fmt.Sprintf("%d.%d@example.org", os.Getpid(), n) // what the hash of these tests takes in is its beginning
		f := d.form(address)
		f.Client = address
		d.must(d.db.AddSignUp(ctx, f))
		_, err := fmt.Fprintln(file, address)
		d.must(err)
		_, err = d.db.TakeSignUps(ctx, 1e6, d.now)
		d.must(err)
		if n%2 == 0 {
			_, err = d.confirm(address)
			d.must(err)
		}
	}
}

func TestAskLink(t *testing.T) {
	d := newDoor(t)
	r := d.add("reader@example.org", subscribers.Active)
	ask := func(kind string) bool {
		t.Helper()
		asked, err := d.db.AskLink(t.Context(), r.ID, kind, d.now)
		d.must(err)
		return asked
	}
	for n := range 5 {
		if ask(digest.NoticeData) != (n < 3) {
			t.Errorf("%d. link to the reader's data", n+1)
		}
		d.now = d.now.Add(time.Minute)
	}
	if !ask(digest.NoticeErase) || !ask(digest.NoticeAddress) || !ask(digest.NoticeLink) {
		t.Error("one kind keeps another back")
	}
	d.now = d.now.Add(24 * time.Hour)
	if !ask(digest.NoticeData) {
		t.Error("no link the day after")
	}
	if got := d.notices("reader@example.org"); got != "data data data erase address link data" {
		t.Errorf("notices %q", got)
	}
	if _, err := d.db.AskLink(t.Context(), 999, digest.NoticeData, d.now); !errors.Is(err, subscribers.ErrNotFound) {
		t.Errorf("link for nobody: %v", err)
	}
	if _, err := d.db.AskLink(t.Context(), r.ID, digest.NoticeConfirm, d.now); err == nil {
		t.Error("a confirmation can be asked for as a link")
	}
}
