package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"broadsheet/operators"
)

// caller is a program with a token.
type caller struct {
	*testing.T
	base, token string
}

// callerOf gives a program a token of a role for the API of an engine.
func callerOf(t *testing.T, e *engine, role operators.Role) *caller {
	t.Helper()
	secret, _, err := roomDoors{e, new(operators.Delays)}.AddToken(t.Context(), operators.By{Who: "test"}, "of-"+string(role), role)
	if err != nil {
		t.Fatal(err)
	}
	return &caller{t, roomOf(t, e), secret}
}

// calls the API; body "" = none. The answer is JSON, or the test fails.
func (c *caller) calls(method, path, body string) (status int, answer any, text string) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, c.base+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	want := "application/json"
	if resp.StatusCode >= 400 {
		want = "application/problem+json"
	}
	if err := json.Unmarshal(b, &answer); err != nil || resp.Header.Get("Content-Type") != want {
		c.Fatalf("%s %s: %d, %s: %s", method, path, resp.StatusCode, resp.Header.Get("Content-Type"), b)
	}
	return resp.StatusCode, answer, string(b)
}

// shape compares an answer with a schema of the OpenAPI file and says what differs.
type shape struct{ schemas map[string]any }

func (s shape) differs(at string, schema map[string]any, v any) []string {
	if name, ok := schema["$ref"].(string); ok {
		return s.differs(at, s.schemas[strings.TrimPrefix(name, "#/components/schemas/")].(map[string]any), v)
	}
	if choices, ok := schema["oneOf"].([]any); ok {
		if v == nil {
			return nil
		}
		return s.differs(at, choices[0].(map[string]any), v)
	}
	kind := map[string]string{"string": "string", "boolean": "bool", "number": "float64", "integer": "float64", "array": "[]interface {}", "object": "map[string]interface {}"}
	want, _ := schema["type"].(string)
	if got := fmt.Sprintf("%T", v); got != kind[want] {
		return []string{fmt.Sprintf("%s is %s, in the file %s", at, got, want)}
	}
	var out []string
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			out = append(out, s.differs(fmt.Sprintf("%s[%d]", at, i), schema["items"].(map[string]any), item)...)
		}
	case map[string]any:
		if of, ok := schema["additionalProperties"].(map[string]any); ok {
			for name, item := range v {
				out = append(out, s.differs(at+"."+name, of, item)...)
			}
			return out
		}
		props, _ := schema["properties"].(map[string]any)
		for name, item := range v {
			p, ok := props[name].(map[string]any)
			if !ok {
				out = append(out, at+"."+name+" is not in the file")
				continue
			}
			out = append(out, s.differs(at+"."+name, p, item)...)
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				out = append(out, at+"."+name.(string)+" is missing")
			}
		}
	}
	return out
}

// TestAnswersAreAsTheFileSays asks every path of the OpenAPI file that shows something, and holds the answer
// against its schema; every path of the file has a handler.
func TestAnswersAreAsTheFileSays(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	h := operated(t)
	var doc struct {
		Paths      map[string]map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	text := read(t, "../web/room/assets/openapi.yaml")
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	c := callerOf(t, h.engine, operators.Manage)
	s := shape{doc.Components.Schemas}
	routes, told := map[string]bool{}, 0
	for _, r := range h.engine.room(true).Routes() {
		if method, path, _ := strings.Cut(r.Pattern, " "); strings.HasPrefix(path, "/api/v1/") && r.Role != "" {
			routes[strings.ToLower(method)+strings.TrimPrefix(path, "/api/v1")] = true
		}
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			told++
			if !routes[method+path] {
				t.Errorf("%s %s is in the file and has no handler", method, path)
			}
			if method != "get" {
				continue
			}
			status, answer, _ := c.calls("GET", wildcard.ReplaceAllString(path, "1"), "")
			schema := map[string]any{"$ref": "#/components/schemas/Problem"}
			if status == http.StatusOK {
				schema = op["responses"].(map[string]any)["200"].(map[string]any)["content"].(map[string]any)["application/json"].(map[string]any)["schema"].(map[string]any)
			} else if status != http.StatusNotFound || !strings.Contains(path, "{") {
				t.Errorf("GET %s: %d %v\n%s", path, status, answer, &h.log)
			}
			for _, d := range s.differs(path, schema, answer) {
				t.Error(d)
			}
		}
	}
	if told != len(routes) {
		t.Errorf("the file has %d operations, the room %d", told, len(routes))
	}
	if status, _, _ := c.calls("GET", "/nothing/of/this", ""); status != http.StatusNotFound {
		t.Errorf("no such path: %d", status)
	}
	if status, _, text := c.calls("DELETE", "/issues/1/pause", ""); status != http.StatusMethodNotAllowed || !strings.Contains(text, "takes POST") {
		t.Errorf("a method that it does not take: %d %s", status, text)
	}
	if status, _, text := c.calls("GET", "/issues/999999/plots", ""); status != http.StatusNotFound {
		t.Errorf("plots of no issue: %d %s", status, text)
	}
	c.token = "broadsheet_made_up"
	if status, _, _ := c.calls("GET", "/alarms", ""); status != http.StatusUnauthorized {
		t.Errorf("a token that is none: %d", status)
	}
}

