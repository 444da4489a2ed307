package commands

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"broadsheet/operators"
	"broadsheet/store"
)

// TestBackupPlaces: a folder that is not there is made, the next backup lies beside the first, and each is in the
// audit log with who made it and why.
func TestBackupPlaces(t *testing.T) {
	k := newKeeper(t, 1)
	to := filepath.Join(k.dir, "new", "backups")
	k.must(0, "backup", "--to", to+"/", "--why", "before the move")
	if made, err := filepath.Glob(to + "/broadsheet-*.db"); err != nil || len(made) != 1 {
		t.Errorf("made %v, %v", made, err)
	}

	var log output
	p := k.program("", &log)
	p.at = ""
	e, err := p.engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	v := enter(t, e, operators.Manage)
	v.post("/keeping/backup", url.Values{"why": {"every day"}})
	e.jobs.tasks.Wait()
	if _, page := v.get("/keeping"); strings.Contains(page, "was not made") || !strings.Contains(page, k.dir+"/backups/broadsheet-") {
		t.Errorf("the page after a backup:\n%s", page)
	}
	var acts []string
	for entry, err := range e.db.Audit(t.Context(), store.AuditFilter{Object: "database", Act: "backup"}) {
		if err != nil {
			t.Fatal(err)
		}
		acts = append(acts, entry.By.Why)
	}
	if !slices.Equal(acts, []string{"every day", "before the move"}) {
		t.Errorf("the audit log has %q", acts)
	}
}
