package commands

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"broadsheet/mailer"
	"broadsheet/mailer/relaytest"
	"broadsheet/store"
	"broadsheet/store/storetest"
	"broadsheet/stories"
)

// scraped is what a publication with something of everything answers to a scrape.
func scraped(t *testing.T) string {
	t.Helper()
	relay := relaytest.Start(t)
	w := openWatched(t, relay, "")
	w.must(0, "send", "morning", "--at", "2026-01-13T07:00:30Z")
	w.must(0, "send", "morning", "--at", "2026-01-15T07:00:30Z")
	e := w.engine("2026-01-15T07:05:00Z")
	db, ctx := e.db, t.Context()
	for _, err := range []error{
		db.Find(ctx, findingWake, true, ""), db.Find(ctx, findingCertificate+"dock", true, time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)),
		db.KeepRelayStates(ctx, []store.RelayState{{Relay: "dock", State: store.RelayDown, Since: time.Now().Add(-time.Hour), Why: "gone", Seen: time.Now()}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e.cfg.Publication.PublicURL = "https://news.tidewater.example"
	if err := db.Find(ctx, findingPublic, false, "connection: refused"); err != nil {
		t.Fatal(err)
	}
	e.meters.tried("dock", mailer.Stats{}, mailer.Stats{Outcomes: map[mailer.State]int{mailer.Accepted: 5}})
	e.meters.fetched([]stories.FeedResult{{Status: stories.Failed}})
	for i, err := range db.Issues(ctx, store.IssueFilter{Edition: "morning"}) {
		if err != nil {
			t.Fatal(err)
		}
		e.taken(&mailer.Delivery{Issue: i.ID})
	}
	rec := httptest.NewRecorder()
	e.metricsHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != 200 {
		t.Fatal(rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// TestMetrics: what is scraped keeps Prometheus's conventions, counts what is on record, and every metric that
// the dashboard and the rules name is there.
func TestMetrics(t *testing.T) {
	text := scraped(t)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "broadsheet_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, want := range []string{`broadsheet_issues_missed_total{edition="morning"} 1`, `broadsheet_delivery_attempts_total{relay="dock",state="accepted"} 5`,
		`broadsheet_deliveries{edition="morning",state="skipped"} 5`, `broadsheet_relay_up{relay="dock"} 0`, `broadsheet_public_url_ok 0`, "broadsheet_record_errors 0",
		`broadsheet_feed_fetches_total{result="failed"} 1`, `broadsheet_feeds{state="new"} 1`, `broadsheet_database_ready 1`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if regexp.MustCompile(`@|reader\.example`).MatchString(text) {
		t.Error("an address or domain stands in it")
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`).FindAllStringSubmatch(text, -1) {
		known[m[1]] = true
		if m[2] == "histogram" {
			known[m[1]+"_bucket"], known[m[1]+"_sum"], known[m[1]+"_count"] = true, true, true
		}
	}
	named := map[string]bool{}
	for _, expr := range slices.Concat(ruleExprs(t), dashboardExprs(t)) {
		parsed, err := metricsql.Parse(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		metricsql.VisitAll(parsed, func(e metricsql.Expr) {
			if m, ok := e.(*metricsql.MetricExpr); ok {
				for _, filters := range m.LabelFilterss {
					for _, f := range filters {
						if f.Label == "__name__" {
							named[f.Value] = true
						}
					}
				}
			}
		})
	}
	for name := range named {
		if ofDisk := strings.HasPrefix(name, "broadsheet_disk_"); !known[name] && !(ofDisk && storetest.OnPostgres()) { // a server's disk is not seen from here
			t.Errorf("ops names %s, which is not there", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if short := strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count"); strings.HasPrefix(name, "broadsheet_") && !named[name] && !named[short+"_bucket"] &&
			!slices.Contains([]string{"broadsheet_relay_state", "broadsheet_relay_last_seen_timestamp_seconds", "broadsheet_issue_last_due_timestamp_seconds",
				"broadsheet_issue_last_opened_timestamp_seconds", "broadsheet_record_errors"}, name) {
			t.Errorf("neither dashboard nor rules show %s", name)
		}
	}
	if !strings.Contains(read(t, "../docs/watching.md"), "broadsheet_issues_missed_total") {
		t.Error("docs/watching.md does not name the metrics")
	}
}

// ruleExprs are those of ops/alerts.yaml, which is read as strictly as Prometheus does.
func ruleExprs(t *testing.T) (exprs []string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert       string
				Expr        string
				For         string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.NewDecoder(strings.NewReader(read(t, "../ops/alerts.yaml")), yaml.Strict()).Decode(&file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || seen[r.Alert] || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("rule %+v lacks something, or comes twice", r)
			}
			if _, err := time.ParseDuration(r.For); r.For != "" && err != nil {
				t.Error(err)
			}
			seen[r.Alert] = true
			exprs = append(exprs, r.Expr)
		}
	}
	if len(exprs) < 10 {
		t.Errorf("%d rules", len(exprs))
	}
	return exprs
}

// dashboardExprs are those of ops/grafana-dashboard.json.
func dashboardExprs(t *testing.T) (exprs []string) {
	t.Helper()
	var board struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(read(t, "../ops/grafana-dashboard.json")))).Decode(&board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if p.Title == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d shows nothing", p.ID)
		}
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	return exprs
}
