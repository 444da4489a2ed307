package room

import (
	"net/http"
	"strconv"
	"time"
)

// Explanation is why somebody got the mail they got, or none.
type Explanation struct {
	Asked   string        `json:"asked"`
	Reader  *ReaderBrief  `json:"reader"`  // null = there is no such reader
	Barred  string        `json:"barred"`  // of an address that is no reader's: why it gets no mail
	Near    []ReaderBrief `json:"near"`    // readers who may be meant, if there is none of that address
	Away    []string      `json:"away"`    // what keeps all mail from the reader now
	Today   []DayAnswer   `json:"today"`   // one for each slot of today
	Account *Account      `json:"account"` // null = there is nothing to account for
	Nothing string        `json:"nothing"` // why there is no account
}

// ReaderBrief is a reader in a line.
type ReaderBrief struct {
	ID      int64  `json:"id"`
	Address string `json:"address"`
	Name    string `json:"name"`
	Status  string `json:"status"`
	Barred  string `json:"barred"` // reason of the suppression, "" = none
}

// DayAnswer is what became of one slot for a reader.
type DayAnswer struct {
	Edition string    `json:"edition"`
	Title   string    `json:"title"`
	Slot    string    `json:"slot"`
	Zone    string    `json:"zone"`
	Due     time.Time `json:"due"`
	When    string    `json:"when"`  // Due in the zone, for people
	Issue   int64     `json:"issue"` // 0 = not open
	State   string    `json:"state"` // of the delivery, "" = there is none
	Level   string    `json:"level"` // green: nothing is wrong; amber: no mail, for a reason; red: something went wrong
	Answer  string    `json:"answer"`
}

// Account is every story that there was for a reader in an issue, with one reason each, and what became
// of the mail.
type Account struct {
	Issue      int64         `json:"issue"` // 0 = not open yet
	Edition    string        `json:"edition"`
	Slot       string        `json:"slot"`
	Zone       string        `json:"zone"`
	Due        time.Time     `json:"due"`
	When       string        `json:"when"`
	Delivery   int64         `json:"delivery"` // 0 = not on record
	State      string        `json:"state"`
	Subject    string        `json:"subject"`
	Level      string        `json:"level"`
	Answer     string        `json:"answer"` // what became of the mail, in words
	Follows    []string      `json:"follows"`
	Candidates int           `json:"candidates"`
	Reasons    []ReasonCount `json:"reasons"` // they add up to the candidates
	Stories    []StoryReason `json:"stories"`
	Life       []Moment      `json:"timeline"`
}

// ReasonCount is how many stories have a reason.
type ReasonCount struct {
	Reason  string `json:"reason"`
	Stories int    `json:"stories"`
}

// StoryReason is why a story is or is not in the mail.
type StoryReason struct {
	Story    int64  `json:"story"`
	Section  string `json:"section"`
	Headline string `json:"headline"`
	Reason   string `json:"reason"`
	Because  string `json:"because"` // the reason in words: of what it is a duplicate, until when it is held back
}

// Moment is one thing that happened to a mail.
type Moment struct {
	At     time.Time `json:"at"`
	When   string    `json:"when"`
	What   string    `json:"what"`
	By     string    `json:"by"`
	Reply  string    `json:"reply"`
	Reason string    `json:"reason"`
}

func (rm *Room) explain(w http.ResponseWriter, r *http.Request, v *visit) error {
	q := r.URL.Query()
	issue := int64(0)
	if text := q.Get("issue"); text != "" {
		var err error
		if issue, err = strconv.ParseInt(text, 10, 64); err != nil || issue < 1 {
			return refusef("%q is no issue: its number is in the list of issues", text)
		}
	}
	e, err := rm.Readers.Explain(r.Context(), q.Get("as"), issue)
	if err != nil {
		return err
	}
	return rm.show(w, v, "explain", e)
}
