package commands

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
)

// watchServer answers programs that watch, on a listener of its own, of one engine after another. nil answers
// nobody.
type watchServer struct {
	handler atomic.Pointer[http.Handler]
	server  *http.Server
	done    chan struct{}
}

// listenMetrics answers at an address; "" = there is none.
func listenMetrics(address string, e *engine) (*watchServer, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usagef("--metrics: %w", err)
	}
	s := &watchServer{done: make(chan struct{})}
	s.take(e)
	s.server = pageServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }), e.log)
	e.log.Info("metrics", slog.String("address", "http://"+l.Addr().String()+"/metrics"))
	go func() {
		defer close(s.done)
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("serve metrics", slog.Any("error", err))
		}
	}()
	return s, nil
}

// take answers for an engine from now on.
func (s *watchServer) take(e *engine) {
	if s == nil {
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", e.metricsHandler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plainAnswer(w, http.StatusOK, e.roles.said("ok")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := e.ready(r.Context()); err != nil {
			plainAnswer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		plainAnswer(w, http.StatusOK, e.roles.said("ready"))
	})
	handler := http.Handler(mux)
	s.handler.Store(&handler)
}

func plainAnswer(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(line + "\n")) // who has gone needs no answer
}

func (s *watchServer) end() {
	if s != nil {
		s.server.Close()
		<-s.done
	}
}
