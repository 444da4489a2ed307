package commands

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/web/room"
)

// TestIssuePages shows what became of every mail of an issue, by state, reply, domain and relay, and hands it
// out in files; nothing that a server or a reader wrote is anything but text.
func TestIssuePages(t *testing.T) {
	h := operated(t)
	v := enter(t, h.engine, operators.Look)
	before := h.dump()
	page := func(path string, wants ...string) string {
		t.Helper()
		status, body := v.get(path)
		if status != http.StatusOK {
			t.Fatalf("%s: %d\n%s\n%s", path, status, body, &h.log)
		}
		body = html.UnescapeString(body)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s has no %q:\n%s", path, want, body)
			}
		}
		return body
	}
	page("/", "Next", "Europe/London", `<a href="/issues/1">1 <bdi>`, "balanced")
	page("/issues", `<a href="/issues/1">1 <bdi>`, "12 = 1 accepted + 1 delayed + 5 delivered + 5 bounced")
	page("/issues/1", "12 = 1 accepted + 1 delayed + 5 delivered + 5 bounced", "All is done", `data-plots="/issues/1/plots"`)
	page("/issues/1/deliveries", "reader1@reader.example", "reader11@reader.example")
	if body := page("/issues/1/deliveries?state=delivered&domain=reader.example&relay=dock", "reader7@reader.example"); strings.Contains(body, "reader1@") {
		t.Errorf("what bounced is among what arrived:\n%s", body)
	}
	if body := page("/issues/1/deliveries?reply=552", "reader5@reader.example"); strings.Contains(body, "reader4@") {
		t.Errorf("other replies are shown too:\n%s", body)
	}
	page("/issues/1/deliveries?address=nobody", "There is none like that")

	var plots room.Plots
	for plots.Look == nil || plots.Looked < 1 {
		if err := json.Unmarshal([]byte(page("/issues/1/plots")), &plots); err != nil {
			t.Fatal(err)
		}
	}
	sum := 0
	for _, s := range plots.States {
		sum += s.N[len(s.N)-1]
	}
	tries := 0
	for _, b := range plots.Look.Tries {
		tries += b.N
	}
	if sum != 12 || tries != 12 || len(plots.Look.Domains) != 1 || plots.Look.Domains[0].Bounced != 5 || len(plots.Relays) != 1 {
		t.Errorf("%d in states, %d tried: %+v", sum, tries, plots)
	}
	page("/issues/1", "mailbox is full", "Half of them within")

	if status, _ := v.get("/issues/1/deliveries.csv"); status != http.StatusForbidden {
		t.Errorf("who may only look gets a file of addresses: %d", status)
	}
	v, before = enter(t, h.engine, operators.Act), h.dump()
	rows, err := csv.NewReader(strings.NewReader(page("/issues/1/deliveries.csv?state=bounced"))).ReadAll()
	if err != nil || len(rows) != 6 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	lines := strings.Split(strings.TrimSpace(page("/issues/1/deliveries.json")), "\n")
	var one room.Delivery
	if err := json.Unmarshal([]byte(lines[0]), &one); err != nil || len(lines) != 12 || one.Address == "" {
		t.Errorf("%d lines, %+v, %v", len(lines), one, err)
	}
	page(fmt.Sprintf("/deliveries/%d", one.ID), "What happened", one.Address, "written", "taken")
	for path, want := range map[string]int{"/issues/99": 404, "/issues/x": 404, "/issues/99/deliveries": 404, "/issues/99/plots": 404, "/deliveries/99": 404, "/issues/1/deliveries?state=gone": 409} {
		if status, body := v.get(path); status != want {
			t.Errorf("%s: %d, want %d\n%s", path, status, want, body)
		}
	}
	if h.dump() != before {
		t.Error("looking at it changes the database")
	}
}

// TestLive tells a browser what moves for as long as it listens, and ends with the server.
func TestLive(t *testing.T) {
	h := newHarbor(t, "ses, topic: \"arn:aws:sns:eu-west-1:123456789012:mail\"", "", 3)
	p := &program{stderr: &h.log}
	l, err := p.listenOperator("localhost:0", true)
	if err != nil {
		t.Fatal(err)
	}
	s := &roomServer{listener: l}
	if err := s.serve(h.engine); err != nil {
		t.Fatal(err)
	}
	hire(t, h.engine, operators.Look)
	v := stranger(t, "http://"+l.Addr().String())
	if resp := v.listens(); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger is told %d", resp.StatusCode)
	}
	if status, page := v.ask("POST", "/login", url.Values{"name": {"the-look"}, "password": {passOf}}); status != http.StatusSeeOther {
		t.Fatalf("log in: %d\n%s", status, page)
	}
	resp := v.listens()
	lines := bufio.NewScanner(resp.Body)
	var last time.Time
	for n := 0; n < 2 && lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var live struct {
			At   time.Time `json:"at"`
			Age  float64   `json:"age_s"`
			Runs []any     `json:"runs"`
		}
		if err := json.Unmarshal([]byte(data), &live); err != nil {
			t.Fatal(err)
		}
		if live.Age > 2 || !live.At.After(last) {
			t.Errorf("figures are %.1f s old, of %s after %s", live.Age, live.At, last)
		}
		last = live.At
		n++
	}
	began := time.Now()
	s.end()
	for lines.Scan() {
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("it took %s to end", d)
	}
}

// listens opens the stream of live figures, which ends with the test.
func (v *visitor) listens() *http.Response {
	v.Helper()
	req, err := http.NewRequestWithContext(v.Context(), "GET", v.base+"/live", nil)
	if err != nil {
		v.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := v.client.Do(req)
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { resp.Body.Close() })
	return resp
}
