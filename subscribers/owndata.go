package subscribers

import "time"

// Held is everything that is held about a reader, to be handed out as JSON. Times are in UTC;
// what is not known or does not apply is left out.
type Held struct {
	Made        time.Time     `json:"made"` // when it was put together
	Number      int64         `json:"number"`
	Since       time.Time     `json:"since"`
	Now         OwnSettings   `json:"now"`
	Changes     []OwnChange   `json:"changes"` // every change, the first one first
	Consents    []OwnConsent  `json:"consents"`
	Requests    []OwnRequest  `json:"requests"`                     // what waited or waits for a confirmation
	Barred      *OwnBar       `json:"barred,omitempty"`             // the address gets no mail
	BarredOnce  []OwnBar      `json:"barred_once"`                  // and did once
	PrivateFeed int64         `json:"private_feed,string,omitzero"` // number of the feed; as text, for JavaScript rounds numbers beyond 2^53
	MailsAsked  []OwnAsked    `json:"mails_asked"`                  // links and confirmations of the last 30 days, by the address's hash
	Waiting     []OwnNotice   `json:"waiting"`                      // mails about a change that are not written yet
	TookMail    bool          `json:"took_mail"`                    // a relay has taken a mail to the address
	Refused     time.Time     `json:"refused,omitzero"`             // a relay first said that the mailbox does not exist
	Deliveries  []OwnDelivery `json:"deliveries"`
	News        []OwnNews     `json:"news,omitempty"`  // that name the address and no mail: they count for nothing
	Marks       []OwnMark     `json:"marks,omitempty"` // of refusals that may bar the address
	Mail        []OwnMail     `json:"mail,omitempty"`  // that came in from the reader or about the reader's mails
	Tasks       []OwnTask     `json:"tasks,omitempty"` // for the operator
}

// OwnSettings are what is decided at one time.
type OwnSettings struct {
	Address       string    `json:"address"`
	Name          string    `json:"name,omitempty"`
	ExternalID    string    `json:"external_id,omitempty"`
	Status        Status    `json:"status"`
	PausedUntil   time.Time `json:"paused_until,omitzero"`
	Sections      []Follow  `json:"sections"`
	Editions      []string  `json:"editions"`
	Hour          *int      `json:"hour,omitempty"`
	Days          []int     `json:"days,omitempty"` // 1 is Monday; none = every day
	Zone          string    `json:"zone,omitempty"`
	Language      string    `json:"language,omitempty"`
	Format        Format    `json:"format"`
	ConsentSource string    `json:"consent_source,omitempty"`
	ConsentAt     time.Time `json:"consent_at,omitzero"`
}

// OwnChange is a dated change of settings.
type OwnChange struct {
	At     time.Time `json:"at"`
	RealAt time.Time `json:"real_at"` // by the machine's clock
	By     string    `json:"by"`
	OwnSettings
}

// OwnConsent is what was agreed to, and from where.
type OwnConsent struct {
	Wording         string    `json:"wording"`
	Page            string    `json:"page"`
	Language        string    `json:"language"`
	At              time.Time `json:"at"`
	Client          string    `json:"client"` // network address
	ConfirmedAt     time.Time `json:"confirmed_at,omitzero"`
	ConfirmedClient string    `json:"confirmed_client,omitempty"`
}

// OwnRequest is a wish that is confirmed by mail.
type OwnRequest struct {
	Kind    string       `json:"kind"`
	At      time.Time    `json:"at"`
	Expires time.Time    `json:"expires"`
	Used    time.Time    `json:"used,omitzero"`
	Wish    *OwnSettings `json:"wish,omitempty"`
}

// OwnBar is a suppression.
type OwnBar struct {
	Reason   string    `json:"reason"`
	Note     string    `json:"note,omitempty"`
	At       time.Time `json:"at"`
	LiftedAt time.Time `json:"lifted_at,omitzero"`
	Why      string    `json:"why,omitempty"` // it was lifted
}

// OwnAsked counts mails that somebody asked for.
type OwnAsked struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	N    int       `json:"n"`
}

// OwnNotice is a mail to be written.
type OwnNotice struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
}

// OwnDelivery is a mail and what became of it.
type OwnDelivery struct {
	Edition string     `json:"edition"`
	Slot    string     `json:"slot"`
	Address string     `json:"address"`
	State   string     `json:"state"`
	Reason  string     `json:"reason,omitempty"`
	At      time.Time  `json:"at"` // of the state
	Tries   int        `json:"tries"`
	Relay   string     `json:"relay,omitempty"`
	Reply   string     `json:"reply,omitempty"` // the relay's last
	Subject string     `json:"subject,omitempty"`
	Stories []OwnStory `json:"stories"`
	Earlier []OwnTry   `json:"earlier,omitempty"` // tries that were not accepted at once
	Taken   time.Time  `json:"taken,omitzero"`    // when a relay took it
	News    []OwnNews  `json:"news,omitempty"`    // what came of it since
}

// OwnTry is a try to send a mail.
type OwnTry struct {
	At     time.Time `json:"at"`
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Relay  string    `json:"relay,omitempty"`
	Reply  string    `json:"reply,omitempty"`
}

// OwnNews is what a server, a provider or a message said of a mail.
type OwnNews struct {
	At     time.Time `json:"at"`
	Class  string    `json:"class"`
	Reason string    `json:"reason,omitempty"`
	Server string    `json:"server,omitempty"` // that said so
	Reply  string    `json:"reply,omitempty"`  // its words
	Source string    `json:"source"`           // how that came here
}

// OwnMark counts a refusal against an address.
type OwnMark struct {
	At     time.Time `json:"at"`
	Sent   time.Time `json:"sent,omitzero"` // when the mail had left
	Class  string    `json:"class"`
	Effect string    `json:"effect"`
}

// OwnMail is a message that came in.
type OwnMail struct {
	At      time.Time `json:"at"`
	From    string    `json:"from,omitempty"`
	To      string    `json:"to,omitempty"`
	Subject string    `json:"subject,omitempty"`
	Class   string    `json:"class"`
	Effect  string    `json:"effect,omitempty"` // what followed
	Message string    `json:"message,omitempty"`
	Cut     bool      `json:"cut,omitempty"` // there was more
}

// OwnTask is something that an operator had to decide.
type OwnTask struct {
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	Done    time.Time `json:"done,omitzero"`
	Outcome string    `json:"outcome,omitempty"`
}

// OwnStory is a story in a mail, as it was then.
type OwnStory struct {
	Section  string `json:"section"`
	Headline string `json:"headline"`
	URL      string `json:"url,omitempty"`
}

// OwnSettings is s as it is handed out.
func (s *Settings) OwnSettings() OwnSettings {
	o := OwnSettings{Address: s.Address, Name: s.Name, ExternalID: s.ExternalID, Status: s.Status, PausedUntil: s.pauseEnd(),
		Sections: s.Sections, Editions: s.Editions, Days: s.Days, Zone: s.Zone, Language: s.Language, Format: s.Format,
		ConsentSource: s.ConsentSource, ConsentAt: s.ConsentAt}
	if s.Hour >= 0 {
		hour := s.Hour
		o.Hour = &hour
	}
	if o.Sections == nil {
		o.Sections = []Follow{}
	}
	if o.Editions == nil {
		o.Editions = []string{}
	}
	return o
}
