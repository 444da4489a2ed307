package relaytest

import (
	"bufio"
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
	last    int      // code of the last reply
	mark    *Message // the message that the next 2xx reply takes
}

// do carries out the actions of a line and reports whether the connection goes on.
func (t *talk) do(actions string) bool {
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
	t.last = atoi(t.relay.t, last[:3])
	if t.mark != nil && t.last/100 == 2 {
		t.relay.mu.Lock()
		t.mark.Taken = true
		t.relay.mu.Unlock()
	}
	return t.write(strings.Join(lines, "\r\n") + "\r\n")
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
