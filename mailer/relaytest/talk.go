package relaytest

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// talk is the relay's side of one connection.
type talk struct {
	relay   *Relay
	conn    net.Conn
	in      *bufio.Reader
	session *Session
	last    int // code of the first reply to the command under way
	mark    int // index of the message that the next 2xx reply takes; -1: none

	from, to string // of the transaction that is open; "" before MAIL, before RCPT
}

// command answers one and reports whether the connection goes on.
func (t *talk) command(cmd string) bool {
	verb, arg, _ := strings.Cut(cmd, " ")
	switch verb = strings.ToUpper(verb); verb {
	case "EHLO":
		return t.do(t.relay.line(verb, "250-relay.example|250-8BITMIME|250-SIZE 1000000|250 ENHANCEDSTATUSCODES"))
	case "MAIL":
		ok := t.do(t.relay.line(verb, t.inSequence(t.from == "", "250 2.1.0 sender fine")))
		if t.last/100 == 2 {
			t.from, t.to = path(arg), ""
		}
		return ok
	case "RCPT":
		ok := t.do(t.relay.lineTo(verb, path(arg), t.inSequence(t.from != "", "250 2.1.5 recipient fine")))
		if t.last/100 == 2 {
			t.to = path(arg)
		}
		return ok
	case "DATA":
		ok := t.do(t.relay.line(verb, t.inSequence(t.to != "", "354 go on")))
		if ok && t.last == 354 {
			return t.data()
		}
		return ok
	case "BDAT":
		return t.bdat(arg)
	case "RSET":
		t.from, t.to = "", ""
		return t.do(t.relay.line(verb, "250 2.0.0 forgotten"))
	case "QUIT":
		t.do(t.relay.line(verb, "221 2.0.0 bye"))
		return false
	case "STARTTLS":
		return t.do(t.relay.line(verb, "454 4.7.0 not now"))
	case "AUTH":
		return t.do(t.relay.line(verb, "235 2.7.0 welcome"))
	}
	return t.do("500 5.5.1 unknown command")
}

func (t *talk) inSequence(ok bool, reply string) string {
	if !ok {
		return "503 5.5.1 bad sequence of commands"
	}
	return reply
}

// during does what the script says while the content comes, and how much of it is gone then.
func (t *talk) during() (gone int, ok bool) {
	if t.to == "" {
		return 0, true // content for nobody may be a lone dot
	}
	rest, ok := strings.CutPrefix(t.relay.line("BODY", ""), "after ")
	if !ok {
		return 0, true
	}
	num, actions, _ := strings.Cut(rest, ";")
	gone, err := t.in.Discard(atoi(t.relay.t, num))
	return gone, err == nil && t.do(strings.TrimSpace(actions))
}

// data reads up to the lone dot (RFC 5321 section 4.1.1.4).
func (t *talk) data() bool {
	if _, ok := t.during(); !ok {
		return false
	}
	var b strings.Builder
	for {
		line, err := t.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	return t.whole(b.String(), "DOT")
}

// bdat reads a chunk (RFC 3030 section 2). Only one that is the last and the whole content is known.
func (t *talk) bdat(arg string) bool {
	size, last, _ := strings.Cut(arg, " ")
	n := atoi(t.relay.t, size)
	if !strings.EqualFold(last, "LAST") {
		t.relay.t.Errorf("relay: BDAT %s is not the last", arg)
	}
	gone, ok := t.during()
	if !ok {
		return false
	}
	b := make([]byte, n-gone)
	if _, err := io.ReadFull(t.in, b); err != nil {
		return false
	}
	if t.to == "" {
		return t.whole(string(b), "BDAT") // DOT's lines are for messages
	}
	return t.whole(string(b), "BDAT", "DOT")
}

// whole answers a content that has come, with the script's line for one of verbs.
func (t *talk) whole(content string, verbs ...string) bool {
	reply := "250 2.0.0 taken"
	if t.to == "" {
		reply = "554 5.5.1 no valid recipients"
	} else {
		t.relay.mu.Lock()
		t.session.Messages = append(t.session.Messages, Message{From: t.from, To: t.to, Data: content})
		t.mark = len(t.session.Messages) - 1
		t.relay.mu.Unlock()
	}
	for _, v := range verbs {
		if line := t.relay.lineTo(v, t.to, ""); line != "" {
			reply = line
			break
		}
	}
	t.from, t.to = "", ""
	ok := t.do(reply)
	t.mark = -1
	return ok
}

// do carries out the actions of a line and reports whether the connection goes on.
func (t *talk) do(actions string) bool {
	t.last = 0
	for action := range strings.SplitSeq(actions, "; ") {
		word, arg, _ := strings.Cut(action, " ")
		switch word {
		case "hangup":
			return false
		case "reset":
			if tcp, ok := t.conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			return false
		case "wait":
			t.relay.waiting <- struct{}{}
			select {
			case <-t.relay.released:
			case <-t.relay.done:
				return false
			}
		case "silence":
			t.relay.waiting <- struct{}{}
			<-t.relay.done
			return false
		case "drip":
			for i := range len(arg) - 1 {
				if !t.write(arg[i : i+1]) {
					return false
				}
			}
			t.relay.waiting <- struct{}{}
			<-t.relay.done
			return false
		case "flood":
			if !t.write("250 " + strings.Repeat("x", 1<<20) + "\r\n") {
				return false
			}
		case "lines":
			if !t.write(strings.Repeat("250-more\r\n", atoi(t.relay.t, arg)-1) + "250 last\r\n") {
				return false
			}
		case "raw":
			s, err := strconv.Unquote(arg)
			if err != nil {
				t.relay.t.Errorf("relay script: raw %s: %v", arg, err)
				return false
			}
			if len(s) >= 3 {
				if code, err := strconv.Atoi(s[:3]); err == nil {
					t.says(code)
				}
			}
			if !t.write(s) {
				return false
			}
		default:
			if !t.reply(action) {
				return false
			}
		}
	}
	return true
}

// reply writes "250-a|250 b" as lines.
func (t *talk) reply(s string) bool {
	lines := strings.Split(s, "|")
	last := lines[len(lines)-1]
	if len(last) < 3 {
		t.relay.t.Errorf("relay script: %q is neither an action nor a reply", s)
		return false
	}
	t.says(atoi(t.relay.t, last[:3]))
	return t.write(strings.Join(lines, "\r\n") + "\r\n")
}

// says notes a code that is about to be sent.
func (t *talk) says(code int) {
	if t.last == 0 {
		t.last = code
	}
	if t.mark >= 0 && code/100 == 2 {
		t.relay.mu.Lock()
		t.session.Messages[t.mark].Taken = true
		t.relay.mu.Unlock()
		t.mark = -1
	}
}

func (t *talk) write(s string) bool {
	_, err := t.conn.Write([]byte(s))
	return err == nil
}

func atoi(t testing.TB, s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		t.Errorf("relay script: %q is no number", s)
	}
	return n
}
