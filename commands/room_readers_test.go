package commands

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

// has checks that a page has texts; a text that begins with ! must not be there.
func has(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		without, not := strings.CutPrefix(want, "!")
		if strings.Contains(page, without) == not {
			t.Errorf("%q in the page:\n%s", want, page)
		}
	}
}

// reader is a reader by address.
func reader(t *testing.T, e *engine, address string) *subscribers.Subscriber {
	t.Helper()
	s, err := e.db.Subscriber(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// join adds a reader now.
func join(t *testing.T, e *engine, address string, change func(s *subscribers.Settings)) *subscribers.Subscriber {
	t.Helper()
	s := subscribers.NewSettings(address)
	s.Status, s.ConsentSource, s.Sections, s.Editions = subscribers.Active, "test", []subscribers.Follow{{Section: "world", Level: subscribers.Normal}}, []string{"morning"}
	if change != nil {
		change(&s)
	}
	made, err := e.db.AddSubscriber(t.Context(), s, "command", e.now())
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestWhyNoMail: an address in the one field leads to what became of each of today's issues, and why.
func TestWhyNoMail(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 6)
	for n, what := range []map[string]any{arrived, noSuch} {
		if status, text := h.post("/events/dock", h.signed(harborSecret, time.Now(), h.event(n, what))); status != 200 {
			t.Fatal(status, text)
		}
	}
	e, ctx := h.engine, t.Context()
	v := enter(t, e, operators.Look)
	why := func(as string, texts ...string) {
		t.Helper()
		status, page := v.get("/explain?as=" + url.QueryEscape(as))
		if status != http.StatusOK {
			t.Fatalf("%s: %d\n%s", as, status, page)
		}
		has(t, page, texts...)
	}
	_, page := v.get("/subscribers")
	has(t, page, `action="/explain"`, "Why did … get no mail?")
	why("", "Give the reader", "!class=\"wrong\"")
	why("reader0@reader.example", "accepted by relay dock at 07:0", "GMT, delivered at", ">delivered<", "to choose from")
	why("reader1@reader.example", "and came back at", ">bounced<")
	why("reader2@reader.example", "accepted by relay dock at 07:0", "no server has said more since")
	why("READER3@reader.example", "reader3@reader.example", ">accepted<")
	why(itoa(reader(t, e, "reader3@reader.example").ID), "reader3@reader.example")

	late := join(t, e, "late@reader.example", func(s *subscribers.Settings) { s.Name = `<i>"'&` })
	why(late.Address, "not in the audience: joined after the issue was opened", "&lt;i&gt;", "!<i>", "next issue")
	paused := reader(t, e, "reader3@reader.example")
	if _, err := e.db.EditFor(ctx, operators.By{Who: "ann", Why: "rang"}, paused.ID, subscribers.Edit{By: "operator", Do: func(s *subscribers.Settings) error {
		s.Pause(time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC))
		return nil
	}}, e.now()); err != nil {
		t.Fatal(err)
	}
	why(paused.Address, "No mail goes to this reader now", "the reader is paused until Tue 20 Jan 12:00:00")
	if _, err := e.db.SuppressFor(ctx, operators.By{Who: "ann"}, subscribers.Suppression{Address: "reader4@reader.example", Reason: "hard_bounce"}, e.now()); err != nil {
		t.Fatal(err)
	}
	why("reader4@reader.example", "the address is barred: hard bounce (there is no such mailbox) on 13 January 2026")
	join(t, e, "sunday@reader.example", func(s *subscribers.Settings) { s.Days = []int{7} })
	why("sunday@reader.example", "not in the audience: joined after")
	join(t, e, "noon@reader.example", func(s *subscribers.Settings) { s.Editions = []string{"midday"} })
	why("noon@reader.example", "not open yet: it is due 12:00:00 UTC")
	join(t, e, "shy@reader.example", func(s *subscribers.Settings) { s.Editions, s.Status = []string{"midday"}, subscribers.Pending })
	why("shy@reader.example", "no mail of it goes to this reader as things are: the reader is pending", "!<td class=\"text\">sent</td>", "!in an earlier issue")
	join(t, e, "nothing@reader.example", func(s *subscribers.Settings) { s.Editions = nil })
	why("nothing@reader.example", "takes no edition")

	why("raeder2@reader.example", "There is no reader", "Perhaps you mean", ">reader2@reader.example<")
	why("reader2@raeder.example", "Perhaps you mean", ">reader2@reader.example<")
	why("reader2", "Perhaps you mean", ">reader2@reader.example<")
	join(t, e, "q7@elsewhere.example", func(s *subscribers.Settings) { s.Name = "Zuleika Dobson" })
	why("zuleika", "Perhaps you mean", ">q7@elsewhere.example<")
	why(`<script>alert(1)</script>@x`, "There is no reader", "!<script>alert")
	if _, err := e.db.SuppressFor(ctx, operators.By{Who: "ann"}, subscribers.Suppression{Address: "stranger@elsewhere.example", Reason: "complaint"}, e.now()); err != nil {
		t.Fatal(err)
	}
	why("stranger@elsewhere.example", "The address is barred: the reader said that our mail is spam")
	for path, want := range map[string]int{"/explain?as=reader0@reader.example&issue=99": 404, "/explain?as=reader0@reader.example&issue=x": 409, "/explain?as=late@reader.example&issue=1": 200} {
		if status, page := v.get(path); status != want {
			t.Errorf("%s: %d\n%s", path, status, page)
		}
	}
}

// TestExplanationAddsUp: each candidate has one reason, and the reasons add up to the candidates.
func TestExplanationAddsUp(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 1)
	x, err := roomReaders{h.engine}.Explain(t.Context(), "reader0@reader.example", 1)
	if err != nil {
		t.Fatal(err)
	}
	sum, seen := 0, map[int64]bool{}
	for _, r := range x.Account.Reasons {
		sum += r.Stories
	}
	for _, s := range x.Account.Stories {
		if seen[s.Story] || s.Reason == "" {
			t.Errorf("story %d: reason %q", s.Story, s.Reason)
		}
		seen[s.Story] = true
	}
	if a := x.Account; a.Candidates == 0 || a.Candidates != sum || len(a.Stories) != sum {
		t.Errorf("%d candidates, %d stories, reasons %v", a.Candidates, len(a.Stories), a.Reasons)
	}
}

