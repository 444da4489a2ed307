package bench

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Delay carries connections on to Target, and lets whatever is said take half of RoundTrip each
// way. It holds back nothing else: how much is under way has no bound but the sender's.
type Delay struct {
	Target    string // host:port
	RoundTrip time.Duration
}

// parcel is what was read at one time.
type parcel struct {
	due  time.Time
	data *[]byte
	n    int
}

var parcels = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// Serve takes connections until l is closed, and returns why it ended.
func (d *Delay) Serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			far, err := net.Dial("tcp", d.Target)
			if err != nil {
				return
			}
			defer far.Close()
			var both sync.WaitGroup
			both.Go(func() { d.carry(far, c) })
			both.Go(func() { d.carry(c, far) })
			both.Wait()
		}()
	}
}

// carry takes what from says to to, later. The end of from is carried too.
func (d *Delay) carry(to, from net.Conn) {
	way := make(chan parcel, 1024)
	go func() {
		defer close(way)
		for {
			b := parcels.Get().(*[]byte)
			n, err := from.Read(*b)
			if n > 0 {
				way <- parcel{time.Now().Add(d.RoundTrip / 2), b, n}
			}
			if err != nil {
				return
			}
		}
	}()
	var lost error
	for p := range way {
		if lost == nil {
			time.Sleep(time.Until(p.due))
			_, lost = to.Write((*p.data)[:p.n])
			if lost != nil {
				from.Close() // so that the reading ends too
			}
		}
		parcels.Put(p.data)
	}
	if tcp, ok := to.(*net.TCPConn); ok && !errors.Is(lost, net.ErrClosed) {
		_ = tcp.CloseWrite()
	}
}
