package schedule

import (
	"net/netip"
	"time"
)

// Config is schedule.yaml as read by [Load]: checked, with every default filled in.
// It is not changed after loading and may be read by any number of goroutines.
type Config struct {
	File        string // path it was read from, for messages
	Publication Publication
	Sections    []Section
	Feeds       []Feed
	Articles    []Articles
	Fetch       Fetch
	Editions    []Edition
	Relays      []Relay
	Limits      []Limit
	Pages       Pages
	Intake      Intake
	Retention   Retention
	OnlyTo      []string // lower case: addresses, and domains as "@domain", to which alone mail goes; nil = all
	Report      *Report  // nil = nobody gets the morning report
	Webhooks    []Webhook

	source *source // the text, to point into it; nil if not read from any
	zones  *Zones
}

// Publication says in whose name the mails go out.
type Publication struct {
	Name          string
	Tagline       string
	FromName      string // display name of from; Name if from is a bare address
	From          string // bare address
	ReplyTo       string // bare address; From if not given
	NoticesFrom   string // bare address that confirmations and other notices come from, of From's domain; default confirm@ it
	PostalAddress string
	PublicURL     string // https://host[/path] without a slash at the end; http only for loopback
	Language      string // BCP 47, default "en"
	Cities        []City
}

// Pages says how the pages for readers behave.
type Pages struct {
	OneClick       string         // what a one-click request leaves: edition (default) or all
	CountClicks    bool           // count by issue how often links are followed; default not
	Proxies        []netip.Prefix // whose X-Forwarded-For is believed; nil = nobody's
	SignUpsPerHour int            // confirmations sent in an hour at most, from all clients; default 1000
}

// Intake says where mail comes in that answers ours: bounces, complaints, mails that ask to leave
// or are answers. The zero value is none, and then no mail offers an address to leave by.
type Intake struct {
	Maildir []string // folders, relative to the configuration file
	Pipe    bool     // a mail server gives each message to "broadsheet intake"
	IMAP    *IMAP    // nil = none
	Replies bool     // Reply-To is an address of the intake, by which answers are known for whose they are
	Forward string   // bare address that answers go to, default that of reply_to, else from
}

// On reports whether there is any.
func (i *Intake) On() bool { return len(i.Maildir) > 0 || i.Pipe || i.IMAP != nil }

// IMAP is a mailbox on a server.
type IMAP struct {
	Host     string
	Port     int           // default 993 for implicit, 143 otherwise
	TLS      string        // implicit (default), starttls, none (loopback only)
	Mailbox  string        // default INBOX
	Every    time.Duration // how often it is looked into, default 30s
	User     string        // from BROADSHEET_IMAP_USER
	Password string        // from BROADSHEET_IMAP_PASSWORD or _PASSWORD_FILE
}

// Events says that a relay's provider reports by HTTP what became of mails, to public_url/events/RELAY.
type Events struct {
	Provider string // ses, postmark, mailgun
	Topic    string // ses: ARN of the SNS topic
	Secret   string // postmark: "user:password" of the address; mailgun: the signing key; from BROADSHEET_EVENTS_<RELAY> or _FILE
}

// City is one of the publication's edition cities, shown in the masthead with its local time.
type City struct {
	Name string
	Zone string // IANA name
}

// Section is a part of the publication that readers follow.
type Section struct {
	ID      string
	Name    string
	Weight  int    // default 1; higher ranks first
	MovedTo string // id of the section that takes over its followers
	Retired bool
}

// Feed is a web feed to be fetched.
type Feed struct {
	URL     string
	Section string        // section of items that name none we know; "" = only by the items' own categories
	Every   time.Duration // default 15m
}

// Articles is a folder of saved article pages.
type Articles struct {
	Dir     string // relative to the configuration file
	Section string // "" = by the page's own section line
}

// Fetch holds exceptions from the rule that only public addresses are fetched.
type Fetch struct {
	Allow []string // host:port
}

// Edition recurs: it says when a digest is due and how it is chosen.
type Edition struct {
	Name          string
	Title         string
	Cron          string
	Zone          string // IANA name, or "reader"
	Hours         []int  // hours that readers may choose; only with zone "reader"
	Languages     []string
	Sections      []string      // sections it draws from; nil = all
	Stories       int           // default 12, cap 20
	PerSection    int           // default 0 = no limit of its own
	MaxAge        time.Duration // 0 = by the reader's own slots: the second slot before + 26 h
	First         time.Duration // default 24h
	CatchUp       time.Duration
	Prepare       time.Duration
	DeliverWithin time.Duration
	Spread        time.Duration // default 20m
	MinGap        time.Duration // default 3h
	Quiet         []Quiet
	Skip          []string // local dates 2006-01-02 without an issue
	Roundup       bool
	Approve       string // none (default), send or hold
	Tripwires     Tripwires
	Subject       string // text/template on top of the reader's own lead; "" = default form
	Template      string // folder that replaces shipped templates, relative to the configuration file
	Ping          string // address to be called when an issue has ended, with /fail behind it if it ended badly; "" = none

	rule rule // compiled cron, filled by Load
}

// Quiet is a span of local wall time, minutes after midnight, in which nothing is sent; From may be after To (over midnight).
type Quiet struct{ From, To int }

// Relay is an SMTP server that takes our mail.
type Relay struct {
	Name        string
	Host        string
	Port        int      // default 465 for implicit, 587 for starttls, 25 for none
	TLS         string   // implicit (default), starttls, none (loopback only)
	Auth        string   // auto (default unless tls is none), none
	Connections int      // default 4
	Rate        float64  // messages a second, default 10; 0 = no limit is not offered
	Weight      int      // share of the readers among relays that take the same recipients, default 1
	InDoubt     int      // default 1, at most 50
	Dialogue    string   // auto (default), pipelining, plain
	Profile     string   // plain (default), ses
	Domains     []string // recipients' domains it takes, lower case, A-labels; nil = all
	Standby     bool     // helps when another relay is down or over its warm-up; has no readers of its own
	WarmUp      WarmUp
	Log         string  // file in which the relay, a Postfix, logs; "" = it is not followed
	Events      *Events // nil = none

	User     string // from BROADSHEET_SMTP_<RELAY>_USER
	Password string // from BROADSHEET_SMTP_<RELAY>_PASSWORD or _PASSWORD_FILE
}

// WarmUp is how much mail a new relay gets while providers come to know it. The zero value is no
// warm-up.
type WarmUp struct {
	From   time.Time // midnight UTC of the first day
	First  int       // deliveries on that day, default 200
	Growth float64   // each day has so many times the one before, default 1.5
}

// Limit is what one relay does at most for a group of recipients' domains at a time, those of one
// provider as a rule. Either number is 0 if it is not given.
type Limit struct {
	Name        string   // of the group: the first of Domains if not given
	Domains     []string // lower case, A-labels; they leave any other group; nil = those the group has
	Connections int      // mails under way at once
	Rate        float64  // mails a second
}
