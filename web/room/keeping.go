package room

import (
	"context"
	"net/http"
	"time"

	"broadsheet/operators"
)

// Keeping is how this copy of the database stands: whether it may mail, its backups, what is kept for how long.
type Keeping interface {
	// Standing says whether this copy is the one that mailed last.
	Standing(ctx context.Context) (CopyStanding, error)
	// Adopt says that it is the one that mails from now on.
	Adopt(ctx context.Context, by operators.By) (said string, err error)
	// Backups lists those that were made, the latest first.
	Backups(ctx context.Context) ([]Backup, error)
	// Backup begins one in the usual folder. It goes on after the request.
	Backup(ctx context.Context, by operators.By) (said string, err error)
	// BackingUp says how far the one is that was begun last.
	BackingUp(ctx context.Context) (BackupRun, error)
	// Retention lists what is kept for how long.
	Retention(ctx context.Context) ([]Retention, error)
}

// CopyStanding is how a copy of the database stands.
type CopyStanding struct {
	Path      string     `json:"path"`
	Database  string     `json:"database"` // the same in all copies
	Instance  string     `json:"instance"` // of this copy; "" = it has none
	PublicURL string     `json:"public_url"`
	Accounts  []string   `json:"accounts"` // of relays that are not on this machine, as configured
	Differs   []string   `json:"differs"`  // why sending is held, empty = it is not
	Risk      string     `json:"risk"`     // what may go wrong if it is adopted, "" = nothing differs
	Adoptions []Adoption `json:"adoptions"`
	PutBack   []PutBack  `json:"put_back"`
	OnlyTo    []string   `json:"only_to"`
}

// Adoption is who said when that this copy mails.
type Adoption struct {
	At        time.Time `json:"at"`
	Who       string    `json:"who"`
	Why       string    `json:"why"`
	PublicURL string    `json:"public_url"`
	Accounts  []string  `json:"accounts"`
}

// PutBack is what journals said beyond what was on record, after an older database was put back.
type PutBack struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// Backup is a backup of the database.
type Backup struct {
	Path    string    `json:"path"`
	At      time.Time `json:"at"`
	Size    string    `json:"size"`
	Readers int       `json:"readers"`
	Issues  int       `json:"issues"`
	There   bool      `json:"there"` // its file is where it was made
}

// BackupRun is a backup that is being made, or the last one that a page began; zero = none was.
type BackupRun struct {
	Running bool      `json:"running"`
	Began   time.Time `json:"began"`
	Path    string    `json:"path"`
	Percent int       `json:"percent"` // copied; then it is read through
	Error   string    `json:"error"`   // why there is none
}

// Retention is how long something is kept.
type Retention struct {
	What string `json:"what"` // the key in the configuration, or what is always so
	Kept string `json:"kept"` // for how long
	Note string `json:"note"`
	Last string `json:"last"` // what was dropped last, "" = nothing
}

func (rm *Room) keepingRoutes() []route {
	return []route{
		{"GET /keeping", operators.Look, rm.keeping},
		{"POST /keeping/adopt", operators.Manage, rm.adopt},
		{"POST /keeping/backup", operators.Manage, rm.backUp},
	}
}

func (rm *Room) keeping(w http.ResponseWriter, r *http.Request, v *visit) error {
	standing, err := rm.Keeping.Standing(r.Context())
	if err != nil {
		return err
	}
	backups, err := rm.Keeping.Backups(r.Context())
	if err != nil {
		return err
	}
	kept, err := rm.Keeping.Retention(r.Context())
	if err != nil {
		return err
	}
	making, err := rm.Keeping.BackingUp(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "keeping", map[string]any{"Making": making, "Standing": standing, "Backups": backups, "Retention": kept,
		"MayManage": v.Role.Holds(operators.Manage)})
}

func (rm *Room) adopt(w http.ResponseWriter, r *http.Request, v *visit) error {
	said, err := rm.Keeping.Adopt(r.Context(), v.by(r))
	if err != nil {
		return err
	}
	return rm.back(w, r, "/keeping", said)
}

func (rm *Room) backUp(w http.ResponseWriter, r *http.Request, v *visit) error {
	said, err := rm.Keeping.Backup(r.Context(), v.by(r))
	if err != nil {
		return err
	}
	return rm.back(w, r, "/keeping", said)
}

// BackupList is the backups that were made, the latest first.
type BackupList struct {
	Backups []Backup `json:"backups"`
}

// RetentionList is what is kept for how long.
type RetentionList struct {
	Retention []Retention `json:"retention"`
}

// keepingEndpoints are how this copy of the database stands, and backups.
func (rm *Room) keepingEndpoints() []endpoint {
	return []endpoint{
		look("/keeping", operators.Look, "How this copy of the database stands: whether it may mail", nil, func(r *http.Request) (CopyStanding, error) { return rm.Keeping.Standing(r.Context()) }),
		look("/keeping/backups", operators.Look, "Backups that were made, the latest first", nil, func(r *http.Request) (out BackupList, err error) {
			out.Backups, err = rm.Keeping.Backups(r.Context())
			return out, err
		}),
		look("/keeping/retention", operators.Look, "What is kept for how long", nil, func(r *http.Request) (out RetentionList, err error) {
			out.Retention, err = rm.Keeping.Retention(r.Context())
			return out, err
		}),
		act(http.MethodPost, "/keeping/adopt", operators.Manage, "This copy is the one that mails from now on", func(ctx context.Context, by operators.By, _ *http.Request, _ Reasoned) (Done, error) {
			return done(rm.Keeping.Adopt(ctx, by))
		}),
		act(http.MethodPost, "/keeping/backup", operators.Manage, "Back the database up in the usual folder", func(ctx context.Context, by operators.By, _ *http.Request, _ Reasoned) (Done, error) {
			return done(rm.Keeping.Backup(ctx, by))
		}),
	}
}