// TestOnBehalf: an operator acts on a reader for a reason, and all of it is in the timeline and the audit
// log; without a reason nothing is done.
func TestOnBehalf(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 3)
	e := h.engine
	s := reader(t, e, "reader0@reader.example")
	path := fmt.Sprintf("/subscribers/%d", s.ID)
	v := enter(t, e, operators.Act)
	form := url.Values{"edition": {"morning", "midday"}, "level-world": {"less"}, "place-world": {"2"}, "level-sport": {"normal"}, "place-sport": {"1"}, "level-arts": {""},
		"hour": {"12"}, "day": {"1", "3"}, "zone": {"Europe/Paris"}, "language": {"en"}, "format": {"text"}, "name": {"<b>Ada</b>"}, "external_id": {"crm-7"}}
	if status, page := v.post(path+"/change", form); status != 409 {
		t.Errorf("without a reason: %d\n%s", status, page)
	}
	before := reader(t, e, s.Address)
	if !before.Equal(s.Settings) {
		t.Error("an act without a reason changes the reader")
	}
	form.Set("why", "asked by telephone")
	status, page := v.post(path+"/change", form)
	if status != 303 {
		t.Fatalf("%d\n%s", status, page)
	}
	has(t, page, "Changed.", "sections: world → sport;~world", "asked by telephone", "&lt;b&gt;Ada", "!<b>Ada", "Monday, Wednesday", "Europe/Paris", "by <bdi>the-act</bdi>", "The Tidewater Midday")
	is := reader(t, e, s.Address)
	if got := is.Get("sections") + " " + is.Get("editions") + " " + is.Get("hour") + " " + is.Get("days") + " " + string(is.Format) + " " + is.ExternalID; got != "sport;~world morning;midday 12 1;3 text crm-7" {
		t.Errorf("settings %q", got)
	}
	for _, bad := range []url.Values{{"why": {"x"}, "zone": {"Mars"}}, {"why": {"x"}, "edition": {"weekly"}}, {"why": {"x"}, "level-cooking": {"normal"}}, {"why": {"x"}, "hour": {"25"}}} {
		if status, _ := v.post(path+"/change", bad); status != 409 {
			t.Errorf("%v: %d", bad, status)
		}
	}
	why := url.Values{"why": {"wrote a letter"}}
	for _, act := range []struct {
		path string
		form url.Values
		want int
		says string
	}{
		{"/pause", url.Values{"why": {"x"}, "until": {"2020-01-01"}}, 409, "is past"},
		{"/pause", url.Values{"why": {"holiday"}, "until": {"2026-02-01"}}, 303, "paused until Sun 1 Feb"},
		{"/resume", why, 303, "Changed."},
		{"/link", why, 303, "A mail with the link to the preferences goes out."},
		{"/link", why, 409, "one waits to be sent already"},
		{"/unsubscribe", url.Values{}, 409, "say why"},
		{"/unsubscribe", why, 303, "Unsubscribed: nothing more"},
		{"/unsubscribe", why, 303, "had left before"},
		{"/link", why, 409, "has unsubscribed"},
		{"/resume", why, 409, "not paused"},
		{"/erase", url.Values{"why": {"x"}, "address": {"reader1@reader.example"}}, 409, "what was typed is another"},
	} {
		status, page := v.post(path+act.path, act.form)
		if status != act.want {
			t.Errorf("%s: %d\n%s", act.path, status, page)
		}
		has(t, page, act.says)
	}
	if bar, err := e.db.SuppressionOf(t.Context(), s.Address); err != nil || bar == nil || bar.Reason != "unsubscribed" {
		t.Errorf("who is unsubscribed is not barred: %v, %v", bar, err)
	}
	if status, page := v.post(path+"/erase", url.Values{"why": {"asked by Quagga"}, "address": {"Reader0@reader.example"}}); status != 303 || !strings.Contains(page, "is deleted") {
		t.Fatalf("erase: %d\n%s", status, page)
	}
	if status, _ := v.get(path); status != 404 {
		t.Errorf("an erased reader has a page: %d", status)
	}
	dump := h.dump()
	for _, gone := range []string{"asked by telephone", "wrote a letter", "<b>Ada</b>", "crm-7"} {
		if strings.Contains(dump, gone) {
			t.Errorf("%q is left of an erased reader", gone)
		}
	}
	if looks := enter(t, e, operators.Look); looks != nil {
		if status, _ := looks.post(fmt.Sprintf("/subscribers/%d/unsubscribe", reader(t, e, "reader1@reader.example").ID), why); status != http.StatusForbidden {
			t.Errorf("who may look acts: %d", status)
		}
	}
}

