package commands

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os/user"
	"sync/atomic"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/web/room"
)

// operatorAddress is where the operator's room is if nobody says otherwise.
const operatorAddress = "127.0.0.1:8081"

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
		Doors: roomDoors{e}, Today: roomToday{e}, Issues: roomIssues{e}, Runs: roomRuns{e}, Proofs: roomProofs{e}, Stories: roomStories{e},
		Readers: roomReaders{e}, Feeds: roomFeeds{e}, Doctor: roomDoctor{e}, Keeping: roomKeeping{e}, WayBack: roomWayBack{e}, Audit: roomAudit{e}}
}

// roomServer shows the room on a listener, that of one engine after another.
type roomServer struct {
	listener net.Listener // nil = there is no room
	handler  atomic.Pointer[http.Handler]
	server   *http.Server
	done     chan struct{}
}

// take shows the engine's room from now on.
func (s *roomServer) take(e *engine) error {
	if s.listener == nil {
		return nil
	}
	host, _, _ := net.SplitHostPort(s.listener.Addr().String())
	h, err := e.room(net.ParseIP(host).IsLoopback()).Handler()
	if err != nil {
		return err
	}
	s.handler.Store(&h)
	return nil
}

// serve answers until [roomServer.end].
func (s *roomServer) serve(e *engine) error {
	if err := s.take(e); err != nil || s.listener == nil {
		return err
	}
	s.server, s.done = pageServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }), e.log), make(chan struct{})
	e.log.Info("operator's room", slog.String("address", "http://"+s.listener.Addr().String()+"/"))
	go func() {
		defer close(s.done)
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("serve operator's room", slog.Any("error", err))
		}
	}()
	return nil
}

func (s *roomServer) end() {
	if s.server != nil {
		s.server.Close()
		<-s.done
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
