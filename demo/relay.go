package demo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Rule is how the relay treats a recipient.
type Rule string

const (
	Take     Rule = ""         // 250
	Refuse   Rule = "refuse"   // 550 5.1.1, always
	Greylist Rule = "greylist" // 451 4.7.1 to the first try, then 250
	Full     Rule = "full"     // 452 4.2.2, always
)

// maxMessage is the largest mail that the relay takes, in octets.
const maxMessage = 2 << 20

// RelayStats counts what the relay was asked and what it said.
type RelayStats struct {
	Taken      int `json:"taken"`
	Refused    int `json:"refused"`    // 5xx to a recipient
	Greylisted int `json:"greylisted"` // 451 to a recipient
	Deferred   int `json:"deferred"`   // 452 to a recipient
	Copies     int `json:"copies"`     // taken mails whose Message-ID and recipient came before
}

// Relay is an SMTP server on a loopback port that takes mail into an Inbox, so that the demo
// needs no mail account. It wants neither TLS nor a password.
type Relay struct {
	Host string // 127.0.0.1
	Port int

	Returns *Returns // what comes back of mails; nil = nothing; to be set before the first mail

	inbox    *Inbox
	rules    map[string]Rule // by folded address
	smtp     *smtp.Server
	listener net.Listener
	done     chan error

	mu     sync.Mutex
	tried  map[string]bool // greylisted recipients that came before
	copies map[string]bool // recipient and Message-ID
	stats  RelayStats
}

// StartRelay listens on a free loopback port and serves until Close. rules are by address,
// compared without case; a recipient without a rule is taken.
func StartRelay(inbox *Inbox, rules map[string]Rule) (*Relay, error) {
	r := &Relay{inbox: inbox, rules: map[string]Rule{}, done: make(chan error, 1),
		tried: map[string]bool{}, copies: map[string]bool{}}
	for address, rule := range rules {
		r.rules[strings.ToLower(address)] = rule
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start demo relay: %w", err)
	}
	addr := l.Addr().(*net.TCPAddr)
	r.Host, r.Port = addr.IP.String(), addr.Port
	r.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{relay: r}, nil
	}))
	r.smtp.Domain = "relay.meridian-courier.example"
	r.smtp.MaxMessageBytes = maxMessage
	r.smtp.MaxRecipients = 50
	r.smtp.EnableSMTPUTF8 = true
	r.smtp.EnableDSN = true
	r.smtp.ReadTimeout = 5 * time.Minute // RFC 5321 section 4.5.3.2.7
	r.smtp.WriteTimeout = time.Minute
	r.smtp.ErrorLog = silent{} // a peer that hangs up is no news for the demo's terminal
	r.listener = l
	go func() { r.done <- r.smtp.Serve(l) }()
	return r, nil
}

// Close ends the relay and its connections.
func (r *Relay) Close() error {
	err := errors.Join(r.smtp.Close(), r.listener.Close()) // Serve may not have taken the listener over yet
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	if served := <-r.done; served != nil && !errors.Is(served, smtp.ErrServerClosed) && !errors.Is(served, net.ErrClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("close demo relay: %w", err)
	}
	return nil
}

// Stats is the count up to now.
func (r *Relay) Stats() RelayStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// judge is the relay's answer to RCPT; nil is 250.
func (r *Relay) judge(to string) *smtp.SMTPError {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := strings.ToLower(to)
	switch r.rules[key] {
	case Refuse:
		r.stats.Refused++
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such mailbox here"}
	case Greylist:
		if !r.tried[key] {
			r.tried[key] = true
			r.stats.Greylisted++
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Greylisted, please come again"}
		}
	case Full:
		r.stats.Deferred++
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "Mailbox is over its quota"}
	}
	return nil
}

// take lays a mail into the inbox, if it reaches one.
func (r *Relay) take(from, to, name string, raw []byte) {
	id, mail := 0, ParseMail(raw)
	if r.Returns == nil || r.Returns.arrives(to) {
		id = r.inbox.Add(from, to, raw)
	}
	if r.Returns != nil {
		r.Returns.taken(&letter{from: from, to: to, id: name, raw: raw, number: id})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Taken++
	key := strings.ToLower(to) + " " + mail.Header("Message-ID")
	if r.copies[key] {
		r.stats.Copies++
	}
	r.copies[key] = true
}

// session is one connection.
type session struct {
	relay *Relay
	from  string
	name  string // ENVID
	to    []string
}

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.from = from
	if o != nil {
		s.name = o.EnvelopeID
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if refusal := s.relay.judge(to); refusal != nil {
		s.relay.inbox.turnAway(to, refusal.Code, fmt.Sprintf("%d.%d.%d %s", refusal.EnhancedCode[0],
			refusal.EnhancedCode[1], refusal.EnhancedCode[2], refusal.Message))
		return refusal
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(body io.Reader) error {
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	for _, to := range s.to {
		s.relay.take(s.from, to, s.name, raw)
	}
	return nil
}

func (s *session) Reset()        { s.from, s.name, s.to = "", "", nil }
func (s *session) Logout() error { return nil }

// silent is a logger that says nothing.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
