package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

var formToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

// signUpForm is what a visitor sends who has looked at the page for ten seconds and changed nothing.
func (w *world) signUpForm(address string) url.Values {
	w.Helper()
	_, body := w.get("/signup")
	found := formToken.FindStringSubmatch(body)
	if found == nil {
		w.Fatalf("the page has no form:\n%s", body)
	}
	w.pass(10 * time.Second)
	return url.Values{"form": {found[1]}, "address": {address}, "subject": {""}, "order": {"sport", "world", "politics", "culture"},
		"level.sport": {"normal"}, "level.world": {"normal"}, "shown-edition": {"morning", "harbour"}, "edition": {"morning"}, "hour": {"8"},
		"shown-days": {"1"}, "day": {"1", "2", "3"}, "zone": {"Asia/Dubai"}, "language": {"en"}, "format": {"text"}, "action": {"signup"}}
}

// take looks through what visitors sent and returns how many mails came of it.
func (w *world) take() int {
	w.Helper()
	taken, err := w.db.TakeSignUps(w.Context(), 1e6, w.now())
	w.must(err)
	return taken.Mails
}

// confirmLink is that of the latest request of a reader.
func (w *world) confirmLink(subscriber int64) string {
	w.Helper()
	for id := int64(100); id > 0; id-- {
		if _, err := w.db.Request(w.Context(), id, subscriber); err == nil {
			return w.link(subscribers.Confirm, subscribers.Action{Subscriber: subscriber, Story: id})
		}
	}
	w.Fatal("there is no request")
	return ""
}

func TestSignUp(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	resp, body := w.ask("POST", "/signup", w.signUpForm(" New@Quill.example "), "Accept-Language", "en")
	if resp.StatusCode != http.StatusOK || strings.Contains(strings.ToLower(body), "quill") {
		t.Fatalf("%d, and the answer names the address:\n%s", resp.StatusCode, body)
	}
	wantGuarded(t, "/signup", resp.Header)
	if n := w.take(); n != 1 {
		t.Fatalf("%d mails", n)
	}
	r, err := w.db.Subscriber(t.Context(), "new@quill.example")
	w.must(err)
	link := w.confirmLink(r.ID)
	before := w.dump()
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "GET"} {
		w.ask(method, link, nil)
		w.ask(method, link+"?action=confirm&confirm=true", nil)
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Fatalf("looking at the page changed %q", lines)
	}
	_, body = w.get(link)
	for _, s := range []string{"The Morning", "Sport", "World", `<form method="post"`} {
		if !strings.Contains(body, s) {
			t.Errorf("the page to confirm lacks %q", s)
		}
	}
	if strings.Contains(strings.ToLower(body), "quill") {
		t.Error("the page to confirm names the address")
	}
	resp, body = w.post(link)
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "What comes next") || !strings.Contains(body, "/l/") {
		t.Fatalf("confirmed: %d\n%s", resp.StatusCode, body)
	}
	r, err = w.db.Subscriber(t.Context(), "new@quill.example")
	w.must(err)
	if r.Status != subscribers.Active || subscribers.FormatFollows(r.Sections) != "sport;world" || !slices.Equal(r.Editions, []string{"morning"}) ||
		r.Hour != 8 || !slices.Equal(r.Days, []int{1, 2, 3}) || r.Zone != "Asia/Dubai" || r.Language != "en" || r.Format != subscribers.Text ||
		r.ConsentSource != "https://tidewater.example/signup" || !r.ConsentAt.Equal(w.now()) {
		t.Errorf("in force: %+v", r.Settings)
	}
	before = w.dump()
	for range 3 {
		resp, body = w.post(link)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, "confirmed already") || strings.Contains(body, `class="button"`) {
			t.Errorf("pressed once more: %d\n%s", resp.StatusCode, body)
		}
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("the second press changed %q", lines)
	}
	w.pass(49 * time.Hour)
	if resp, _ := w.post(link); resp.StatusCode != http.StatusGone {
		t.Errorf("after 49 hours: %d", resp.StatusCode)
	}
	if strings.Contains(strings.ToLower(w.log.String()), "quill") {
		t.Errorf("the log names the address: %s", &w.log)
	}
}

