package commands

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os/user"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/web"
	"broadsheet/web/room"
)

// operatorAddress is where the operator's room is if nobody says otherwise.
const operatorAddress = "127.0.0.1:8081"

// operatorURL reads where the room is reached from elsewhere; nil = nowhere. A room that others reach has to
// know by what name, so that no other name leads there.
func operatorURL(text, listen string) (*url.URL, error) {
	host, _, err := net.SplitHostPort(listen)
	if text == "" {
		if ip := net.ParseIP(host); err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, usagef("--operator %s is reached from other machines: say by what address with --operator-url, e.g. https://room.example.org", listen)
		}
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" || u.User != nil {
		return nil, usagef("--operator-url %q is no address of a room; write e.g. https://room.example.org, without a path", text)
	}
	return u, nil
}

// listenOperator listens for the operator's room. nil = there is none: nobody wants it, or its usual
// address is taken, which must not keep mail from going.
func (p *program) listenOperator(address string, wished bool) (net.Listener, error) {
	if address == "off" || address == "" {
		return nil, nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, usagef("--operator: %w; write e.g. %s, or off", err, operatorAddress)
	}
	l, err := net.Listen("tcp", address)
	if err != nil && !wished {
		p.logger().Warn("no operator's room: its usual address is taken; give another one with --operator", slog.Any("error", err))
		return nil, nil
	}
	if err != nil {
		return nil, usagef("--operator: %w", err)
	}
	return l, nil
}

// room is the operator's room of this configuration.
func (e *engine) room(loopback bool) *room.Room {
	return &room.Room{Publication: e.cfg.Publication.Name, Now: e.now, Log: e.log, Loopback: loopback,
		Doors:  roomDoors{e, new(operators.Delays)},
		Client: func(r *http.Request) string { return web.Client(r, e.cfg.Pages.Proxies) }, Today: roomToday{e}, Issues: roomIssues{e}, Runs: roomRuns{e}, Proofs: roomProofs{e}, Stories: roomStories{e},
		Readers: roomReaders{e}, Feeds: roomFeeds{e}, Doctor: roomDoctor{e}, Keeping: roomKeeping{e}, WayBack: roomWayBack{e}, Audit: roomAudit{e}, Push: roomPush{e}, Watch: roomWatch{e}, Workers: roomWorkers{e}}
}

// roomServer shows the room on a listener, that of one engine after another. nil shows none.
type roomServer struct {
	listener net.Listener // nil = there is no room
	public   *url.URL     // where it is reached from elsewhere; nil = nowhere
	delays   operators.Delays
	handler  atomic.Pointer[http.Handler]
	server   *http.Server
	board    *board // of the engine that is shown
	done     chan struct{}
}

// take shows the engine's room from now on. nil has none.
func (s *roomServer) take(e *engine) error {
	if s == nil || s.listener == nil {
		return nil
	}
	host, _, _ := net.SplitHostPort(s.listener.Addr().String())
	rm := e.room(net.ParseIP(host).IsLoopback() && s.public == nil)
	rm.Public, rm.Doors = s.public, roomDoors{e, &s.delays} // delays outlive a configuration
	h, err := rm.Handler()
	if err != nil {
		return err
	}
	s.handler.Store(&h)
	if s.board != nil && s.board != e.board {
		s.board.end()
	}
	s.board = e.board
	return nil
}

// serve answers until [roomServer.end].
func (s *roomServer) serve(e *engine) error {
	if err := s.take(e); err != nil || s == nil || s.listener == nil {
		return err
	}
	s.server, s.done = pageServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }), e.log), make(chan struct{})
	at := "http://" + s.listener.Addr().String() + "/"
	if s.public != nil {
		at = s.public.String()
	}
	e.log.Info("operator's room", slog.String("address", at))
	if s.public != nil && s.public.Scheme != "https" {
		e.log.Warn("the operator's room is reached without https: passwords go over the network as they are")
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("serve operator's room", slog.Any("error", err))
		}
	}()
	return nil
}

func (s *roomServer) end() {
	if s != nil && s.server != nil {
		s.server.Close()
		<-s.done
		s.board.end()
	}
}

// byFlag adds --why to a command that acts, and says who acts.
func byFlag(c *cobra.Command) (by func() operators.By) {
	why := c.Flags().String("why", "", "`REASON` for the audit log")
	return func() operators.By { return hereBy(*why) }
}

// hereBy is who runs a command, for a reason.
func hereBy(why string) operators.By {
	who := "command line"
	if u, err := user.Current(); err == nil {
		who += " (" + u.Username + ")"
	}
	return operators.By{Who: who, Why: why}
}