// TestTimeline has consent, changes with their difference, mails with their stories, bounces and messages.
func TestTimeline(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 2)
	if status, text := h.post("/events/dock", h.signed(harborSecret, time.Now(), h.event(0, noSuch))); status != 200 {
		t.Fatal(status, text)
	}
	v := enter(t, h.engine, operators.Look)
	_, page := v.get(fmt.Sprintf("/subscribers/%d", reader(t, h.engine, "reader0@reader.example").ID))
	has(t, page, "on record as active", "sections: world", "by <bdi>import</bdi>", "Stories: ", ">bounced<", "bounced hard", "mark", "!Change settings")
	if status, _ := v.get("/subscribers/99999"); status != 404 {
		t.Errorf("nobody has a page: %d", status)
	}
}

// TestFindReaders finds readers by each field, a page at a time, each once.
func TestFindReaders(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 1)
	e := h.engine
	for n := range 130 {
		join(t, e, fmt.Sprintf("many%03d@crowd.example", n), func(s *subscribers.Settings) {
			s.Name, s.ExternalID = fmt.Sprintf("Crowd %d", n%3), fmt.Sprintf("x-%d", n)
			if n%10 == 0 {
				s.Status, s.Sections = subscribers.Paused, []subscribers.Follow{{Section: "arts", Level: subscribers.Muted}}
			}
		})
	}
	w := roomReaders{e}
	for _, c := range []struct {
		room.ReaderSearch
		want int
	}{
		{room.ReaderSearch{}, 131}, {room.ReaderSearch{Text: "MANY"}, 130}, {room.ReaderSearch{Text: "many01"}, 10}, {room.ReaderSearch{Text: "@crowd.example"}, 130},
		{room.ReaderSearch{Text: "crowd 1", In: "name"}, 43}, {room.ReaderSearch{Text: "Crowd", In: "name"}, 130},
		{room.ReaderSearch{Text: "crowd", In: "name"}, 130}, {room.ReaderSearch{Text: "CROWD ", In: "name", Status: "paused"}, 13}, {room.ReaderSearch{Text: "x-7", In: "external"}, 1},
		{room.ReaderSearch{Status: "paused"}, 13}, {room.ReaderSearch{Status: "paused", Text: "many00"}, 1}, {room.ReaderSearch{Section: "arts"}, 13},
		{room.ReaderSearch{Section: "world", Text: "crowd 0", In: "name"}, 39}, {room.ReaderSearch{Edition: "morning"}, 131}, {room.ReaderSearch{Edition: "midday"}, 0},
		{room.ReaderSearch{Text: "nobody"}, 0}, {room.ReaderSearch{Text: "%"}, 0}, {room.ReaderSearch{Text: "many0_"}, 0},
	} {
		seen := map[int64]bool{}
		for more := true; more; {
			l, err := w.Find(t.Context(), c.ReaderSearch)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range l.Readers {
				if seen[r.ID] {
					t.Fatalf("%+v: %s twice", c.ReaderSearch, r.Address)
				}
				seen[r.ID] = true
			}
			c.After, more = l.Next, l.Next != ""
		}
		if len(seen) != c.want {
			t.Errorf("%+v finds %d", c.ReaderSearch, len(seen))
		}
	}
	v := enter(t, e, operators.Look)
	_, page := v.get("/subscribers?q=many&in=address")
	next := regexp.MustCompile(`href="(/subscribers\?after=[^"]+)"`).FindStringSubmatch(page)
	if next == nil {
		t.Fatalf("no next page:\n%s", page)
	}
	_, page = v.get(strings.ReplaceAll(next[1], "&amp;", "&"))
	has(t, page, "many050@crowd.example", "!many049@crowd.example")
	if status, _ := v.get("/subscribers?after=x"); status != 404 {
		t.Errorf("a place that is none: %d", status)
	}
}

