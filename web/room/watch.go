package room

import (
	"context"
	"net/http"
	"net/netip"

	"broadsheet/operators"
)

// Watch is what programs ask that watch over this one.
type Watch interface {
	// Ready says in a few words what keeps the program from its work; nil if nothing does.
	Ready(ctx context.Context) error
	// Metrics answers with what is counted, as Prometheus reads it.
	Metrics() http.Handler
}

const metricsPath = "/metrics"

func (rm *Room) watchRoutes() []route {
	return []route{
		{"GET /healthz", "", rm.healthy},
		{"GET /readyz", "", rm.ready},
		{"GET " + metricsPath, "", rm.metrics}, // asks for a role itself
	}
}

func (rm *Room) healthy(w http.ResponseWriter, _ *http.Request, _ *visit) error {
	answerLine(w, http.StatusOK, "ok")
	return nil
}

func (rm *Room) ready(w http.ResponseWriter, r *http.Request, _ *visit) error {
	if err := rm.Watch.Ready(r.Context()); err != nil {
		answerLine(w, http.StatusServiceUnavailable, err.Error())
		return nil
	}
	answerLine(w, http.StatusOK, "ready")
	return nil
}

func answerLine(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(line + "\n")) // who has gone needs no answer
}

// metrics are for programs on this machine, and for those elsewhere with a token that may look.
func (rm *Room) metrics(w http.ResponseWriter, r *http.Request, _ *visit) error {
	if !rm.beside(r) {
		if _, ok := rm.enter(w, r, operators.Look); !ok {
			return nil
		}
	}
	rm.Watch.Metrics().ServeHTTP(w, r)
	return nil
}

// beside reports whether who asks is a program on this machine and not one that asks for others.
func (rm *Room) beside(r *http.Request) bool {
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	return rm.Loopback && err == nil && client.Addr().Unmap().IsLoopback() && !handedOn(r) && r.ProtoAtLeast(1, 1) // proxies that tell nothing often speak 1.0
}
