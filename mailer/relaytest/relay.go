// Package relaytest is an SMTP relay for tests that does what its script says, wrong turns
// included, on a real socket.
//
// A script is a list of lines "VERB action; action …". Verbs are CONNECT (the greeting), EHLO,
// STARTTLS (which is never agreed to), AUTH, MAIL, RCPT, DATA, BDAT, BODY (while the content comes),
// DOT (the content is whole, after BDAT too if that has no line of its own), RSET and QUIT. Each
// time a verb comes up, in whatever session, the next line for it is used up; a line for "VERB*"
// stands for all later times. RCPT and DOT may name the recipient's domain, "RCPT@slow.example" or
// "DOT*@slow.example", and go before those that do not. Where the script says nothing the relay behaves well: a command out
// of sequence gets a 503, content for nobody a 554. What it offers is in its EHLO line alone; it
// takes pipelined input and BDAT at any time.
//
// Actions are
//
//	250 2.1.0 fine     a reply; "250-first|250 last" has two lines
//	hangup             close the connection
//	reset              close it with a TCP reset
//	wait               say nothing until Release, then go on with the next action
//	silence            say nothing until the test ends
//	drip 250 fine      a reply that ends in silence before its last octets
//	flood              a reply line of a megabyte
//	lines 10000        a reply of so many lines
//	raw "25\x000 x\n"  these octets, quoted as in Go
//	after 1000         BODY only: what follows happens once so many octets came
//
//	relay := relaytest.Start(t, "RCPT 450 4.2.1 later", "DOT hangup")
package relaytest

import (
	"bufio"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Message is one mail whose content came in whole.
type Message struct {
	From, To string // as in MAIL and RCPT, without angle brackets
	Data     string // content, dots undone, CRLF line ends
	Taken    bool   // a 2xx reply to it was sent
}

// Session is one connection.
type Session struct {
	Commands []string // lines as they came, content left out
	Messages []Message
}

// Relay is a running relay. Its methods may be called at any time, from any goroutine.
type Relay struct {
	Host string
	Port int

	t        testing.TB
	ln       net.Listener
	done     chan struct{} // the test is over
	released chan struct{}
	once     sync.Once
	waiting  chan struct{} // one value for each wait or silence that was reached
	wg       sync.WaitGroup

	mu       sync.Mutex
	once1    map[string][]string // lines of each verb, used up in order
	always   map[string]string
	sessions []*Session
	conns    map[net.Conn]bool
}

// Start listens on a free port of 127.0.0.1 until the test ends.
func Start(t testing.TB, script ...string) *Relay {
	t.Helper()
	return start(t, func(ln net.Listener) net.Listener { return ln }, script)
}

// StartTLS is as Start with TLS from the first octet (RFC 8314). There is no TCP reset then.
func StartTLS(t testing.TB, config *tls.Config, script ...string) *Relay {
	t.Helper()
	return start(t, func(ln net.Listener) net.Listener { return tls.NewListener(ln, config) }, script)
}

func start(t testing.TB, wrap func(net.Listener) net.Listener, script []string) *Relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start relay: %v", err)
	}
	r := &Relay{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, t: t, ln: wrap(ln),
		done: make(chan struct{}), released: make(chan struct{}), waiting: make(chan struct{}, 10000),
		once1: map[string][]string{}, always: map[string]string{}, conns: map[net.Conn]bool{}}
	r.Script(script...)
	r.wg.Go(r.accept)
	t.Cleanup(r.stop)
	return r
}

// Script adds lines.
func (r *Relay) Script(lines ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range lines {
		verb, actions, ok := strings.Cut(line, " ")
		verb, domain, of := strings.Cut(verb, "@")
		name := strings.TrimSuffix(verb, "*")
		if !ok || !slices.Contains([]string{"CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "BODY", "DOT", "RSET", "QUIT"}, name) ||
			of && name != "RCPT" && name != "DOT" {
			r.t.Fatalf("relay script: %q is no VERB with an action", line)
		}
		always := name != verb
		if of {
			name += "@" + domain
		}
		if always {
			r.always[name] = actions
		} else {
			r.once1[name] = append(r.once1[name], actions)
		}
	}
}

// Release lets everything that waits go on, now and later.
func (r *Relay) Release() { r.once.Do(func() { close(r.released) }) }

// Waiting has one value for each time that a wait, silence or drip was reached.
func (r *Relay) Waiting() <-chan struct{} { return r.waiting }

// Sessions returns a copy of what came in so far, one for each connection in order.
func (r *Relay) Sessions() []Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Session, len(r.sessions))
	for i, s := range r.sessions {
		out[i] = Session{Commands: slices.Clone(s.Commands), Messages: slices.Clone(s.Messages)}
	}
	return out
}

// Messages returns all mails that came in whole.
func (r *Relay) Messages() []Message {
	var out []Message
	for _, s := range r.Sessions() {
		out = append(out, s.Messages...)
	}
	return out
}

// stop ends all sessions and waits for them.
func (r *Relay) stop() {
	close(r.done)
	_ = r.ln.Close()
	r.mu.Lock()
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *Relay) accept() {
	for {
		c, err := r.ln.Accept()
		if err != nil {
			return
		}
		s := &Session{}
		r.mu.Lock()
		r.sessions = append(r.sessions, s)
		r.conns[c] = true
		r.mu.Unlock()
		r.wg.Go(func() {
			r.serve(&talk{relay: r, conn: c, in: bufio.NewReader(c), session: s, mark: -1})
			_ = c.Close()
			r.mu.Lock()
			delete(r.conns, c)
			r.mu.Unlock()
		})
	}
}

// line takes the script's next line for a verb.
func (r *Relay) line(verb, otherwise string) string {
	if l, ok := r.scripted(verb); ok {
		return l
	}
	return otherwise
}

// lineTo is line for a verb that may name the recipient's domain.
func (r *Relay) lineTo(verb, recipient, otherwise string) string {
	if l, ok := r.scripted(verb + recipient[max(strings.LastIndexByte(recipient, '@'), 0):]); ok {
		return l
	}
	return r.line(verb, otherwise)
}

func (r *Relay) scripted(verb string) (line string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.once1[verb]; len(l) > 0 {
		r.once1[verb] = l[1:]
		return l[0], true
	}
	line, ok = r.always[verb]
	return line, ok
}

func (r *Relay) serve(t *talk) {
	if !t.do(r.line("CONNECT", "220 relay.example ESMTP")) {
		return
	}
	for {
		cmd, err := t.in.ReadString('\n')
		if err != nil {
			return
		}
		cmd = strings.TrimRight(cmd, "\r\n")
		r.mu.Lock()
		t.session.Commands = append(t.session.Commands, cmd)
		r.mu.Unlock()
		if !t.command(cmd) {
			return
		}
	}
}

// path takes the address out of "FROM:<a@b> SIZE=1".
func path(arg string) string {
	_, s, _ := strings.Cut(arg, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}
