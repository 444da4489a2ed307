package room

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"broadsheet/operators"
)

// Readers is what the pages of subscribers, explanations and suppressions read and do. Acts want a
// reason; without one they are [ErrRefused].
type Readers interface {
	// Explain says why a reader got the mail of an issue, or none; issue 0 is the latest. as is an address
	// as it was typed, or a reader's number.
	Explain(ctx context.Context, as string, issue int64) (*Explanation, error)

	Find(ctx context.Context, q ReaderSearch) (*ReaderList, error)
	// Reader has a page of the timeline, counted from 0.
	Reader(ctx context.Context, id int64, page int) (*Reader, error)

	Change(ctx context.Context, by operators.By, id int64, to ReaderForm) (said string, err error)
	Pause(ctx context.Context, by operators.By, id int64, until string) (said string, err error)
	Resume(ctx context.Context, by operators.By, id int64) (said string, err error)
	Unsubscribe(ctx context.Context, by operators.By, id int64) (said string, err error)
	SendLink(ctx context.Context, by operators.By, id int64) (said string, err error)
	// Erase wants the address once more, as it stands.
	Erase(ctx context.Context, by operators.By, id int64, typed string) (said string, err error)

	// Import puts a file by and begins to bring it in, in the background; one at a time.
	Import(ctx context.Context, by operators.By, name string, content io.Reader) (said string, err error)
	// LastImport is nil if there was none.
	LastImport(ctx context.Context) (*Import, error)
	// ImportErrors writes the rows of the latest import that were bad, as CSV.
	ImportErrors(ctx context.Context, w io.Writer) error
	// Export writes all readers as CSV, and puts on record who has them.
	Export(ctx context.Context, by operators.By, w io.Writer) error

	Suppressions(ctx context.Context, q BarSearch) (*BarList, error)
	Suppress(ctx context.Context, by operators.By, address, reason, note string) (said string, err error)
	Lift(ctx context.Context, by operators.By, address string) (said string, err error)
}

// ReaderSearch is what a search for readers was asked with. Empty fields do not filter.
type ReaderSearch struct {
	Text    string `json:"q"`
	In      string `json:"in"` // what Text is: address, name or external; "" = address
	Status  string `json:"status"`
	Section string `json:"section"`
	Edition string `json:"edition"`
	After   string `json:"after"` // of the page before
}

// ReaderList is a page of readers.
type ReaderList struct {
	Search   ReaderSearch `json:"search"`
	Readers  []ReaderLine `json:"readers"`
	Next     string       `json:"next"`   // After of the next page, "" = this is the last
	Looked   int          `json:"looked"` // readers that were looked at for this page
	Sections []Choice     `json:"-"`
	Editions []Choice     `json:"-"`
}

// ReaderLine is a reader in a list.
type ReaderLine struct {
	ReaderBrief
	ExternalID string `json:"external_id"`
	Sections   string `json:"sections"`
	Editions   string `json:"editions"`
	Hour       string `json:"hour"`
	Zone       string `json:"zone"`
}

// Choice is something to choose from a list.
type Choice struct {
	Value, Name string
	Chosen      bool
	Level       string // of a section: normal, less, muted; "" = not followed
}

// Reader is a reader with what happened.
type Reader struct {
	ReaderBrief
	ExternalID string        `json:"external_id"`
	Created    time.Time     `json:"created"`
	Away       []string      `json:"away"`
	Settings   []Fact        `json:"settings"` // in words
	Form       ReaderForm    `json:"-"`
	Sections   []Choice      `json:"-"`
	Editions   []Choice      `json:"-"`
	Days       []Choice      `json:"-"`
	Timeline   []ReaderEvent `json:"timeline"` // the latest first
	Page       int           `json:"page"`
	More       bool          `json:"more"`
	Events     int           `json:"events"` // in all
	Lifts      bool          `json:"-"`      // an operator may lift the suppression
}

// Fact is a name and what is so.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ReaderEvent is one thing in the life of a reader.
type ReaderEvent struct {
	At    time.Time `json:"at"`
	Kind  string    `json:"kind"` // joined, change, consent, delivery, notice, bounce, complaint, mark, bar, task, message, operator
	What  string    `json:"what"`
	By    string    `json:"by"`
	Lines []string  `json:"lines"` // more about it
	State string    `json:"state"` // of a delivery
	Link  string    `json:"link"`
}

// ReaderForm is what can be set for a reader, in the form of CSV cells.
type ReaderForm struct {
	Name, Sections, Editions, Hour, Days, Zone, Language, Format, ExternalID string
}

func refusef(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}

// uploads is the one pattern that takes a file.
const uploads = "POST /subscribers/import"