// TestSignUpTells sends forms that cannot be taken: choices are told of, and nothing is kept.
func TestSignUpTells(t *testing.T) {
	w := newWorld(t, "https://tidewater.example/news")
	before := w.dump()
	good := w.signUpForm("new@quill.example")
	for name, change := range map[string]func(url.Values){
		"one section":                func(f url.Values) { f.Del("level.sport"); f.Del("level.world") },
		"one edition":                func(f url.Values) { f.Del("edition") },
		"comes in that language":     func(f url.Values) { f.Set("edition", "harbour"); f.Set("language", "ar") },
		"time zone from the list":    func(f url.Values) { f.Set("zone", "Mars/Olympus") },
		"one of the hours":           func(f url.Values) { f.Set("hour", "25") },
		"at least one day":           func(f url.Values) { f.Del("day") },
		"one of the languages":       func(f url.Values) { f.Set("language", "tlh") },
		"press the button once more": func(f url.Values) { f.Set("form", "forged") },
		"the button once": func(f url.Values) {
			f.Set("form", strings.TrimPrefix(w.link(subscribers.Why, subscribers.Action{}), "/l/"))
		},
		"look over your choices":      func(f url.Values) { f.Set("form", w.formOf(-1*time.Second)) },
		"look over your choices and":  func(f url.Values) { f.Set("form", w.formOf(-25*time.Hour)) },
		"Press the button at the end": func(f url.Values) { f.Set("down", "sport") },
	} {
		f := url.Values{}
		for key, values := range good {
			f[key] = slices.Clone(values)
		}
		change(f)
		resp, body := w.ask("POST", "/signup", f, "Accept-Language", "en")
		if want := http.StatusUnprocessableEntity; resp.StatusCode != want && !f.Has("down") || !strings.Contains(body, name) || !strings.Contains(body, `value="new@quill.example"`) {
			t.Errorf("%s: %d\n%s", name, resp.StatusCode, body)
		}
		if f.Has("down") && strings.Index(body, `value="world"`) > strings.Index(body, `value="sport"`) {
			t.Error("the section was not moved")
		}
		if f.Get("zone") == "Asia/Dubai" && !strings.Contains(body, `value="Asia/Dubai" selected`) {
			t.Errorf("%s: the zone is not as it was chosen", name)
		}
	}
	bot := w.signUpForm("new@quill.example")
	bot.Set("subject", "Cheap pills")
	resp, body := w.ask("POST", "/signup", bot, "Accept-Language", "en")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "Look into your mailbox") {
		t.Errorf("a program gets another answer: %d", resp.StatusCode)
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}} {
		if resp, _ := w.ask("POST", "/signup", good, headers...); resp.StatusCode != http.StatusForbidden {
			t.Errorf("from another site (%q): %d", headers, resp.StatusCode)
		}
	}
	// A form on another site fills in the page.
	resp, body = w.ask("POST", "/signup/embed", url.Values{"address": {`"><script>alert(1)</script>@quill.example`}, "edition": {"harbour"}, "section": {"culture", "chess", "world"}},
		"Sec-Fetch-Site", "cross-site", "Accept-Language", "en")
	if resp.StatusCode != http.StatusOK || strings.Contains(body, "<script>alert") || !strings.Contains(body, `action="/news/signup"`) ||
		!strings.Contains(body, `value="harbour" checked`) || strings.Contains(body, `value="morning" checked`) ||
		strings.Index(body, `name="order" value="culture"`) > strings.Index(body, `name="order" value="world"`) || strings.Count(body, `value="normal" checked`) != 2 {
		t.Errorf("form on another site: %d\n%s", resp.StatusCode, body)
	}
	if _, body = w.get("/signup/embed"); !strings.Contains(body, "https://tidewater.example/news/signup/embed") {
		t.Error("the form to embed does not lead here")
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("kept: %q", lines)
	}
}

// formOf is a form's token of another time.
func (w *world) formOf(ago time.Duration) string {
	s, err := w.keys.Token(w.keys.SigningID(), subscribers.Action{Kind: subscribers.SignUpForm, Slot: w.now().Unix() / 60, Story: w.now().Add(ago).UnixMilli()})
	w.must(err)
	return s
}