// TestPushReaders: the same body twice is nothing new, nobody who left comes back, and a bad row stops no other.
func TestPushReaders(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	h := newHarbor(t, "mailgun", harborSecret, 1)
	c := callerOf(t, h.engine, operators.Act)
	const ada = `{"email":"ada@reader.example","name":"Ada","sections":"world","editions":"morning","consent_source":"newsroom","why":"sync"}`
	put := func(id, body string, want int, came string) {
		t.Helper()
		status, answer, text := c.calls("PUT", "/push/readers/"+id, body)
		if got, _ := answer.(map[string]any)["came"].(string); status != want || got != came {
			t.Errorf("%s %s: %d %s", id, body, status, text)
		}
	}
	put("crm-1", ada, 200, "new")
	before := h.dump()
	put("crm-1", ada, 200, "same")
	if h.dump() != before {
		t.Errorf("the same again changes the database:\n%s", diffLines(before, h.dump()))
	}
	put("crm-1", `{"email":"ada@reader.example","name":"Ada L."}`, 200, "changed")
	put("crm-2", ada, 409, "")
	put("crm-1", `{"email":"ada@reader.example","status":"unsubscribed"}`, 200, "changed")
	put("crm-1", `{"email":"ada@reader.example","status":"active"}`, 200, "same")
	put("crm-1", `{"email":"ada@elsewhere.example","status":"active"}`, 409, "")
	const bo = `{"email":"bo@reader.example","consent_source":"x"`
	put("crm-3", bo+`}`, 200, "new")
	id := func(external string) int64 {
		t.Helper()
		s, err := h.db.ReaderByExternalID(t.Context(), external)
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	put("crm-3", bo+`,"status":"paused"}`, 200, "changed")
	put("crm-3", bo+`,"status":"active"}`, 200, "changed")
	by := operators.By{Who: "test", Why: "test"}
	if _, err := (roomReaders{h.engine}).Pause(t.Context(), by, id("crm-3"), "2026-12-01"); err != nil {
		t.Fatal(err)
	}
	put("crm-3", bo+`,"status":"active"}`, 200, "same")
	put("crm-4", `{"email":"cy@reader.example","consent_source":"x"}`, 200, "new")
	if _, err := (roomReaders{h.engine}).Erase(t.Context(), by, id("crm-4"), "cy@reader.example"); err != nil {
		t.Fatal(err)
	}
	put("crm-3", `{"email":"cy@reader.example"}`, 409, "")
	put("crm-3", `{"email":"ada@reader.example"}`, 409, "")
	if _, err := (roomReaders{h.engine}).Suppress(t.Context(), by, "dee@reader.example", "operator", ""); err != nil {
		t.Fatal(err)
	}
	put("crm-3", `{"email":"dee@reader.example"}`, 409, "")
	put("%20", bo+`}`, 422, "")
	put("a%0Ab", bo+`}`, 422, "")
	if status, _, text := c.calls("PATCH", fmt.Sprint("/subscribers/", id("crm-3")), `{"name":"Bo","why":"asked"}`); status != 200 || !strings.Contains(text, "Changed") {
		t.Errorf("change: %d %s", status, text)
	}
	if s, err := h.db.ReaderByExternalID(t.Context(), "crm-3"); err != nil || s.Name != "Bo" || s.Status != "paused" || s.Address != "bo@reader.example" {
		t.Errorf("changed: %+v, %v", s, err)
	}
	for body, want := range map[string]int{
		`{"email":"x"}`: 422, `{"email":"bo@reader.example","sections":"nothing"}`: 422, `{"email":"bo@reader.example","hour":"25"}`: 422,
		`{"mail":"bo@reader.example"}`: 400, `{`: 400, "{\"email\":\"bo@reader.example\",\"name\":\"\xff\"}": 400, `{"email":1}`: 400, `{"email":"bo@reader.example"} more`: 400, `{"email":"` + strings.Repeat("x", 1<<20) + `"}`: 413,
	} {
		status, answer, text := c.calls("PUT", "/push/readers/crm-9", body)
		if p := answer.(map[string]any); status != want || p["status"] != float64(want) || p["title"] == "" || p["detail"] == "" {
			t.Errorf("%.60s: %d %s", body, status, text)
		}
	}
	status, _, text := c.calls("PUT", "/push/readers", `{"readers":[{"external_id":"a","email":"a@reader.example","consent_source":"x"},{"external_id":"b","email":"bad"},{"external_id":"","email":"c@reader.example"}]}`)
	if status != 200 || !strings.Contains(text, `"failed":2`) || !strings.Contains(text, `"external_id":"a","id":`) || strings.Count(text, `"error":"`) != 2 {
		t.Errorf("rows: %d %s", status, text)
	}
	if status, _, text := c.calls("PUT", "/push/readers", `{"readers":[`+strings.Repeat(`{"external_id":"a","email":"a@reader.example"},`, 500)+`{}]}`); status != 413 {
		t.Errorf("501 rows: %d %s", status, text)
	}
	if audit, _, _ := c.calls("GET", "/audit?who=token+of-act", ""); audit != 200 {
		t.Error(audit)
	}
}

// TestPushStories adds, changes and withdraws a newsroom's story by its own id, each as often as one likes.
func TestPushStories(t *testing.T) {
	if testing.Short() {
		t.Skip("one thing at a time happens in it: not with -short")
	}
	h := newHarbor(t, "mailgun", harborSecret, 1)
	c := callerOf(t, h.engine, operators.Act)
	const tide = `{"headline":"The tide is late","sections":["world"],"url":"https://tidewater.example/tide","published":"2026-01-13T06:30:00Z","blocks":[{"type":"p","text":"It came at nine."}],"why":"desk"}`
	call := func(method, id, body string, want int, has string) {
		t.Helper()
		if status, _, text := c.calls(method, "/push/stories/"+id, body); status != want || !strings.Contains(text, has) {
			t.Errorf("%s %s %s: %d %s", method, id, body, status, text)
		}
	}
	call("PATCH", "n-1", `{"lead":"x"}`, 404, "n-1")
	call("PUT", "n-1", tide, 200, `"came":"new"`)
	before := h.dump()
	call("PUT", "n-1", tide, 200, `"came":"same"`)
	call("PATCH", "n-1", `{"headline":"The tide is late"}`, 200, `"came":"same"`)
	if now := h.dump(); now != before {
		t.Errorf("the same again changes the database:\n%s", diffLines(before, now))
	}
	call("PATCH", "n-1", `{"headline":"The tide was late"}`, 200, `"came":"changed"`)
	id, err := h.db.PushedStory(t.Context(), "n-1")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := h.db.Story(t.Context(), id); err != nil || s.Headline != "The tide was late" || s.URL != "https://tidewater.example/tide" || len(s.Blocks) != 1 || s.Lead != "It came at nine." {
		t.Errorf("%+v, %v", s, err)
	}
	call("PATCH", "n-1", `{"url":"https://tidewater.example/tide-2"}`, 200, `"came":"changed"`)
	call("PATCH", "n-1", `{"sections":["sport"],"published":"2026-01-13T05:30:00Z"}`, 200, `"came":"changed"`)
	if s, err := h.db.Story(t.Context(), id); err != nil || s.URL != "https://tidewater.example/tide-2" || !slices.Equal(s.Sections, []string{"sport"}) || s.Published.Hour() != 5 {
		t.Errorf("changed: %+v, %v", s, err)
	}
	for body, want := range map[string]string{`{"headline":"x"}`: "sections: name one", `{"sections":["world"]}`: "headline: is missing", `{"headline":"x","sections":["moon"]}`: `no section`,
		`{"headline":"x","sections":["world"],"url":"javascript:alert(1)"}`: "url: ", `{"headline":"x","sections":["world"],"published":"yesterday"}`: "published: ",
		`{"headline":"x","sections":["world"],"blocks":[{"type":"script","text":"x"}]}`: "blocks[0].type: "} {
		call("PUT", "n-2", body, 422, want)
	}
	call("DELETE", "n-1?why=wrong", "", 200, "is withdrawn")
	call("DELETE", "n-1", "", 200, "withdrawn before")
	call("PUT", "n-1", tide, 409, "withdrawn")
	call("DELETE", "n-9", "", 404, "n-9")
}
