package commands

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/bench"
	"broadsheet/store"
)

type benchFlags struct {
	readers, stories, sections int
	connections, inDoubt       int
	watchers, rate             int
	dialogue, relay, reference string
	chunking, tls, dkim        bool
	delay                      time.Duration
	profile                    string
	pin, asJSON, yes           bool
}

func (p *program) bench() *cobra.Command {
	var f benchFlags
	var plainSink bool
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure sending on this machine: invented readers, stories and a relay",
		Long: `Makes readers and stories in a scratch database, opens an issue for them and sends it as send does,
to a relay of its own that takes everything and keeps nothing, or to --relay. Prints what a mail
cost: time, processor, memory, round trips, database. Takes nothing from schedule.yaml. Each
reader follows 1 to 12 sections, the n-th most liked n times less often than the first.

With --db postgres://… it makes and drops a database of its own on that server, or takes the one that is
named if that is empty, and measures what PostgreSQL took too if it runs on this machine.

With --pin the sender has processor 0 and the relay processor 1 for themselves. --reference go-mail
sends as many mails of that size with the mail library's own Send instead, without a database.
Exit code 1 says that the books do not balance or a mail has no outcome.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f.chunking = f.chunking && !plainSink
			if err := f.check(); err != nil {
				return err
			}
			return p.runBench(c.Context(), f)
		},
	}
	flags := c.Flags()
	flags.IntVar(&f.readers, "readers", 50_000, "how many readers")
	flags.IntVar(&f.stories, "stories", 167, "how many stories came in")
	flags.IntVar(&f.sections, "sections", 40, "how many sections they lie in")
	flags.IntVar(&f.connections, "connections", 8, "connections to the relay")
	flags.IntVar(&f.inDoubt, "in-doubt", 1, "mails of a connection that may be without an outcome on record")
	flags.StringVar(&f.dialogue, "dialogue", "auto", "auto, pipelining or plain")
	flags.StringVar(&f.relay, "relay", "", "send to this `HOST:PORT` instead of a relay of bench's own")
	flags.BoolVar(&f.chunking, "chunking", true, "bench's own relay offers CHUNKING")
	flags.BoolVar(&plainSink, "no-chunking", false, "it does not")
	flags.BoolVar(&f.tls, "tls", false, "with TLS from the first octet")
	flags.BoolVar(&f.dkim, "dkim", false, "sign with an RSA key of 2048 bits")
	flags.DurationVar(&f.delay, "delay", 0, "put a line of this round trip between, as 20ms")
	flags.IntVar(&f.rate, "rate", 1_000_000, "mails a second that the relay is given at most")
	flags.StringVar(&f.reference, "reference", "", "send with go-mail's Send instead: `go-mail`")
	flags.IntVar(&f.watchers, "watchers", 0, "so many operators watch in the operator's room and go from page to page")
	flags.StringVar(&f.profile, "profile", "", "write a CPU profile of the sending to `FILE`")
	flags.BoolVar(&f.pin, "pin", false, "keep sender and relay on a processor each")
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object")
	flags.BoolVar(&f.yes, "yes", false, "mail may leave this machine")
	return c
}

func (f *benchFlags) check() error {
	for _, n := range []struct {
		flag             string
		value, low, high int
	}{
		{"readers", f.readers, 1, 10_000_000}, {"stories", f.stories, 1, 5_000}, {"sections", f.sections, 1, 500},
		{"connections", f.connections, 1, 1000}, {"in-doubt", f.inDoubt, 1, 50}, {"watchers", f.watchers, 0, 100},
		{"rate", f.rate, 1, 1_000_000},
	} {
		if n.value < n.low || n.value > n.high {
			return usagef("--%s %d is not between %d and %d", n.flag, n.value, n.low, n.high)
		}
	}
	if all := []string{"auto", "pipelining", "plain"}; !slices.Contains(all, f.dialogue) {
		return usagef("--dialogue %q is none of %s", f.dialogue, strings.Join(all, ", "))
	}
	if f.reference != "" && f.reference != "go-mail" {
		return usagef("--reference %q: only go-mail is there to compare with", f.reference)
	}
	if f.reference != "" && f.watchers > 0 {
		return usagef("--reference and --watchers exclude each other")
	}
	if f.reference != "" && f.dkim {
		return usagef("--reference and --dkim exclude each other")
	}
	if f.delay < 0 || f.delay > time.Minute {
		return usagef("--delay %s is not between 0 and 1m", f.delay)
	}
	if f.relay == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(f.relay)
	switch {
	case err != nil:
		return usagef("--relay: %w; write e.g. 127.0.0.1:2525", err)
	case !loopback(host) && !f.yes:
		return usagef("--relay %s is not on this machine: %d mails to invented readers would leave it; --yes if that is meant", f.relay, f.readers)
	case !loopback(host) && !f.tls:
		return usagef("--relay %s is not on this machine: give --tls", f.relay)
	}
	return nil
}

func (p *program) runBench(ctx context.Context, f benchFlags) (err error) {
	dir, err := os.MkdirTemp("", "broadsheet-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if store.IsServer(p.dsn) {
		var drop func() error
		if p.dsn, drop, err = store.Scratch(ctx, p.dsn); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.close(), drop()) }()
	} else if p.dsn == "" {
		p.dsn = filepath.Join(dir, "broadsheet.db")
	} else if _, err := os.Stat(strings.TrimPrefix(strings.TrimPrefix(p.dsn, "sqlite:"), "file:")); err == nil {
		return usagef("--db %s: the file is there already, and bench fills a database of its own with invented readers: name a new one", p.dsn)
	}
	if f.pin {
		if err := bench.Pin(0); err != nil {
			return err
		}
	}
	far, err := p.startRelay(ctx, f)
	if err != nil {
		return err
	}
	defer far.stop()
	r := &benchReport{Readers: f.readers, Connections: f.connections, TLS: f.tls, DKIM: f.dkim, DelayMS: float64(f.delay) / 1e6, Pinned: f.pin}
	if f.reference != "" {
		err = p.sendPlain(ctx, f, far, r)
	} else {
		err = p.benchIssue(ctx, f, dir, far, r)
	}
	if err != nil {
		return err
	}
	counts, err := far.stop()
	if err != nil {
		return err
	}
	if counts != nil {
		r.relay(counts)
	}
	if err := p.printBench(r, f.asJSON); err != nil {
		return err
	}
	return r.check()
}

// per is a share, nil of nothing.
func per[N int | int64 | uint64](n N, messages int) *float64 {
	if messages == 0 {
		return nil
	}
	v := float64(n) / float64(messages)
	return &v
}
