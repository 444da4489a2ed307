package commands

import (
	"errors"
	"slices"
	"strings"

	"broadsheet/schedule"
)

// role is a part of serve that a process may have without the others.
type role string

const (
	roleSchedule role = "schedule" // what is due by the clock
	roleIntake   role = "intake"   // what comes back
	roleSend     role = "send"     // what leaves for readers
	roleWeb      role = "web"      // what people open: readers' pages and the operator's room
)

// allRoles are those that there are, in the order in which they are named.
var allRoles = roles{roleSchedule, roleIntake, roleSend, roleWeb}

// roles are those that a process has. The zero value has all.
type roles []role

// parseRoles reads a list with commas, in any order.
func parseRoles(text string) (roles, error) {
	wished := strings.Split(text, ",")
	for n, w := range wished {
		wished[n] = strings.TrimSpace(w)
		if !slices.Contains(allRoles, role(wished[n])) {
			return nil, usagef("--roles %q: write one or more of schedule, intake, send and web, with commas between them", text)
		}
	}
	return slices.DeleteFunc(slices.Clone(allRoles), func(r role) bool { return !slices.Contains(wished, string(r)) }), nil
}

func (rs roles) has(r role) bool { return len(rs) == 0 || slices.Contains(rs, r) }

// all reports whether none is left out.
func (rs roles) all() bool { return len(rs) == 0 || len(rs) == len(allRoles) }

func (rs roles) names() []string {
	if len(rs) == 0 {
		rs = allRoles
	}
	names := make([]string, len(rs))
	for n, r := range rs {
		names[n] = string(r)
	}
	return names
}

// list is how they are written.
func (rs roles) list() string { return strings.Join(rs.names(), ",") }

// said is a word for a process with all roles, and else the word with them.
func (rs roles) said(word string) string {
	if rs.all() {
		return word
	}
	return word + ": " + rs.list()
}

// secrets reads all secrets that the environment has. One that is missing is an error only if a role wants it: a
// process that answers readers needs no mailbox's password.
func (rs roles) secrets(cfg *schedule.Config, getenv func(string) string) error {
	relays, mailbox, webhooks := cfg.Secrets(getenv), cfg.IntakeSecrets(getenv), cfg.WebhookSecrets(getenv)
	if !rs.has(roleSend) && !rs.has(roleWeb) && !(rs.has(roleSchedule) && cfg.Report != nil) { // test copies leave from the room, reports from the schedule
		relays = nil
	}
	if !rs.has(roleIntake) {
		mailbox = nil
	}
	if !rs.has(roleSchedule) {
		webhooks = nil
	}
	return errors.Join(relays, mailbox, webhooks)
}
