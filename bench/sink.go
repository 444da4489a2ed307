package bench

import (
	"bytes"
	"crypto/tls"
	"net"
	"strconv"
	"sync/atomic"
)

// Sink is a relay that takes everything and keeps nothing: it reads the first letter of a command,
// the size of a chunk and the dot that ends a message. Set its fields before [Sink.Serve].
type Sink struct {
	Chunking bool        // offer CHUNKING and take BDAT (RFC 3030)
	TLS      *tls.Config // nil = none; else implicit

	messages, octets, replies, reads, connections atomic.Int64
}

// Counts is what a sink has seen.
type Counts struct {
	Messages    int64 `json:"messages"`
	Octets      int64 `json:"octets"`  // all that came, commands too
	Replies     int64 `json:"replies"` // times that it answered what it had read: a sender's round trips, or more
	Reads       int64 `json:"reads"`   // times that it read: a sender's writes, or more where they are large
	Connections int64 `json:"connections"`
}

// Counts tells the counts up to now.
func (s *Sink) Counts() Counts {
	return Counts{s.messages.Load(), s.octets.Load(), s.replies.Load(), s.reads.Load(), s.connections.Load()}
}

// Serve takes connections until l is closed, and returns why it ended.
func (s *Sink) Serve(l net.Listener) error {
	if s.TLS != nil {
		l = tls.NewListener(l, s.TLS)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		s.connections.Add(1)
		go func() {
			defer c.Close()
			(&sinkSession{sink: s, conn: c, in: make([]byte, sinkBuffer)}).run()
		}()
	}
}

const (
	sinkBuffer = 256 << 10
	dot        = "\r\n.\r\n"
)

// sinkSession is one connection.
type sinkSession struct {
	sink *Sink
	conn net.Conn
	in   []byte // what was read
	r, w int    // what of it is still to be looked at
	out  []byte // replies to it

	data  bool  // between 354 and the dot
	first bool  // nothing of the message was looked at yet
	chunk int64 // octets of a chunk that are still to come
	last  bool  // the chunk is the message's last
	quit  bool
}

func (s *sinkSession) run() {
	s.out = append(s.out, "220 sink.example ESMTP\r\n"...)
	for {
		if len(s.out) > 0 {
			s.sink.replies.Add(1)
			if _, err := s.conn.Write(s.out); err != nil || s.quit {
				return
			}
			s.out = s.out[:0]
		}
		if s.r > 0 {
			s.w = copy(s.in, s.in[s.r:s.w])
			s.r = 0
		}
		if s.w == len(s.in) {
			return // a command line without end
		}
		n, err := s.conn.Read(s.in[s.w:])
		if err != nil {
			return
		}
		s.sink.reads.Add(1)
		s.sink.octets.Add(int64(n))
		s.w += n
		for !s.quit && s.step() {
		}
	}
}

// step looks at the next thing that was read. It reports false if more must be read first.
func (s *sinkSession) step() bool {
	switch {
	case s.data:
		return s.content()
	case s.chunk > 0:
		n := min(s.chunk, int64(s.w-s.r))
		s.r += int(n)
		if s.chunk -= n; s.chunk == 0 {
			s.chunkEnds()
		}
		return n > 0
	}
	end := bytes.IndexByte(s.in[s.r:s.w], '\n')
	if end < 0 {
		return false
	}
	line := s.in[s.r : s.r+end]
	s.r += end + 1
	s.command(line)
	return true
}

// content looks for the end of a message. Four octets are kept for a dot that came in pieces.
func (s *sinkSession) content() bool {
	had := s.in[s.r:s.w]
	if s.first {
		switch {
		case bytes.HasPrefix(had, []byte(dot[2:])): // a message without a line
			s.r += len(dot) - 2
			s.taken()
			return true
		case len(had) < len(dot)-2:
			return false
		}
		s.first = false
	}
	i := bytes.Index(had, []byte(dot))
	if i < 0 {
		s.r = max(s.r, s.w-len(dot)+1)
		return false
	}
	s.r += i + len(dot)
	s.taken()
	return true
}

func (s *sinkSession) taken() {
	s.data = false
	s.sink.messages.Add(1)
	s.out = append(s.out, "250 2.0.0 taken\r\n"...)
}

func (s *sinkSession) command(line []byte) {
	verb := byte(0)
	if len(line) > 0 {
		verb = line[0] &^ 0x20
	}
	switch verb {
	case 'E':
		s.out = append(s.out, "250-sink.example\r\n250-8BITMIME\r\n250-PIPELINING\r\n"...)
		if s.sink.Chunking {
			s.out = append(s.out, "250-CHUNKING\r\n"...)
		}
		s.out = append(s.out, "250 SIZE 0\r\n"...)
	case 'M', 'R', 'N', 'H':
		s.out = append(s.out, "250 2.0.0 fine\r\n"...)
	case 'D':
		s.data, s.first = true, true
		s.out = append(s.out, "354 go on\r\n"...)
	case 'B':
		words := bytes.Fields(line)
		n, err := int64(0), error(nil)
		if len(words) > 1 {
			n, err = strconv.ParseInt(string(words[1]), 10, 64)
		}
		if !s.sink.Chunking || len(words) < 2 || err != nil || n < 0 {
			s.out = append(s.out, "501 5.5.4 BDAT SIZE [LAST]\r\n"...)
			s.quit = true // how much comes is not known
			return
		}
		s.chunk, s.last = n, len(words) > 2
		if n == 0 {
			s.chunkEnds()
		}
	case 'Q':
		s.out = append(s.out, "221 2.0.0 bye\r\n"...)
		s.quit = true
	default:
		s.out = append(s.out, "500 5.5.1 not here\r\n"...)
	}
}

func (s *sinkSession) chunkEnds() {
	if s.last {
		s.taken()
		return
	}
	s.out = append(s.out, "250 2.0.0 go on\r\n"...)
}
