package commands

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
)

// TestStoryPages finds a story, sees who has it, and withdraws it: as a page does all of it.
func TestStoryPages(t *testing.T) {
	h := operated(t)
	look, act := enter(t, h.engine, operators.Look), enter(t, h.engine, operators.Act)
	var story store.StoryRow
	for s, err := range h.db.ListStories(t.Context(), store.StoryFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		story = s
	}
	path := fmt.Sprint("/stories/", story.ID)
	seen := func(v *visitor, path string, want ...string) string {
		t.Helper()
		status, page := v.get(path)
		for _, text := range want {
			if status != http.StatusOK || !strings.Contains(page, text) {
				t.Errorf("%s gives %d without %q:\n%s", path, status, text, page)
			}
		}
		return page
	}
	before := h.dump()
	word := strings.Fields(story.Headline)[0]
	seen(look, "/stories?text="+url.QueryEscape(word), story.Headline, path)
	if page := seen(look, "/stories?text=nosuchword", "There is no such story."); strings.Contains(page, story.Headline) {
		t.Error("the search does not search")
	}
	if page := seen(look, "/stories?state=withdrawn"); strings.Contains(page, path) {
		t.Error("it is listed as withdrawn")
	}
	for until := time.Now().Add(10 * time.Second); ; { // the count is made in the background
		if page := seen(look, path, story.Headline, "Wordings"); !strings.Contains(page, "being looked through") {
			if !strings.Contains(page, path+"/have") || strings.Contains(page, "/withdraw") {
				t.Errorf("who only looks sees %s", page)
			}
			break
		} else if time.Now().After(until) {
			t.Fatal("the count never ends")
		}
	}
	seen(look, path+"/have", "@reader.example")
	if status, _ := look.get(path + "/have.csv"); status != http.StatusForbidden {
		t.Errorf("who only looks gets the addresses as a file: %d", status)
	}
	csv := seen(act, path+"/have.csv", "delivery,issue,edition", "@reader.example,")
	rows := 0
	for _, err := range h.db.Having(t.Context(), story.ID, nil) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
	}
	if got := strings.Count(csv, "\n") - 1; got != rows || rows == 0 {
		t.Errorf("the file has %d rows of %d", got, rows)
	}
	seen(act, path+"/have.json", `"address":"`)
	if h.dump() != before {
		t.Error("looking changes the database")
	}
	post := func(what string, want int, text string, form url.Values) {
		t.Helper()
		if status, page := act.post(path+"/"+what, form); status != want || !strings.Contains(page, text) {
			t.Errorf("%s gives %d without %q:\n%s", what, status, text, page)
		}
	}
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format("2006-01-02T15:04")
	post("pin", http.StatusSeeOther, "has pin 7", url.Values{"pin": {"7"}, "why": {"w"}})
	post("pin", http.StatusConflict, "whole number", url.Values{"pin": {"high"}})
	post("lead", http.StatusSeeOther, "leads edition", url.Values{"place": {"edition " + h.engine.cfg.Editions[0].Name}, "until": {tomorrow}})
	post("unlead", http.StatusSeeOther, "does not lead", url.Values{"place": {"edition " + h.engine.cfg.Editions[0].Name}})
	post("hold", http.StatusSeeOther, "is held back until", url.Values{"until": {tomorrow}})
	post("hold", http.StatusConflict, "is no time", url.Values{"until": {"soon"}})
	post("release", http.StatusSeeOther, "has come in", nil)
	post("correct", http.StatusSeeOther, "Other words", url.Values{"headline": {"Other words"}, "why": {"wrong"}})
	post("withdraw", http.StatusConflict, "say why", nil)
	post("withdraw", http.StatusSeeOther, "is withdrawn", url.Values{"why": {"never happened"}})
	post("correct", http.StatusConflict, "was withdrawn", url.Values{"headline": {"X"}})
	seen(look, path, "never happened", "withdraw story")
	if status, _ := look.get("/stories/9999"); status != http.StatusNotFound {
		t.Errorf("no story gives %d", status)
	}
}