// upload posts a file as a browser does.
func (v *visitor) upload(path, why, name, content string) (status int, page string) {
	v.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("why", why)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		v.Fatal(err)
	}
	_, _ = io.WriteString(part, content)
	_ = form.Close()
	req, err := http.NewRequestWithContext(v.Context(), "POST", v.base+path, &body)
	if err != nil {
		v.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := v.client.Do(req)
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// TestImportPage brings a file in by the rules of the command, tells what was wrong with which row, and says of
// one that was cut off that it is unfinished.
func TestImportPage(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 2)
	e, ctx := h.engine, t.Context()
	if _, err := e.db.LeaveFor(ctx, operators.By{Who: "ann"}, reader(t, e, "reader0@reader.example").ID, e.now()); err != nil {
		t.Fatal(err)
	}
	v := enter(t, e, operators.Act)
	if status, page := v.upload("/subscribers/import", "", "r.csv", "email\n"); status != 409 || !strings.Contains(page, "say why") {
		t.Errorf("without a reason: %d", status)
	}
	if status, _ := v.upload("/subscribers/import", "moved here", "r.csv", ""); status != 409 {
		t.Errorf("an empty file: %d", status)
	}
	rows := "email,sections,editions,status,consent_source\nreader0@reader.example,world,morning,active,again\nnew@reader.example,world,morning,,a form\n" +
		"bad@reader.example,cooking,morning,,\nreader1@reader.example,sport,,,\n"
	if status, page := v.upload("/subscribers/import", "moved here", `..\<b>.csv`, rows); status != 303 {
		t.Fatalf("%d\n%s", status, page)
	}
	e.jobs.tasks.Wait()
	_, page := v.get("/subscribers/import")
	has(t, page, "<strong>done</strong>", "<dt>New</dt><dd>1</dd>", "<dt>Changed</dt><dd>2</dd>", "<dt>Bad rows</dt><dd>1", "there is no section &#34;cooking&#34;", "!<b>.csv")
	if s := reader(t, e, "reader0@reader.example"); s.Status != subscribers.Unsubscribed || s.Suppressed == nil {
		t.Errorf("an import brought back who left: %s", s.Status)
	}
	_, bad := v.get("/subscribers/import/errors")
	if table, err := csv.NewReader(strings.NewReader(bad)).ReadAll(); err != nil || len(table) != 2 || table[1][0] != "4" || table[1][1] != "sections" {
		t.Errorf("bad rows %q: %v", bad, err)
	}
	if status, page := v.upload("/subscribers/import", "x", "r.csv", "name\nAda\n"); status != 303 {
		t.Fatalf("%d\n%s", status, page)
	}
	e.jobs.tasks.Wait()
	_, page = v.get("/subscribers/import")
	has(t, page, "<strong>failed</strong>", "email")

	// Another process's, which has just begun, and then has been silent.
	id, err := e.db.BeginImport(ctx, operators.By{Who: "bob"}, "other.csv", 1000, e.now())
	if err != nil {
		t.Fatal(err)
	}
	if status, page := v.upload("/subscribers/import", "x", "r.csv", rows); status != 409 || !strings.Contains(page, "another import is running") {
		t.Errorf("two at a time: %d", status)
	}
	if err := e.db.NoteImport(ctx, &store.ImportRun{ID: id, State: store.ImportUnfinished, Octets: 500}, nil); err != nil {
		t.Fatal(err)
	}
	_, page = v.get("/subscribers/import")
	has(t, page, "<strong>unfinished</strong>", "cut off when the program ended")

	status, text := v.post("/subscribers/export", url.Values{"why": {"for the printer"}})
	if status != 200 || !strings.Contains(text, "new@reader.example,,world,morning") || !strings.HasPrefix(text, "email,name,") {
		t.Errorf("export: %d %q", status, text)
	}
	if status, _ := v.post("/subscribers/export", url.Values{}); status != 409 {
		t.Errorf("export without a reason: %d", status)
	}
}

