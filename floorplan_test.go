package main

import (
	"os/exec"
	"strings"
	"testing"
)

// floorPlan says which of our own packages each package may import, directly or not
// (ARCHITECTURE.md). Test helpers are packages too: they may import the room they serve. Everybody may
// go down to the cellar.
var floorPlan = map[string]string{
	cellar:     "",
	"schedule": "", "stories": "", "subscribers": "", "mailer": "", "templates": "", "operators": "",
	"mailer/relaytest": "", "mailer/report": "mailer", "mailer/inbox": "mailer", "mailer/maillog": "mailer", "mailer/provider": "mailer mailer/report",
	"doctor":          "",
	"intake":          "subscribers mailer mailer/report mailer/inbox",
	"capacity":        "schedule mailer",
	"digest":          "schedule stories subscribers mailer templates",
	"store":           "operators intake mailer/report mailer/inbox digest schedule stories subscribers mailer templates",
	"store/storetest": "operators store intake mailer/report mailer/inbox digest schedule stories subscribers mailer templates",
	"web":             "digest subscribers mailer mailer/report mailer/provider schedule stories templates",
	"web/room":        "operators digest subscribers mailer mailer/report schedule stories templates",
	"bench":           "stories",
	"deploy":          "",
	"demo":            "digest schedule stories subscribers mailer mailer/report mailer/inbox mailer/provider intake templates store web operators",
	"commands":        "bench capacity demo doctor digest schedule stories subscribers mailer mailer/report mailer/inbox mailer/maillog mailer/provider intake templates store web web/room operators",
	"":                "commands bench capacity demo doctor digest schedule stories subscribers mailer mailer/report mailer/inbox mailer/maillog mailer/provider intake templates store web web/room operators",
}

const cellar = "secrets"

func TestFloorPlan(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Deps " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		name, deps, _ := strings.Cut(strings.TrimSpace(line), ":")
		room := strings.TrimPrefix(strings.TrimPrefix(name, "broadsheet"), "/")
		allowed, known := floorPlan[room]
		if !known {
			t.Errorf("package %q has no place in the floor plan: give it one in ARCHITECTURE.md and here", room)
			continue
		}
		for _, dep := range strings.Fields(deps) {
			if dep, ours := strings.CutPrefix(dep, "broadsheet/"); ours && dep != cellar && !strings.Contains(" "+allowed+" ", " "+dep+" ") {
				t.Errorf("%s imports %s: the floor plan forbids it", room, dep)
			}
		}
	}
}
