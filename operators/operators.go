// Package operators knows who runs the program: people who may look, act or manage, and what they did.
package operators

import (
	"fmt"
	"slices"
	"time"
)

// Role is what an operator may do; each holds the ones before it.
type Role string

// The roles.
const (
	Look   Role = "look"   // sees everything, changes nothing
	Act    Role = "act"    // runs, stories and readers: pause, stop, withdraw, edit
	Manage Role = "manage" // operators, tokens and what concerns the whole installation
)

// Roles lists them, the least first.
var Roles = []Role{Look, Act, Manage}

// Holds reports whether who has r may do what asks for other.
func (r Role) Holds(other Role) bool {
	have, want := slices.Index(Roles, r), slices.Index(Roles, other)
	return have >= 0 && want >= 0 && have >= want
}

// ParseRole reads a role.
func ParseRole(s string) (Role, error) {
	if !slices.Contains(Roles, Role(s)) {
		return "", fmt.Errorf("%q is no role: look, act or manage", s)
	}
	return Role(s), nil
}

// Operator is somebody who may come in.
type Operator struct {
	ID   int64
	Name string // that they log in with
	Role Role
}

// By is who does something, and why.
type By struct {
	Who string // an operator's name, "token NAME", or "command line (USER)"
	Why string // may be ""
}

// Entry is a line of the audit log.
type Entry struct {
	ID     int64
	At     time.Time
	By     By
	Act    string // noun and verb: "issue pause", "story withdraw"
	Object string // what it was done to: "issue 12", "story 7", "ada@reader.example"
	Detail string // what came of it, in words: "3,200 deliveries cancelled"
}
