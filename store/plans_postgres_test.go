package store_test

import (
	"regexp"
	"strings"
	"testing"

	"broadsheet/store"
	"broadsheet/store/storetest"
)

// Tables that stay small, or are read whole for a reason.
var smallTables = map[string]string{
	"counters": "a row for each counter", "meta": "a few rows", "editions": "those of schedule.yaml", "feeds": "those of schedule.yaml",
	"workers": "processes", "duties": "kinds of work", "relay_states": "relays and processes", "relay_shares": "relays and processes",
	"slow_domains": "what is slowed just now", "issue_holds": "what is held just now", "leads": "what editors put first", "slots": "a slot is a day",
	"section_followers": "sections", "webhooks": "those of schedule.yaml", "signups": "what waits to be looked through", "notices": "what waits to be posted",
	"adoptions": "acts of people", "import_errors": "those of the latest import, which go as a whole", "journals": "none on PostgreSQL", "handed_before": "what a backup lacked", "suppressions": "asked whether it is empty",
	"pg_inherits": "parts", "pg_class": "parts",
}

// TestPostgresNothingScans does what a day's work does and asks PostgreSQL how it would find the rows of each statement
// if it had to read many: no table that grows with readers, mails or stories may be read whole.
func TestPostgresNothingScans(t *testing.T) {
	db := open(t, storetest.FreshPostgres(t), store.Options{AddressHash: hash})
	aDaysWork(t, db)
	plans, err := db.Plans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(plans) < 60 {
		t.Fatalf("only %d statements were seen", len(plans))
	}
	scan := regexp.MustCompile(`Seq Scan on (\w+)`)
	// Deliveries are found by slot and subscriber: by the first alone a slot would be read whole for each reader, by the
	// second alone all of an index.
	delivery := regexp.MustCompile(`Scan using deliveries_\w+ on (deliveries\w+)( \w+)? .*\n( *Index Cond: .*\n)?( *Filter: .*\n)?`)
	found := regexp.MustCompile(`subscriber\)? [<=>]`) // among all that were read
	for query, plan := range plans {
		for _, m := range delivery.FindAllStringSubmatch(plan, -1) {
			if cond, filter := m[3], m[4]; !strings.Contains(cond, "slot") || found.MatchString(filter) {
				t.Errorf("%s is looked through\n\t%s\n%s", m[1], query, plan)
			}
		}
		for _, m := range scan.FindAllStringSubmatch(plan, -1) {
			if table := m[1]; smallTables[table] == "" && !strings.HasPrefix(table, "deliveries_kept") {
				t.Errorf("%s is read whole\n\t%s\n%s", table, query, plan)
			}
		}
	}
}
