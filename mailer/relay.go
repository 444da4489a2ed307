package mailer

import (
	"crypto/x509"
	"fmt"
	"net"
	"time"
)

// Relay is a server that takes our mail and how to talk to it. The zero value is of no use;
// Check says what is missing.
type Relay struct {
	Name        string
	Host        string // for TLS also the name that its certificate must have
	Port        int
	TLS         string // "implicit" (RFC 8314), "starttls" (mandatory, never opportunistic), "none" (loopback only)
	Auth        string // "auto": the best that both sides know, under TLS only; "none" or ""
	User        string
	Password    string
	Connections int            // at most this many at once; 0 means 1
	Rate        float64        // messages a second over all connections; 0 means no limit
	InDoubt     int            // messages of a connection whose fate a crash may blur, at most; 0 means 1
	Dialogue    string         // at most "auto" or "" (whatever the relay offers), "pipelining", "plain"
	HELO        string         // the name to greet with, as a rule the domain of From; never made up from the host
	RootCAs     *x509.CertPool // nil: those of the system
	Timeouts    Timeouts
}

// Timeouts are the longest that the steps of a dialogue may take, each as a whole and not per
// read: a relay that sends a byte now and then gains nothing. A zero field means its default,
// which is the one of RFC 5321 section 4.5.3.2.
type Timeouts struct {
	Connect time.Duration // TCP and, with implicit TLS, its handshake: 30 s
	Command time.Duration // greeting, EHLO with STARTTLS, AUTH, MAIL, RCPT, RSET, all of the content: 5 min each
	Data    time.Duration // reply to DATA: 2 min
	Dot     time.Duration // reply to the end of the message: 10 min; less makes duplicates
}

func (t Timeouts) withDefaults() Timeouts {
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	or(&t.Connect, 30*time.Second)
	or(&t.Command, 5*time.Minute)
	or(&t.Data, 2*time.Minute)
	or(&t.Dot, 10*time.Minute)
	return t
}

// String names the relay without its secrets, whatever verb prints it.
func (r Relay) String() string {
	return fmt.Sprintf("%s (%s)", r.Name, net.JoinHostPort(r.Host, fmt.Sprint(r.Port)))
}

// GoString keeps the password out of %#v.
func (r Relay) GoString() string { return r.String() }

// Check reports the first thing that is wrong with r and how to mend it.
func (r Relay) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("relay %q: "+format, append([]any{r.Name}, args...)...)
	}
	switch {
	case r.Name == "":
		return fmt.Errorf("relay %q: it needs a name", r.Host)
	case r.Host == "":
		return bad("it needs a host")
	case r.Port < 1 || r.Port > 65535:
		return bad("port %d is not between 1 and 65535", r.Port)
	case r.TLS != "implicit" && r.TLS != "starttls" && r.TLS != "none":
		return bad("tls %q is none of implicit, starttls, none", r.TLS)
	case r.Auth != "" && r.Auth != "auto" && r.Auth != "none":
		return bad("auth %q is none of auto, none", r.Auth)
	case r.Auth == "auto" && r.TLS == "none":
		return bad("auth needs tls: a password never goes out in the clear")
	case r.Auth == "auto" && (r.User == "" || r.Password == ""):
		return bad("auth needs a user and a password")
	case r.HELO == "" || !ascii(r.HELO) || longestWord(r.HELO) != len(r.HELO):
		return bad("helo %q is no name to greet with; take the domain of From", r.HELO)
	case r.Connections < 0 || r.Rate < 0 || r.InDoubt < 0:
		return bad("connections, rate and in doubt are not below 0")
	case r.Dialogue != "" && r.Dialogue != "auto" && r.Dialogue != "pipelining" && r.Dialogue != "plain":
		return bad("dialogue %q is none of auto, pipelining, plain", r.Dialogue)
	}
	return nil
}
