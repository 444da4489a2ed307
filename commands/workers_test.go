package commands

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/web/room"
)

// TestWorkers: who is at work, with its roles, leases and duties, is on the page, in the API and in the command's
// output, and who has gone is not.
func TestWorkers(t *testing.T) {
	h := operated(t)
	e := h.engine
	e.worker = "me:1"
	if err := e.enlist(t.Context(), roles{roleSchedule, roleSend}.names()); err != nil {
		t.Fatal(err)
	}
	other, err := store.Open(t.Context(), storetest.At(t, filepath.Join(filepath.Dir(h.cfg.File), "broadsheet.db")), store.Options{AddressHash: h.keys.AddressHash})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Enlist(t.Context(), store.Worker{Name: "pages:7", Host: "<b>pages", PID: 7, Version: "v1", Roles: []string{"web"}}); err != nil {
		t.Fatal(err)
	}
	if mine, err := e.db.TakeDuty(t.Context(), "retention", e.worker, time.Minute); err != nil || !mine {
		t.Fatal(mine, err)
	}
	if _, err := e.db.TakeDuty(t.Context(), "webhook newsroom", "dead:9", time.Minute); err != nil {
		t.Fatal(err)
	}
	l, err := roomWorkers{e}.List(t.Context())
	if err != nil || len(l.Workers) != 3 {
		t.Fatalf("%+v, %v", l, err)
	}
	for n, want := range []struct{ name, state, roles, duty string }{
		{"me:1", "at work", "schedule send", "retention"}, {"pages:7", "at work", "web", ""}, {"dead:9", "gone", "", "webhook newsroom"},
	} {
		v := l.Workers[n]
		duty := ""
		if len(v.Duties) > 0 {
			duty = v.Duties[0].Name
		}
		if v.Name != want.name || v.State != want.state || strings.Join(v.Roles, " ") != want.roles || duty != want.duty {
			t.Errorf("%+v, not %+v", v, want)
		}
	}

	base := roomOf(t, e)
	hire(t, e, operators.Look)
	v := stranger(t, base)
	v.tries("the-look", passOf, "")
	_, page := v.get("/workers")
	has(t, page, "me:1", "pages:7", "&lt;b&gt;pages", "schedule, send", "Alone it does: <bdi>retention</bdi>", "gone</span> <bdi>dead:9</bdi>", "It has no mail leased.")
	secret, _, err := (roomDoors{e, new(operators.Delays)}).AddToken(t.Context(), operators.By{Who: "test"}, "watcher", operators.Look)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v1/workers", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var told room.WorkerList
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil || resp.StatusCode != http.StatusOK || len(told.Workers) != 3 || told.Workers[1].Host != "<b>pages" {
		t.Fatalf("%s %v: %+v", resp.Status, err, told)
	}

	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err := (roomWorkers{e}).List(t.Context()); err != nil || len(l.Workers) != 2 {
		t.Fatalf("who has ended is at work: %+v, %v", l, err)
	}
}

// TestWorkersCommand: serve is on the list while it runs and not after.
func TestWorkersCommand(t *testing.T) {
	w := openWatched(t, relaytest.Start(t), "")
	p := w.program("2026-01-13T06:00:00Z")
	p.roles = roles{roleSchedule, roleIntake, roleSend}
	end, err := p.starts(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	awaits(t, "it is on the list", func() bool {
		w.must(0, "workers", "--json")
		var l room.WorkerList
		return json.Unmarshal(w.out.Bytes(), &l) == nil && len(l.Workers) == 1 && strings.Join(l.Workers[0].Roles, ",") == "schedule,intake,send" && l.Workers[0].State == "at work"
	})
	w.must(0, "workers")
	w.printed("at work")
	w.printed("schedule,intake,send")
	if err := end(); err != nil {
		t.Fatal(err)
	}
	w.must(0, "workers")
	if strings.Contains(w.out.String(), "at work") {
		t.Error("who has ended is on the list")
	}
}

// TestRoleAlarms: mail that is due and no sender is an alarm if others live; so is what comes back and nobody who
// reads it. A minute goes by first.
func TestRoleAlarms(t *testing.T) {
	relay := relaytest.Start(t)
	w := openWatched(t, relay, "intake: {maildir: returned}\n")
	e := w.engine("2026-01-13T07:00:30Z")
	e.openAll(t.Context())
	var late time.Duration
	machine := func() time.Time { return time.Now().Add(late) }
	open := func(name string, roles ...string) *store.DB {
		db, err := store.Open(t.Context(), storetest.At(t, w.dir+"/broadsheet.db"), store.Options{AddressHash: e.keys.AddressHash, Now: machine})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if err := db.Enlist(t.Context(), store.Worker{Name: name, Host: "h", PID: 1, Version: "v", Roles: roles}); err != nil {
			t.Fatal(err)
		}
		return db
	}
	scheduler := open("a:1", "schedule", "web")
	watch := &engine{cfg: e.cfg, db: scheduler, keys: e.keys, now: func() time.Time { return e.now().Add(late) }, log: e.log}
	keys := func() string {
		t.Helper()
		var found []string
		if err := scheduler.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		alarms, err := roomToday{watch}.roleAlarms(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range alarms {
			if a.What == "" || a.Next == "" || a.Since.IsZero() || a.Do == "" || a.Link != "/workers" {
				t.Errorf("an alarm lacks something: %+v", a)
			}
			found = append(found, a.Level+" "+a.Key)
		}
		return strings.Join(found, ", ")
	}
	if got := keys(); got != "" {
		t.Fatalf("at once: %s", got)
	}
	late = 2 * time.Minute
	if got := keys(); got != "red role send, amber role intake" {
		t.Fatalf("after two minutes: %s", got)
	}
	sender := open("b:2", "send", "intake")
	if got := keys(); got != "" {
		t.Fatalf("with a sender: %s", got)
	}
	late = 4 * time.Minute // it is silent by now
	if got := keys(); got != "red role send, amber role intake" {
		t.Fatalf("with one that died: %s", got)
	}
	if err := sender.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := keys(); got != "" {
		t.Fatalf("with one that thawed: %s", got)
	}
	if err := sender.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.sendAll(context.Background(), sendRun{untilIdle: true}); err != nil {
		t.Fatal(err)
	}
	if got := keys(); got != "amber role intake" {
		t.Fatalf("with nothing to send: %s", got)
	}
}
