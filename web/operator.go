package web

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

//go:embed operator/*
var operatorFiles embed.FS

// Operator is the page for whoever runs the program: what waits for a decision, and how mails fare.
// It changes nothing; what is to be done is a command, and stands there to be copied. It knows no
// password: it is for a listener on loopback, and answers nobody who calls it by another name, so that
// no page of the Internet has a browser read it (DNS rebinding).
type Operator struct {
	Publication string
	Now         func() time.Time
	Log         *slog.Logger
	Look        func(ctx context.Context) (*Overview, error) // what there is to show at the moment
}

// Overview is what the operator's page shows. Lists are in the order in which they are shown.
type Overview struct {
	Tasks []OverviewTask
	Waves []OverviewWave // in quarantine
	Slow  []OverviewSlow

	Since                   time.Time // of the three
	Domains, Relays, Days   []OverviewRate
	Returned                []OverviewReturned // the latest
	Aside                   []OverviewAside    // the latest messages that were not understood
	MoreReturned, MoreAside bool               // there are more than these
}

// OverviewTask is something that a person has to decide.
type OverviewTask struct {
	ID      int64
	Kind    string // leave, complaint, forward, flood
	Address string // of the reader; "" = nobody knows
	From    string
	Subject string
	Detail  string
	Doubt   string // why it may not be the reader's; "" = nothing speaks against it
	At      time.Time
}

// OverviewWave is a wave of hard marks in quarantine.
type OverviewWave struct {
	Issue         int64
	Edition, Slot string
	Domain        string
	Mails, Hard   int
	Norm          float64
	Held          time.Time
}

// OverviewSlow is a group of domains that is written to more slowly.
type OverviewSlow struct {
	Name  string
	Rate  float64 // mails a second now
	Base  float64 // before
	Since time.Time
	Why   string
}

// OverviewRate counts what became of mails.
type OverviewRate struct {
	Name                        string
	Taken, Delivered, Delayed   int
	Hard, Soft, Policy, Content int
	Complaints, Refused         int
}

// Bad is the share of mails that were refused or came back.
func (r OverviewRate) Bad() float64 {
	return float64(r.Refused+r.Hard+r.Soft+r.Policy+r.Content) / float64(max(r.Taken+r.Refused, 1))
}

// OverviewReturned is a bounce or complaint.
type OverviewReturned struct {
	Delivery int64 // 0 = not known
	Inbound  int64 // message that says so, 0 = none
	Address  string
	Class    string
	Reason   string
	Status   string
	Text     string
	Relay    string
	At       time.Time
	Sure     bool
}

// OverviewAside is a message that was not understood.
type OverviewAside struct {
	ID            int64
	From, Subject string
	Why           string
	At            time.Time
}

// Waiting is how many things wait for a decision.
func (o *Overview) Waiting() int { return len(o.Tasks) + len(o.Waves) }

// Handler is the page's router.
func (o *Operator) Handler() (http.Handler, error) {
	page, err := template.New("page.html").Funcs(operatorWords).ParseFS(operatorFiles, "operator/page.html")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { o.page(w, r, page) })
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		for _, from := range []struct {
			files embed.FS
			name  string
		}{{files, "assets/style.css"}, {operatorFiles, "operator/style.css"}} {
			b, _ := from.files.ReadFile(from.name)
			_, _ = w.Write(b)
		}
	})
	mux.HandleFunc("GET /icon.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		b, _ := files.ReadFile("assets/icon.svg")
		_, _ = w.Write(b)
	})
	return o.guarded(mux), nil
}

// guarded lets nobody in who calls this machine by a name that others may give it.
func (o *Operator) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", operatorPolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !loopbackHost(r.Host) {
			http.Error(w, "this page is for this machine alone: open it as http://127.0.0.1 with its port", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const operatorPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// loopbackHost reports whether a request's host is this machine by a name that nobody can point
// elsewhere.
func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func (o *Operator) page(w http.ResponseWriter, r *http.Request, page *template.Template) {
	overview, err := o.Look(r.Context())
	if err == nil {
		var b bytes.Buffer
		err = page.Execute(&b, map[string]any{"Publication": o.Publication, "Now": o.Now(), "O": overview})
		if err == nil {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(b.Bytes())
			return
		}
	}
	if r.Context().Err() == nil {
		o.Log.Error("show operator's page", slog.Any("error", err))
	}
	http.Error(w, "This page cannot be shown; the log says why.", http.StatusInternalServerError)
}
