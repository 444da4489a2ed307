// Package operators knows who runs the program: people who may look, act or manage, and what they did.
package operators

import (
	"fmt"
	"slices"
	"strings"
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
	ID   int64  `json:"id"`
	Name string `json:"name"` // that they log in with; of an API token "token NAME"
	Role Role   `json:"role"`
}

// Account is an operator as the database keeps them.
type Account struct {
	Operator
	Password string    `json:"-"`    // argon2id hash
	Code     []byte    `json:"-"`    // sealed [CodeSecret]; nil = none
	Step     int64     `json:"-"`    // of the last code that was shown
	HasCode  bool      `json:"code"` // one-time codes are asked for
	Made     time.Time `json:"made"`
	Changed  time.Time `json:"password_changed"`
	Seen     time.Time `json:"seen,omitzero"` // of a session that is open; zero = there is none
}

// Session is somebody who is in.
type Session struct {
	Operator
	Began, Seen time.Time
	Coded       bool // a one-time code was shown
	HasCode     bool
}

// How long a session lasts.
const (
	SessionIdle = 30 * time.Minute // without a request
	SessionLife = 12 * time.Hour   // in all
)

// Over reports whether a session has ended by itself.
func (s *Session) Over(now time.Time) bool {
	return now.Sub(s.Seen) >= SessionIdle || now.Sub(s.Began) >= SessionLife
}

// Token is what a program comes in with.
type Token struct {
	ID    int64     `json:"id"`
	Name  string    `json:"name"`
	Role  Role      `json:"role"`
	Made  time.Time `json:"made"`
	Maker string    `json:"maker"`
	Used  time.Time `json:"used,omitzero"` // to the hour; zero = never
}

// ParseName reads the name of an operator or token: small letters, digits and . _ - @, 64 at most.
func ParseName(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" || len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("._-@", r))
	}) {
		return "", fmt.Errorf("%q is no name: 1 to 64 letters, digits, dots, hyphens, underscores or @", s)
	}
	return s, nil
}

// By is who does something, and why.
type By struct {
	Who string `json:"who"` // an operator's name, "token NAME", or "command line (USER)"
	Why string `json:"why"` // may be ""
}

// Entry is a line of the audit log.
type Entry struct {
	ID     int64     `json:"id"`
	At     time.Time `json:"at"`
	By     By        `json:"by"`
	Act    string    `json:"act"`    // noun and verb: "issue pause", "story withdraw"
	Object string    `json:"object"` // what it was done to: "issue 12", "story 7", "ada@reader.example"
	Detail string    `json:"detail"` // what came of it, in words: "3,200 deliveries cancelled"
}