func (rm *Room) readerRoutes() []route {
	return []route{
		{"GET /explain", operators.Look, rm.explain},
		{"GET /subscribers", operators.Look, rm.readers},
		{"GET /subscribers/{id}", operators.Look, rm.reader},
		{"POST /subscribers/{id}/change", operators.Act, rm.onReader(func(ctx context.Context, r *http.Request, by operators.By, id int64) (string, error) {
			return rm.Readers.Change(ctx, by, id, readerForm(r))
		})},
		{"POST /subscribers/{id}/pause", operators.Act, rm.onReader(func(ctx context.Context, r *http.Request, by operators.By, id int64) (string, error) {
			return rm.Readers.Pause(ctx, by, id, r.PostFormValue("until"))
		})},
		{"POST /subscribers/{id}/resume", operators.Act, rm.onReader(func(ctx context.Context, _ *http.Request, by operators.By, id int64) (string, error) {
			return rm.Readers.Resume(ctx, by, id)
		})},
		{"POST /subscribers/{id}/unsubscribe", operators.Act, rm.onReader(func(ctx context.Context, _ *http.Request, by operators.By, id int64) (string, error) {
			return rm.Readers.Unsubscribe(ctx, by, id)
		})},
		{"POST /subscribers/{id}/link", operators.Act, rm.onReader(func(ctx context.Context, _ *http.Request, by operators.By, id int64) (string, error) {
			return rm.Readers.SendLink(ctx, by, id)
		})},
		{"POST /subscribers/{id}/erase", operators.Act, rm.eraseReader},
		{"GET /subscribers/import", operators.Act, rm.importPage},
		{"GET /subscribers/import/progress", operators.Act, rm.importProgress},
		{"GET /subscribers/import/errors", operators.Act, rm.importErrors},
		{uploads, operators.Act, rm.importReaders},
		{"POST /subscribers/export", operators.Act, rm.exportReaders},
		{"GET /suppressions", operators.Look, rm.suppressions},
		{"POST /suppressions", operators.Act, rm.suppress},
		{"POST /suppressions/lift", operators.Act, rm.lift},
	}
}

func (rm *Room) readers(w http.ResponseWriter, r *http.Request, v *visit) error {
	q := r.URL.Query()
	list, err := rm.Readers.Find(r.Context(), ReaderSearch{Text: q.Get("q"), In: q.Get("in"), Status: q.Get("status"), Section: q.Get("section"),
		Edition: q.Get("edition"), After: q.Get("after")})
	if err != nil {
		return err
	}
	return rm.show(w, v, "subscribers", list)
}

// More is the address of the next page.
func (l *ReaderList) More() string {
	s := l.Search
	q := url.Values{"after": {l.Next}}
	for name, value := range map[string]string{"q": s.Text, "in": s.In, "status": s.Status, "section": s.Section, "edition": s.Edition} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/subscribers?" + q.Encode()
}

func (rm *Room) reader(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := number64(r.PathValue("id"))
	if err != nil {
		return err
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page")) // whatever else is there: the first
	reader, err := rm.Readers.Reader(r.Context(), id, max(page, 0))
	if err != nil {
		return err
	}
	return rm.show(w, v, "subscriber", reader)
}

// number64 reads a number in a path.
func number64(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 {
		return 0, ErrNotFound
	}
	return id, nil
}

// onReader serves an act on a reader.
func (rm *Room) onReader(act func(ctx context.Context, r *http.Request, by operators.By, id int64) (string, error)) func(http.ResponseWriter, *http.Request, *visit) error {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		id, err := number64(r.PathValue("id"))
		if err != nil {
			return err
		}
		said, err := act(r.Context(), r, v.by(r), id)
		if err != nil {
			return err
		}
		return rm.back(w, r, "/subscribers/"+r.PathValue("id"), said)
	}
}

func (rm *Room) eraseReader(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := number64(r.PathValue("id"))
	if err != nil {
		return err
	}
	said, err := rm.Readers.Erase(r.Context(), v.by(r), id, r.PostFormValue("address"))
	if err != nil {
		return err
	}
	return rm.back(w, r, "/subscribers", said)
}

// readerForm reads what the form has. Sections come as level and place for each.
func readerForm(r *http.Request) ReaderForm {
	get := r.PostFormValue
	return ReaderForm{Name: get("name"), Sections: sectionsOf(r.PostForm), Editions: joined(r.PostForm["edition"]), Hour: get("hour"), Days: joined(r.PostForm["day"]),
		Zone: get("zone"), Language: get("language"), Format: get("format"), ExternalID: get("external_id")}
}