// TestSuppressionsPage lists, finds, adds and lifts by the rules of the command.
func TestSuppressionsPage(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 1)
	e := h.engine
	v := enter(t, e, operators.Act)
	why := func(form url.Values) url.Values { form.Set("why", "a letter"); return form }
	for address, reason := range map[string]string{"a@x.example": "complaint", "b@x.example": "legal", "c@x.example": "hard_bounce", "Reader0@reader.example": "operator"} {
		if status, page := v.post("/suppressions", why(url.Values{"address": {address}, "reason": {reason}, "note": {`<script>"`}})); status != 303 {
			t.Errorf("%s: %d\n%s", address, status, page)
		}
	}
	if status, _ := v.post("/suppressions", url.Values{"address": {"d@x.example"}, "reason": {"operator"}}); status != 409 {
		t.Errorf("without a reason: %d", status)
	}
	if status, _ := v.post("/suppressions", why(url.Values{"address": {"no address"}, "reason": {"operator"}})); status != 409 {
		t.Errorf("no address: %d", status)
	}
	_, page := v.get("/suppressions")
	has(t, page, "a@x.example", "b@x.example", "c@x.example", "Reader0@reader.example", "&lt;script&gt;", "!<script>&#34;", fmt.Sprintf("/subscribers/%d", reader(t, e, "reader0@reader.example").ID))
	_, page = v.get("/suppressions?q=A@X")
	has(t, page, "a@x.example", "!b@x.example")
	_, page = v.get("/suppressions?reason=legal")
	has(t, page, "b@x.example", "!a@x.example")
	for address, want := range map[string]int{"a@x.example": 303, "b@x.example": 409, "c@x.example": 303, "nobody@x.example": 409} {
		if status, page := v.post("/suppressions/lift", why(url.Values{"address": {address}})); status != want {
			t.Errorf("lift %s: %d\n%s", address, status, page)
		}
	}
	if status, _ := v.post("/suppressions/lift", url.Values{"address": {"reader0@reader.example"}}); status != 409 {
		t.Errorf("lift without a reason: %d", status)
	}
	for n := range 60 {
		if _, err := e.db.SuppressFor(t.Context(), operators.By{Who: "ann"}, subscribers.Suppression{Address: fmt.Sprintf("p%d@x.example", n), Reason: "operator"}, e.now()); err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	for q := (room.BarSearch{}); ; {
		l, err := roomReaders{e}.Suppressions(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		count += len(l.Bars)
		if q.After = l.Next; q.After == "" {
			break
		}
	}
	if count != 62 {
		t.Errorf("%d in all pages", count)
	}
}

// TestCameBackActs: tasks and waves are decided on the page, and a message is shown as text.
func TestCameBackActs(t *testing.T) {
	h := operated(t)
	e, ctx := h.engine, t.Context()
	v := enter(t, e, operators.Act)
	_, page := v.get("/returned")
	has(t, page, "broadsheet tasks done 1", "/tasks/1/done", "/waves/undo", "/inbound/1")
	if status, _ := v.post("/tasks/1/done", url.Values{}); status != 409 {
		t.Errorf("without a reason: %d", status)
	}
	if status, page := v.post("/tasks/1/done", url.Values{"why": {"rang"}}); status != 303 || !strings.Contains(page, "Task 1 is closed: rang.") {
		t.Errorf("%d\n%s", status, page)
	}
	if status, page := v.post("/tasks/2/done", url.Values{"why": {"wishes it"}, "leave": {"yes"}}); status != 409 {
		t.Errorf("nobody leaves: %d\n%s", status, page)
	}
	waves, err := e.db.Waves(ctx, time.Time{}, true, e.now())
	if err != nil || len(waves) != 1 {
		t.Fatal(waves, err)
	}
	form := url.Values{"issue": {strconv.FormatInt(waves[0].Issue, 10)}, "domain": {waves[0].Domain}, "why": {"their server was down"}}
	if status, page := v.post("/waves/undo", form); status != 303 || !strings.Contains(page, "count for nothing") {
		t.Errorf("%d\n%s", status, page)
	}
	if status, _ := v.post("/waves/apply", form); status != 409 {
		t.Errorf("decided twice: %d", status)
	}
	_, page = v.get("/inbound/1")
	has(t, page, "Please take me off", "The message")
	if status, _ := v.get("/inbound/99"); status != 404 {
		t.Errorf("no message: %d", status)
	}
	acts := map[string]bool{}
	for entry, err := range e.db.Audit(ctx, store.AuditFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		acts[entry.Act+" "+entry.By.Who] = true
	}
	if !acts["task done the-act"] || !acts["wave undo the-act"] {
		t.Errorf("audit log %v", acts)
	}
}
