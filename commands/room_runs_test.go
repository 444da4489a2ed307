package commands

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
)

// TestRunPages steps into a run on its pages: of eight mails two were refused for good, one was not
// answered, and five were put off.
func TestRunPages(t *testing.T) {
	h := newHarbor(t, "mailgun", harborSecret, 8, "DOT 550 5.7.1 no", "DOT 550 5.7.1 no", "DOT hangup", "DOT* 451 4.3.0 later")
	v := enter(t, h.engine, operators.Act)
	get := func(path string, wants ...string) {
		t.Helper()
		status, page := v.get(path)
		page = html.UnescapeString(page)
		for _, want := range wants {
			if not, is := strings.CutPrefix(want, "!"); is && strings.Contains(page, not) || !is && !strings.Contains(page, want) {
				t.Errorf("%s (%d): %q:\n%s", path, status, want, page)
			}
		}
	}
	post := func(status int, path, form, want string) {
		t.Helper()
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		got, page := v.post(path, values)
		if page = html.UnescapeString(page); got != status || !strings.Contains(page, want) {
			t.Errorf("%s %s: %d, no %q:\n%s", path, form, got, want, page)
		}
	}
	get("/issues/1", ">Pause<", ">Stop<", ">Retry<", "!Resume", "!Settle")
	get("/", "Halt all sending", "Nothing is wrong")
	post(http.StatusSeeOther, "/issues/1/pause", "why=wrong+lead", "Issue 1 is paused")
	post(http.StatusConflict, "/issues/1/pause", "", "issue 1 is paused already")
	get("/issues/1", "the issue is paused: ", "wrong lead", ">Resume<", "!>Pause<")
	h.kept = keptAlarms{}
	get("/", "Morning 2026-01-13 in Europe/London: the issue is paused", "(wrong lead)", "broadsheet issues resume 1")
	post(http.StatusSeeOther, "/issues/1/resume", "", "Issue 1 goes on.")
	post(http.StatusConflict, "/issues/1/resume", "", "issue 1 is not paused")

	post(http.StatusSeeOther, "/issues/stop-all", "why=look+first", "Everything is on hold")
	post(http.StatusConflict, "/issues/1/resume", "", "All sending is on hold")
	h.kept = keptAlarms{}
	get("/", "Let mail go again", "All sending is on hold")
	post(http.StatusSeeOther, "/issues/resume-all", "", "Everything goes on.")

	post(http.StatusConflict, "/issues/1/stop", "", "say why")
	api := callerOf(t, h.engine, operators.Act)
	for _, path := range []string{"/issues/1/stop", "/issues/1/approve", "/issues/1/disapprove", "/stories/1/withdraw", "/issues/1/settle"} {
		body := "{}"
		if strings.HasSuffix(path, "settle") {
			body = `{"how":"arrived"}`
		}
		if status, _, text := api.calls("POST", path, body); status != http.StatusConflict || !strings.Contains(text, "say why") {
			t.Errorf("%s without a reason: %d %s", path, status, text)
		}
	}
	post(http.StatusSeeOther, "/issues/1/stop", "why=it+is+wrong", "Issue 1 is stopped: 5 mails cancelled, 1 uncertain.")
	post(http.StatusConflict, "/issues/1/stop", "why=again", "nothing of it is left to stop")
	get("/issues/1", "Stopped", "it is wrong", "Settle 1 uncertain", "!>Stop<", "dot 550")
	h.kept = keptAlarms{}
	get("/", "Morning 2026-01-13: 1 mail uncertain", "broadsheet issues settle 1 --arrived")

	post(http.StatusConflict, "/issues/1/settle", "how=arrived", "say why")
	post(http.StatusConflict, "/issues/1/settle", "why=log&how=burn", "say what to do")
	post(http.StatusSeeOther, "/issues/1/settle", "why=the+log+has+it&how=arrived", "1 mail marked as arrived.")
	post(http.StatusConflict, "/issues/1/settle", "why=log&how=again", "no delivery is like that")
	post(http.StatusConflict, "/issues/1/retry", "state=accepted", "is not retried")
	post(http.StatusSeeOther, "/issues/1/retry", "state=failed&state=expired&reason=dot+550", "2 mails queued again.")
	post(http.StatusNotFound, "/issues/7/pause", "", "issue 7")

	var one int64
	for d, err := range h.db.Deliveries(t.Context(), store.DeliveryFilter{State: mailer.Cancelled}) {
		if err != nil {
			t.Fatal(err)
		}
		one = d.ID()
	}
	path := "/deliveries/" + itoa(one)
	get(path, ">Retry<", "!Settle")
	post(http.StatusConflict, path+"/settle", "why=x&how=arrived", "it is cancelled")
	post(http.StatusSeeOther, path+"/retry", "why=a+mistake", "is queued again")
	get("/audit", "issue pause", "issue resume", "issue stop", "issue stopped", "issue settle", "issue retry", "delivery retry", "the log has it")
	if i, err := loadIssue(t.Context(), h.db, 1); err != nil || i.Accepted != 1 || i.Queued != 3 || i.Cancelled != 4 || !i.balanced() {
		t.Errorf("%+v, %v", i, err)
	}
}