// TestSignUpTellsNothing compares the answers for five kinds of address, in bytes and time, while
// forms are looked through. BROADSHEET_TRIES is how many of each kind, 500 to measure.
func TestSignUpTellsNothing(t *testing.T) {
	tries, err := strconv.Atoi(os.Getenv("BROADSHEET_TRIES"))
	if err != nil {
		tries = 25
	}
	w := newWorld(t, "https://tidewater.example")
	w.pages.Config.Pages.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	kinds := []string{"new", "pending", "active", "suppressed", "impossible"}
	address := func(kind string, n int) string {
		if kind == "impossible" {
			return fmt.Sprintf("imp ossible%d@@quill.example", n)
		}
		return fmt.Sprintf("%s%d@quill.example", kind, n)
	}
	var rows []subscribers.Row
	var barred []subscribers.SuppressionRow
	for n := range tries {
		for kind, status := range map[string]subscribers.Status{"pending": subscribers.Pending, "active": subscribers.Active} {
			s := subscribers.NewSettings(address(kind, n))
			s.Status, s.Editions, s.ConsentSource = status, []string{"morning"}, "test"
			rows = append(rows, subscribers.Row{Line: n + 2, Settings: s, Given: subscribers.FieldStatus | subscribers.FieldEditions})
		}
		barred = append(barred, subscribers.SuppressionRow{Line: n + 2, Suppression: subscribers.Suppression{Address: address("suppressed", n), Reason: "complaint"}})
	}
	_, err = w.db.ImportRows(t.Context(), rows, w.now())
	w.must(err)
	_, err = w.db.ImportSuppressions(t.Context(), barred, w.now())
	w.must(err)
	form := w.signUpForm("")
	stop, taken := make(chan bool), make(chan int)
	go func() {
		mails := 0
		for {
			select {
			case <-stop:
				taken <- mails
				return
			case <-time.After(50 * time.Millisecond):
				mails += w.take()
			}
		}
	}()
	var mu sync.Mutex
	took, answers := map[string][]time.Duration{}, map[string]string{}
	work := make(chan [2]int)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for job := range work {
				kind, n := kinds[job[0]], job[1]
				f := url.Values{}
				for key, values := range form {
					f[key] = values
				}
				f.Set("address", address(kind, n))
				req, err := http.NewRequestWithContext(t.Context(), "POST", w.server.URL+"/signup", strings.NewReader(f.Encode()))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				req.Header.Set("Sec-Fetch-Site", "same-origin")
				req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", job[0], n>>8, n&255))
				start := time.Now()
				resp, err := w.server.Client().Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				lasted := time.Since(start)
				resp.Header.Del("Date")
				mu.Lock()
				took[kind] = append(took[kind], lasted)
				answers[fmt.Sprint(resp.StatusCode, resp.Header, string(b), err)] = kind
				mu.Unlock()
			}
		})
	}
	for n := range tries {
		for k := range kinds {
			work <- [2]int{(k + n) % len(kinds), n}
		}
	}
	close(work)
	wg.Wait()
	close(stop)
	if mails := <-taken + w.take(); mails != 3*tries { // to those new, pending and active
		t.Errorf("%d mails came of it, want %d", mails, 3*tries)
	}
	if len(answers) != 1 {
		t.Errorf("there are %d different answers", len(answers))
	}
	var medians []time.Duration
	for _, kind := range kinds {
		slices.Sort(took[kind])
		medians = append(medians, took[kind][tries/2])
		t.Logf("%-10s median %v, 99th percentile %v", kind, took[kind][tries/2], took[kind][tries*99/100])
	}
	least, most := slices.Min(medians), slices.Max(medians)
	if most-least > max(least/20, 10*time.Millisecond) {
		t.Errorf("medians differ by %v", most-least)
	}
}

func TestChangeAddress(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	other := w.reader("bo@quill.example")
	link := w.link(subscribers.ChangeAddress, subscribers.Action{Subscriber: r.ID})
	if _, body := w.get(link); strings.Contains(body, "ada@") || !strings.Contains(body, "a…@quill.example") {
		t.Errorf("the page does not mask the address:\n%s", body)
	}
	_, taken := w.post(link, "address", "bo@quill.example")
	_, free := w.post(link, "address", "new@quill.example")
	_, bad := w.post(link, "address", "nonsense")
	if taken != free || free != bad || !strings.Contains(free, "Look into your new mailbox") {
		t.Error("the answer tells which addresses are known")
	}
	if n := w.take(); n != 2 { // that it is known, to the other; to confirm, to the new one
		t.Errorf("%d mails", n)
	}
	confirm := w.confirmLink(r.ID)
	if _, body := w.get(confirm); !strings.Contains(body, "n…@quill.example") {
		t.Errorf("the page to confirm:\n%s", body)
	}
	if resp, body := w.post(confirm); resp.StatusCode != http.StatusOK || !strings.Contains(body, "goes to this address now") {
		t.Errorf("confirmed: %d\n%s", resp.StatusCode, body)
	}
	before := w.dump()
	if resp, body := w.post(confirm); resp.StatusCode != http.StatusOK || !strings.Contains(body, "confirmed already") {
		t.Errorf("confirmed again: %d\n%s", resp.StatusCode, body)
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("the second press changed %q", lines)
	}
	for id, want := range map[int64]string{r.ID: "new@quill.example", other.ID: "bo@quill.example"} {
		if got, err := w.db.SubscriberByID(t.Context(), id); err != nil || got.Address != want {
			t.Errorf("reader %d has %s, want %s", id, got.Address, want)
		}
	}
	w.pass(32 * time.Minute)
	if resp, _ := w.get(link); resp.StatusCode != http.StatusGone {
		t.Errorf("the link to change it after 32 minutes: %d", resp.StatusCode)
	}
}

