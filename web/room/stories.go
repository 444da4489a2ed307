package room

import (
	"context"
	"encoding/csv"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"broadsheet/operators"
)

// Stories is what the pages of stories read and do. Times that people type are in the publication's own
// zone; a length such as 3h counts from now.
type Stories interface {
	// Find lists stories, the latest first, limit at most.
	Find(ctx context.Context, q StoryQuery, limit int) ([]StoryLine, error)
	// Story is a story with all that is known of it.
	Story(ctx context.Context, id int64) (*Story, error)
	// Exists is [ErrNotFound] if there is no such story.
	Exists(ctx context.Context, id int64) error
	// Having lists who has a story, or may have: exactly those deliveries of which a copy is out or was taken. It
	// reads the digests of all issues since the story came, and rests while mails go: nothing for a page to wait for.
	Having(ctx context.Context, id int64) iter.Seq2[StoryHaving, error]
	// Places lists what stories are filtered by, and where they can lead.
	Places(ctx context.Context) (*StoryPlaces, error)

	Pin(ctx context.Context, by operators.By, id int64, section string, pin int) (said string, err error)
	Lead(ctx context.Context, by operators.By, id int64, edition, section, until string) (said string, err error)
	Unlead(ctx context.Context, by operators.By, id int64, edition, section string) (said string, err error)
	Hold(ctx context.Context, by operators.By, id int64, until string) (said string, err error)
	Release(ctx context.Context, by operators.By, id int64) (said string, err error)
	Correct(ctx context.Context, by operators.By, id int64, c StoryCorrection) (said string, err error)
	Withdraw(ctx context.Context, by operators.By, id int64) (said string, err error)
}

// StoryQuery says which stories are wanted. Zero fields do not filter.
type StoryQuery struct {
	Text    string // in the headline
	Section string
	Source  string
	State   string // held, pinned, lead, corrected or withdrawn
	Since   time.Time
	Before  int64 // only stories with a lower id
}

// StoryLine is a story in a list.
type StoryLine struct {
	ID        int64       `json:"id"`
	Headline  string      `json:"headline"`
	Sections  []string    `json:"sections"`
	Source    string      `json:"source"`
	Published time.Time   `json:"published,omitzero"`
	Arrived   time.Time   `json:"arrived,omitzero"`
	Held      time.Time   `json:"held_until,omitzero"`
	Withdrawn time.Time   `json:"withdrawn,omitzero"`
	Corrected bool        `json:"corrected"`
	Pin       int         `json:"pin"`
	Revisions int         `json:"revisions"`
	Leads     []StoryLead `json:"leads"`
}

// StoryLead is where a story is on top: of the mails of an edition, or of a section.
type StoryLead struct {
	Edition string    `json:"edition,omitempty"`
	Section string    `json:"section,omitempty"`
	Until   time.Time `json:"until"`
}

// Story is a story with all that is known of it.
type Story struct {
	StoryLine
	URL      string          `json:"url"`
	Lead     string          `json:"lead"`
	Language string          `json:"language"`
	Credit   string          `json:"credit"`
	Where    []StorySection  `json:"where"`
	Wordings []StoryRevision `json:"wordings"` // the latest first
	Clicks   []StoryClicks   `json:"clicks"`
	Issues   []StoryIssue    `json:"issues"`   // in which readers have it
	Counting bool            `json:"counting"` // the issues are being looked through: ask again in a moment
	First    []StoryHaving   `json:"-"`        // of those who have it, [StoryFirst] at most
	Acts     []StoryAct      `json:"acts"`     // the latest first
	Waiting  bool            `json:"waiting"`  // deliveries wait until their digests have followed an edit
}

// Readers is how many deliveries brought it to somebody, or may have.
func (s *Story) Readers() (n int) {
	for _, i := range s.Issues {
		n += i.Readers
	}
	return n
}

// StorySection is a story in one of its sections.
type StorySection struct {
	Section string    `json:"section"`
	Name    string    `json:"name"`
	Arrival int64     `json:"arrival"` // 0 = it is held
	Arrived time.Time `json:"arrived,omitzero"`
	Pin     int       `json:"pin"`
}

// StoryRevision is a wording of a story.
type StoryRevision struct {
	ID       int64     `json:"id"`
	At       time.Time `json:"at"`
	Editor   string    `json:"editor"` // "" = its source
	Headline string    `json:"headline"`
	Lead     string    `json:"lead"`
}

// StoryClicks is how often links to a story were followed in the mails of a slot.
type StoryClicks struct {
	Edition string `json:"edition"`
	Slot    string `json:"slot"`
	Clicks  int    `json:"clicks"`
}

