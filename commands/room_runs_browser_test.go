package commands

import (
	"testing"
	"time"

	"broadsheet/operators"
)

// TestRunPagesInBrowser has axe look at a stopped issue with its acts and at the doctor's page, if
// BROADSHEET_AXE names it.
func TestRunPagesInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	h := newHarbor(t, "mailgun", harborSecret, 8, "DOT 550 5.7.1 no", "DOT hangup", "DOT* 451 4.3.0 later")
	v := enter(t, h.engine, operators.Act)
	v.post("/doctor", nil)
	s := newSurfer(t, v.base)
	s.logsIn(h.engine, operators.Act)
	v.post("/issues/1/stop", map[string][]string{"why": {"the lead is wrong"}})
	s.opens("/issues/1")
	s.shot("issue-stopped")
	s.opens("/doctor")
	s.shot("doctor")
	if err := h.engine.enlist(t.Context(), allRoles.names()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.db.TakeDuty(t.Context(), "retention", h.engine.worker, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := h.db.TakeDuty(t.Context(), "webhook newsroom", "gone:7", time.Minute); err != nil {
		t.Fatal(err)
	}
	s.opens("/workers")
	s.shot("workers")
}
