package commands

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/bench"
)

// benchRelay is the other side of a bench: a process of its own, so that what it does is not
// counted as the sender's, or a relay that was there before.
type benchRelay struct {
	host  string
	port  int
	roots *x509.CertPool // nil = the system's

	cmd    *exec.Cmd // nil = there is none
	stdin  io.Closer
	out    *json.Decoder
	counts *relayCounts
	err    error
}

// relayHello is the first line that the process prints, relayCounts the last.
type relayHello struct {
	Address     string `json:"address"`
	Certificate string `json:"certificate,omitempty"` // PEM
}

type relayCounts struct {
	bench.Counts
	CPU int64 `json:"cpu_us"`
}

// startRelay starts the process that takes the mail, or the one that delays it, if there must be one.
func (p *program) startRelay(ctx context.Context, f benchFlags) (*benchRelay, error) {
	if f.relay != "" && f.delay == 0 {
		return newBenchRelay(f.relay)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start relay: %w", err)
	}
	args := []string{"bench-relay", "--child", "--delay", f.delay.String(), "--to", f.relay,
		"--chunking=" + strconv.FormatBool(f.chunking), "--tls=" + strconv.FormatBool(f.tls)}
	if f.pin {
		args = append(args, "--cpu", "1")
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Cancel = func() error { return nil } // it ends when its input does
	cmd.Stderr = p.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start relay: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start relay: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start relay: %w", err)
	}
	far := &benchRelay{cmd: cmd, stdin: in, out: json.NewDecoder(out)}
	var hello relayHello
	if err := far.out.Decode(&hello); err != nil {
		far.stop()
		return nil, fmt.Errorf("start relay: %w", err)
	}
	there, err := newBenchRelay(hello.Address)
	if err != nil {
		far.stop()
		return nil, err
	}
	far.host, far.port = there.host, there.port
	if hello.Certificate != "" {
		far.roots = x509.NewCertPool()
		far.roots.AppendCertsFromPEM([]byte(hello.Certificate))
	}
	return far, nil
}

func newBenchRelay(address string) (*benchRelay, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("--relay: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, usagef("--relay: port %q is no number", port)
	}
	return &benchRelay{host: host, port: n}, nil
}

// stop ends the process and tells what it counted, nil if it counts nothing. It may be called again.
func (r *benchRelay) stop() (*relayCounts, error) {
	if r.cmd == nil {
		return r.counts, r.err
	}
	_ = r.stdin.Close()
	var counts relayCounts
	err := r.out.Decode(&counts)
	if err = errors.Join(err, r.cmd.Wait()); err != nil {
		r.err = fmt.Errorf("stop relay: %w", err)
	} else if counts.Connections > 0 {
		r.counts = &counts
	}
	r.cmd = nil
	return r.counts, r.err
}

// benchRelay is that process: `broadsheet bench-relay`.
func (p *program) benchRelay() *cobra.Command {
	var listen, to string
	var chunking, secure, child bool
	var delay time.Duration
	var cpu int
	c := &cobra.Command{
		Use: "bench-relay", Hidden: true, Args: cobra.NoArgs,
		Short: "The relay of bench: takes all mail, keeps none, and prints at its end what it counted",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if cpu >= 0 {
				if err := bench.Pin(cpu); err != nil {
					return err
				}
			}
			sink := &bench.Sink{Chunking: chunking}
			var hello relayHello
			if secure && to == "" {
				var cert tls.Certificate
				if cert, hello.Certificate, err = bench.Certificate(); err != nil {
					return err
				}
				sink.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return usagef("--listen: %w", err)
			}
			defer l.Close()
			hello.Address = l.Addr().String()
			behind := l
			if delay > 0 || to != "" {
				if to == "" {
					if behind, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
						return err
					}
					defer behind.Close()
					to = behind.Addr().String()
				}
				go (&bench.Delay{Target: to, RoundTrip: delay}).Serve(l)
			}
			if behind != l || to == "" {
				go sink.Serve(behind)
			}
			if err := p.printJSON(hello); err != nil {
				return err
			}
			if child { // a signal from the terminal is the sender's, who still has mail in hand
				_, _ = io.Copy(io.Discard, p.stdin)
			} else {
				<-c.Context().Done()
			}
			return p.printJSON(relayCounts{sink.Counts(), bench.CPU().Microseconds()})
		},
	}
	flags := c.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:0", "`ADDRESS`")
	flags.StringVar(&to, "to", "", "carry everything on to this `HOST:PORT` instead")
	flags.DurationVar(&delay, "delay", 0, "round trip of the line")
	flags.BoolVar(&chunking, "chunking", true, "offer CHUNKING")
	flags.BoolVar(&secure, "tls", false, "TLS from the first octet, with a certificate made now")
	flags.BoolVar(&child, "child", false, "end when standard input does")
	flags.IntVar(&cpu, "cpu", -1, "keep to this processor")
	return c
}