// StoryIssue is an issue in which readers have a story, or may have.
type StoryIssue struct {
	Issue   int64          `json:"issue"`
	Edition string         `json:"edition"`
	Slot    string         `json:"slot"`
	Readers int            `json:"readers"`
	States  map[string]int `json:"states"`
}

// StoryAct is what an operator did to a story.
type StoryAct struct {
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	Why    string    `json:"why"`
	Act    string    `json:"act"`
	Detail string    `json:"detail"`
}

// StoryHaving is a delivery that brought a story to a reader, or may have.
type StoryHaving struct {
	Delivery   int64     `json:"delivery"`
	Issue      int64     `json:"issue"`
	Edition    string    `json:"edition"`
	Slot       string    `json:"slot"`
	Subscriber int64     `json:"subscriber"`
	Address    string    `json:"address"` // "" = the reader is erased
	State      string    `json:"state"`
	Reason     string    `json:"reason"`
	Copies     int       `json:"copies"`
	Revision   int64     `json:"revision"`
	At         time.Time `json:"at"`
}

// StoryHavingHead are the columns of the list of who has a story.
var StoryHavingHead = []string{"delivery", "issue", "edition", "slot", "subscriber", "address", "state", "reason", "copies", "revision", "at"}

// Cells is a row of that list, safe to open in a spreadsheet: an address may begin as a formula does.
func (h StoryHaving) Cells() []string {
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	address := h.Address
	if address != "" && strings.ContainsRune("=+-@", rune(address[0])) {
		address = "'" + address
	}
	return []string{n(h.Delivery), n(h.Issue), h.Edition, h.Slot, n(h.Subscriber), address, h.State, h.Reason, strconv.Itoa(h.Copies), n(h.Revision), h.At.UTC().Format(time.RFC3339)}
}

// StoryCorrection is what an editor says instead. Empty fields stay as they are.
type StoryCorrection struct {
	Headline string `json:"headline"`
	Lead     string `json:"lead"`
	Text     string `json:"text"` // paragraphs, a blank line between two
}

// StoryPlaces are what stories are filtered by, and where they can lead.
type StoryPlaces struct {
	Sections []Choice
	Sources  []Choice
	Editions []Choice
	Zone     string // in which times are typed
}

const (
	storyPage = 100
	// StoryFirst is how many of those who have a story its page lists.
	StoryFirst = 100
)

func (rm *Room) storyRoutes() []route {
	return []route{
		{"GET /stories", operators.Look, rm.stories},
		{"GET /stories/{id}", operators.Look, rm.story},
		{"GET /stories/{id}/have", operators.Look, rm.storyHave},
		{"GET /stories/{id}/have.csv", operators.Act, rm.storyHaveCSV},
		{"GET /stories/{id}/have.json", operators.Act, rm.storyHaveJSON},
		{"POST /stories/{id}/pin", operators.Act, rm.onStory(func(ctx context.Context, r *http.Request, by operators.By, id int64) (string, error) {
			pin, err := strconv.Atoi(strings.TrimSpace(r.PostFormValue("pin")))
			if err != nil {
				return "", refusef("a pin is a whole number, 0 for none")
			}
			return rm.Stories.Pin(ctx, by, id, r.PostFormValue("section"), pin)
		})},
		{"POST /stories/{id}/lead", operators.Act, rm.onStory(func(ctx context.Context, r *http.Request, by operators.By, id int64) (string, error) {
			edition, section := leadPlace(r.PostFormValue("place"))
			return rm.Stories.Lead(ctx, by, id, edition, section, r.PostFormValue("until"))
		})},
		{"POST /stories/{id}/unlead", operators.Act, rm.onStory(func(ctx context.Context, r *http.Request, by operators.By, id int64) (string, error) {
			edition, section := leadPlace(r.PostFormValue("place"))
			return rm.Stories.Unlead(ctx, by, id, edition, section)
		})},
		{"POST /stories/{id}/hold", operators.Act, rm.onStory(func(ctx context.Context, r *http.Request, by operators.By, id int64) (string, error) {
			return rm.Stories.Hold(ctx, by, id, r.PostFormValue("until"))
		})},
		{"POST /stories/{id}/release", operators.Act, rm.onStory(func(ctx context.Context, _ *http.Request, by operators.By, id int64) (string, error) {
			return rm.Stories.Release(ctx, by, id)
		})},
		{"POST /stories/{id}/correct", operators.Act, rm.onStory(func(ctx context.Context, r *http.Request, by operators.By, id int64) (string, error) {
			return rm.Stories.Correct(ctx, by, id, StoryCorrection{Headline: r.PostFormValue("headline"), Lead: r.PostFormValue("lead")})
		})},
		{"POST /stories/{id}/withdraw", operators.Act, rm.onStory(func(ctx context.Context, _ *http.Request, by operators.By, id int64) (string, error) {
			return rm.Stories.Withdraw(ctx, by, id)
		})},
	}
}

