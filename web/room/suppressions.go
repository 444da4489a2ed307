package room

import (
	"net/http"
	"net/url"
	"time"
)

// BarSearch is what a search for barred addresses was asked with.
type BarSearch struct {
	Text   string `json:"q"` // how the address begins
	Reason string `json:"reason"`
	After  string `json:"after"`
}

// BarList is a page of barred addresses.
type BarList struct {
	Search  BarSearch `json:"search"`
	Bars    []Bar     `json:"suppressions"`
	Next    string    `json:"next"`
	Reasons []Choice  `json:"-"`
}

// Bar is a barred address.
type Bar struct {
	Address string    `json:"address"` // "" = of an erased reader only the hash is known
	Hash    string    `json:"hash"`
	Reader  int64     `json:"reader"` // 0 = none
	Reason  string    `json:"reason"`
	Words   string    `json:"words"` // the reason for people
	Note    string    `json:"note"`
	At      time.Time `json:"at"`
	Lifts   bool      `json:"lifts"` // an operator may lift it
}

// More is the address of the next page.
func (l *BarList) More() string {
	q := url.Values{"after": {l.Next}}
	if l.Search.Text != "" {
		q.Set("q", l.Search.Text)
	}
	if l.Search.Reason != "" {
		q.Set("reason", l.Search.Reason)
	}
	return "/suppressions?" + q.Encode()
}

func (rm *Room) suppressions(w http.ResponseWriter, r *http.Request, v *visit) error {
	q := r.URL.Query()
	list, err := rm.Readers.Suppressions(r.Context(), BarSearch{Text: q.Get("q"), Reason: q.Get("reason"), After: q.Get("after")})
	if err != nil {
		return err
	}
	return rm.show(w, v, "suppressions", list)
}

func (rm *Room) suppress(w http.ResponseWriter, r *http.Request, v *visit) error {
	said, err := rm.Readers.Suppress(r.Context(), v.by(r), r.PostFormValue("address"), r.PostFormValue("reason"), r.PostFormValue("note"))
	if err != nil {
		return err
	}
	return rm.back(w, r, "/suppressions", said)
}

func (rm *Room) lift(w http.ResponseWriter, r *http.Request, v *visit) error {
	said, err := rm.Readers.Lift(r.Context(), v.by(r), r.PostFormValue("address"))
	if err != nil {
		return err
	}
	return rm.back(w, r, "/suppressions", said)
}