func TestMailLink(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	link := w.link(subscribers.Preferences, subscribers.Action{Subscriber: r.ID})
	for n := range 5 {
		resp, body := w.post(link, "action", "mail-data")
		want := map[bool]string{true: "Look into your mailbox", false: "three such mails today"}[n < 3]
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, want) || strings.Contains(body, "ada@") {
			t.Errorf("%d. time: %d\n%s", n+1, resp.StatusCode, body)
		}
	}
	if w.kicks != 3 {
		t.Errorf("%d kicks", w.kicks)
	}
	var notices int
	for _, line := range w.dump() {
		if strings.HasPrefix(line, "notices ") && strings.Contains(line, " "+digest.NoticeData+" ") {
			notices++
		}
	}
	if notices != 3 {
		t.Errorf("%d mails wait", notices)
	}
}

func TestOwnDataAndErase(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	other := w.reader("bo@quill.example")
	data, erase := w.link(subscribers.OwnData, subscribers.Action{Subscriber: r.ID}), w.link(subscribers.Erase, subscribers.Action{Subscriber: r.ID})
	before := w.dump()
	if resp, body := w.get(data); resp.StatusCode != http.StatusOK || strings.Contains(body, "ada@") {
		t.Errorf("the page of own data: %d\n%s", resp.StatusCode, body)
	}
	resp, body := w.get(data + "?file")
	var held subscribers.Held
	if err := json.Unmarshal([]byte(body), &held); err != nil || held.Now.Address != "ada@quill.example" || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the file: %v, %+v", err, held)
	}
	wantGuarded(t, data, resp.Header)
	if resp, _ := w.post(data); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("posted to the data: %d", resp.StatusCode)
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		w.ask(method, erase, nil)
	}
	if lines := changed(before, w.dump()); len(lines) > 0 {
		t.Errorf("looking at it changed %q", lines)
	}
	for n := range 2 {
		if resp, body := w.post(erase); resp.StatusCode != http.StatusOK || !strings.Contains(body, "Everything is erased") {
			t.Errorf("%d. press: %d\n%s", n+1, resp.StatusCode, body)
		}
	}
	for _, line := range w.dump() {
		if strings.Contains(line, "ada@") {
			t.Errorf("left: %s", line)
		}
	}
	if _, err := w.db.SubscriberByID(t.Context(), other.ID); err != nil {
		t.Errorf("another reader: %v", err)
	}
	if resp, _ := w.get(data); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the data after that: %d", resp.StatusCode)
	}
	// Whoever erased their data may come back by a confirmation.
	w.ask("POST", "/signup", w.signUpForm("ada@quill.example"))
	if n := w.take(); n != 1 {
		t.Errorf("%d mails", n)
	}
	back, err := w.db.Subscriber(t.Context(), "ada@quill.example")
	w.must(err)
	w.post(w.confirmLink(back.ID))
	if back, err = w.db.SubscriberByID(t.Context(), back.ID); err != nil || back.Status != subscribers.Active || back.Suppressed != nil || back.ID == r.ID {
		t.Errorf("back: %+v, %v", back, err)
	}
	w.pass(32 * time.Minute)
	if resp, _ := w.post(erase); resp.StatusCode != http.StatusGone {
		t.Errorf("the link after 32 minutes: %d", resp.StatusCode)
	}
}

// TestExpiredWithoutButton: the page of an expired link has a button though its page never had one.
func TestExpiredWithoutButton(t *testing.T) {
	w := newWorld(t, "https://tidewater.example")
	r := w.reader("ada@quill.example")
	data := w.link(subscribers.OwnData, subscribers.Action{Subscriber: r.ID})
	w.pass(32 * time.Minute)
	if resp, body := w.get(data); resp.StatusCode != http.StatusGone || !strings.Contains(body, "Mail me a new link") {
		t.Errorf("the link after 32 minutes: %d\n%s", resp.StatusCode, body)
	}
	if resp, body := w.post(data, "action", "fresh"); resp.StatusCode != http.StatusOK || w.kicks != 1 {
		t.Errorf("its button: %d, %d kicks\n%s", resp.StatusCode, w.kicks, body)
	}
}