// leadPlace reads what a form calls the place where a story is on top.
func leadPlace(place string) (edition, section string) {
	if id, ok := strings.CutPrefix(place, "section "); ok {
		return "", id
	}
	return strings.TrimPrefix(place, "edition "), ""
}

// storyID reads the story that a path names.
func storyID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, ErrNotFound
	}
	return id, nil
}

// onStory acts on a story and goes back to its page.
func (rm *Room) onStory(act func(ctx context.Context, r *http.Request, by operators.By, id int64) (string, error)) func(http.ResponseWriter, *http.Request, *visit) error {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		id, err := storyID(r)
		if err != nil {
			return err
		}
		said, err := act(r.Context(), r, v.by(r), id)
		if err != nil {
			return err
		}
		return rm.back(w, r, "/stories/"+strconv.FormatInt(id, 10), said)
	}
}

// storyQuery reads a query; what cannot be read does not filter.
func storyQuery(v url.Values) (q StoryQuery) {
	q.Text, q.Section, q.Source, q.State = strings.TrimSpace(v.Get("text")), v.Get("section"), v.Get("source"), v.Get("state")
	q.Since, _ = time.Parse(time.DateOnly, v.Get("since"))
	q.Before, _ = strconv.ParseInt(v.Get("before"), 10, 64)
	return q
}

func (rm *Room) stories(w http.ResponseWriter, r *http.Request, v *visit) error {
	asked := r.URL.Query()
	list, err := rm.Stories.Find(r.Context(), storyQuery(asked), storyPage+1)
	if err != nil {
		return err
	}
	places, err := rm.Stories.Places(r.Context())
	if err != nil {
		return err
	}
	next := ""
	if len(list) > storyPage {
		list = list[:storyPage]
		asked.Set("before", strconv.FormatInt(list[storyPage-1].ID, 10))
		next = "/stories?" + asked.Encode()
	}
	for _, c := range []struct {
		list   []Choice
		chosen string
	}{{places.Sections, asked.Get("section")}, {places.Sources, asked.Get("source")}} {
		for n := range c.list {
			c.list[n].Chosen = c.list[n].Value == c.chosen
		}
	}
	var states []Choice
	for _, s := range [][2]string{{"", "All"}, {"held", "Held back"}, {"pinned", "Pinned"}, {"lead", "Leading"}, {"corrected", "Corrected"}, {"withdrawn", "Withdrawn"}} {
		states = append(states, Choice{Value: s[0], Name: s[1], Chosen: s[0] == asked.Get("state")})
	}
	return rm.show(w, v, "stories", map[string]any{"List": list, "Next": next, "Places": places, "States": states,
		"Text": asked.Get("text"), "Since": asked.Get("since"), "Filtered": r.URL.RawQuery != ""})
}

func (rm *Room) story(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := storyID(r)
	if err != nil {
		return err
	}
	s, err := rm.Stories.Story(r.Context(), id)
	if err != nil {
		return err
	}
	places, err := rm.Stories.Places(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "story", map[string]any{"Story": s, "Places": places})
}

// storyHave shows the first of those who have a story.
func (rm *Room) storyHave(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := storyID(r)
	if err != nil {
		return err
	}
	s, err := rm.Stories.Story(r.Context(), id)
	if err != nil {
		return err
	}
	return rm.show(w, v, "storyhave", map[string]any{"Story": s, "More": s.Readers() > len(s.First)})
}

func (rm *Room) storyHaveCSV(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return rm.exportHave(w, r, kindCSV, "csv", func(list iter.Seq2[StoryHaving, error], to io.Writer) error {
		out := csv.NewWriter(to)
		if err := out.Write(StoryHavingHead); err != nil {
			return err
		}
		for h, err := range list {
			if err != nil {
				return err
			}
			if err := out.Write(h.Cells()); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	})
}

func (rm *Room) storyHaveJSON(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return rm.exportHave(w, r, kindLines, "jsonl", writeLines[StoryHaving])
}

// exportHave sends who has a story as a file.
func (rm *Room) exportHave(w http.ResponseWriter, r *http.Request, kind, ending string, write func(list iter.Seq2[StoryHaving, error], to io.Writer) error) error {
	id, err := storyID(r)
	if err != nil {
		return err
	}
	if err := rm.Stories.Exists(r.Context(), id); err != nil {
		return err
	}
	return rm.download(w, r, kind, "story-"+strconv.FormatInt(id, 10)+"-readers."+ending, func(to io.Writer) error {
		return write(rm.Stories.Having(r.Context(), id), to)
	})
}
