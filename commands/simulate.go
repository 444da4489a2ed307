package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/capacity"
)

type simulateFlags struct {
	readers, days                   int64
	zones, hours, date, providers   string
	spread, prepare, within, target time.Duration
	databases, databaseCores        int64
	openRate, kept                  int64
	openCPU, ledgerCPU              time.Duration
	senders, senderCores            int64
	sendCPU                         time.Duration
	wire, size                      int64
	relays, connections, inDoubt    int64
	rate, accept, refuse, urgent    float64
	delay, turn                     time.Duration
	dialogue                        string
	every                           int64
	asJSON, asCSV                   bool
}

func (p *program) simulate() *cobra.Command {
	var f simulateFlags
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Reckon a day of up to ten thousand million readers: the backlog by the minute",
		Long: `Deals readers out over the world's time zones and the hours they want their mail at, opens each issue
and sends it with the machines that the flags describe, and prints what was due, what left and what
waits, minute by minute, until all has its outcome. Nothing is sent and no database is opened; the
same flags give the same figures. What things cost by default was measured by bench: docs/scale.md.

--zones is world (our own rough figures of people by time zone), or zones with weights, as
Europe/London=60,Asia/Dubai=40. --hours is morning (most from 6 to 8), seven (everybody at 07:00, the
worst case), even, or hours with weights, as 6=1,7=3. Slots are those of the local --date everywhere,
so a day takes some two days of UTC. What the relay defers is tried again by the mailer's own plan.

DUE, OPENED, SENT, DEFERRED, FAILED, EXPIRED are those since the line before; BACKLOG is what is due
and has not left, LATER what is deferred, OLDEST how long the mail waits that has been due longest. The
limits that may bind are opening, databases, senders (processors), wire, connections (times round
trip) and relays (their rate). With --csv the summary goes to standard error.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			plan, err := p.simulated(&f)
			if err != nil {
				return err
			}
			return p.runSimulate(c.Context(), plan, &f)
		},
	}
	flags := c.Flags()
	flags.Int64Var(&f.readers, "readers", 100_000_000, "how many readers")
	flags.StringVar(&f.date, "date", "", "local `DATE` of the slots, as 2026-11-27 (default today)")
	flags.Int64Var(&f.days, "days", 1, "how many days follow each other")
	flags.StringVar(&f.zones, "zones", "world", "where they live")
	flags.StringVar(&f.hours, "hours", "morning", "when they want their mail")
	flags.DurationVar(&f.spread, "spread", 20*time.Minute, "an issue's batches begin evenly over this time")
	flags.DurationVar(&f.prepare, "prepare", 45*time.Minute, "issues are opened this long before their slot")
	flags.DurationVar(&f.within, "deliver-within", 6*time.Hour, "a mail's life")
	flags.DurationVar(&f.target, "target", 15*time.Minute, "how long mail that is due may wait")
	flags.Int64Var(&f.databases, "databases", 4, "databases, each with its share of the readers")
	flags.Int64Var(&f.databaseCores, "database-cores", 8, "processors of each")
	flags.Int64Var(&f.openRate, "opening", capacity.OpenRate, "deliveries a second that each database's issues are opened at")
	flags.DurationVar(&f.openCPU, "opening-cpu", capacity.OpenCPU, "of a database's processors for each of them")
	flags.DurationVar(&f.ledgerCPU, "ledger-cpu", capacity.LedgerCPU, "of a database's processors for a mail")
	flags.Int64Var(&f.kept, "kept", capacity.Kept, "octets that a delivery keeps in its database, its share of digests included")
	flags.Int64Var(&f.senders, "senders", 8, "machines that send")
	flags.Int64Var(&f.senderCores, "sender-cores", 4, "processors of each")
	flags.DurationVar(&f.sendCPU, "send-cpu", capacity.SendCPU, "of a sender's processors for a mail")
	flags.Int64Var(&f.wire, "wire", 1000, "Mbit/s of each sender's line, 0 = no limit")
	flags.Int64Var(&f.size, "size", capacity.Size, "octets of a mail on it")
	flags.Int64Var(&f.relays, "relays", 40, "relays")
	flags.Float64Var(&f.rate, "rate", 500, "mails a second that each takes, 0 = no limit")
	flags.StringVar(&f.providers, "providers", "", "mailbox providers with limits: `NAME=PERCENT:RATE,…`, percent of readers and mails a second through each relay")
	flags.Int64Var(&f.connections, "connections", 32, "connections to each, from all senders together")
	flags.Int64Var(&f.inDoubt, "in-doubt", 1, "mails of a connection on their way at once, with chunking")
	flags.StringVar(&f.dialogue, "dialogue", "chunking", "chunking, pipelining or plain")
	flags.DurationVar(&f.delay, "delay", 20*time.Millisecond, "round trip to a relay")
	flags.DurationVar(&f.turn, "turn", capacity.Turn, "what a connection waits beside the round trips")
	flags.Float64Var(&f.accept, "accept", 98, "percent of tries that a relay takes")
	flags.Float64Var(&f.refuse, "refuse", 0.5, "percent that it refuses for good; it defers the rest")
	flags.Float64Var(&f.urgent, "urgent", 0, "urgent mails a second (confirmations and the like), which go first")
	flags.Int64Var(&f.every, "every", 1, "a line each so many minutes; 0 = the summary alone")
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object a line, the summary last")
	flags.BoolVar(&f.asCSV, "csv", false, "print minutes as CSV")
	return c
}

// simulated checks the flags and makes a plan of them.
func (p *program) simulated(f *simulateFlags) (*capacity.Plan, error) {
	for _, n := range []struct {
		flag             string
		value, low, high int64
	}{
		{"readers", f.readers, 1, 10_000_000_000}, {"days", f.days, 1, 7},
		{"databases", f.databases, 1, 1000}, {"database-cores", f.databaseCores, 1, 1000},
		{"opening", f.openRate, 1, 10_000_000}, {"kept", f.kept, 0, 1_000_000},
		{"senders", f.senders, 1, 1000}, {"sender-cores", f.senderCores, 1, 1000},
		{"wire", f.wire, 0, 1_000_000}, {"size", f.size, 1, 100_000_000},
		{"relays", f.relays, 1, 10_000}, {"connections", f.connections, 1, 1000}, {"in-doubt", f.inDoubt, 1, 50},
		{"every", f.every, 0, 1440},
	} {
		if n.value < n.low || n.value > n.high {
			return nil, usagef("--%s %d is not between %d and %d", n.flag, n.value, n.low, n.high)
		}
	}
	for _, n := range []struct {
		flag      string
		value     time.Duration
		low, high time.Duration
		unit      time.Duration
	}{
		{"spread", f.spread, 0, 23 * time.Hour, time.Second}, {"prepare", f.prepare, 0, 23 * time.Hour, time.Minute},
		{"deliver-within", f.within, time.Minute, 23 * time.Hour, time.Minute}, {"target", f.target, 0, 24 * time.Hour, time.Minute},
		{"opening-cpu", f.openCPU, 0, time.Second, 1}, {"ledger-cpu", f.ledgerCPU, 0, time.Second, 1}, {"send-cpu", f.sendCPU, 0, time.Second, 1},
		{"delay", f.delay, 0, time.Minute, 1}, {"turn", f.turn, 0, time.Minute, 1},
	} {
		if n.value < n.low || n.value > n.high {
			return nil, usagef("--%s %s is not between %s and %s", n.flag, n.value, n.low, n.high)
		}
		if n.value%n.unit != 0 {
			return nil, usagef("--%s %s: write it in whole units of %s", n.flag, n.value, n.unit)
		}
	}
	for _, n := range []struct {
		flag        string
		value, high float64
	}{{"rate", f.rate, 1_000_000}, {"accept", f.accept, 100}, {"refuse", f.refuse, 100}, {"urgent", f.urgent, 1_000_000}} {
		if !(n.value >= 0 && n.value <= n.high) { // NaN is neither
			return nil, usagef("--%s %v is not between 0 and %v", n.flag, n.value, n.high)
		}
	}
	if f.accept+f.refuse > 100 {
		return nil, usagef("--accept %v and --refuse %v are more than 100 percent", f.accept, f.refuse)
	}
	if all := []string{"chunking", "pipelining", "plain"}; !slices.Contains(all, f.dialogue) {
		return nil, usagef("--dialogue %q is none of %s", f.dialogue, strings.Join(all, ", "))
	}
	if f.asJSON && f.asCSV {
		return nil, usagef("--json and --csv exclude each other")
	}
	if f.spread >= f.within {
		return nil, usagef("--spread %s must be shorter than --deliver-within, which is %s", f.spread, f.within)
	}
	plan := &capacity.Plan{Readers: f.readers, Days: int(f.days), Target: f.target,
		Accepted: int64(f.accept*capacity.Million/100 + 0.5), Refused: int64(f.refuse*capacity.Million/100 + 0.5), Urgent: int64(f.urgent*60 + 0.5)}
	var err error
	if plan.Zones, err = capacity.ParseZones(f.zones); err != nil {
		return nil, usagef("--zones: %w", err)
	}
	if plan.Hours, err = capacity.ParseHours(f.hours); err != nil {
		return nil, usagef("--hours: %w", err)
	}
	if plan.Providers, err = parseProviders(f.providers); err != nil {
		return nil, usagef("--providers: %w", err)
	}
	if plan.Date, err = p.simulatedDate(f.date); err != nil {
		return nil, err
	}
	if plan.Edition, err = capacity.Edition(f.spread, f.prepare, f.within); err != nil {
		return nil, usage(err)
	}
	plan.Fleet = capacity.Fleet{Databases: f.databases, DatabaseCores: f.databaseCores, OpenRate: f.openRate, OpenCPU: f.openCPU, LedgerCPU: f.ledgerCPU, Kept: f.kept,
		Senders: f.senders, SenderCores: f.senderCores, SendCPU: f.sendCPU, Wire: f.wire * 1_000_000, Size: f.size,
		Relays: f.relays, Rate: int64(f.rate*1000 + 0.5), Connections: f.connections, Delay: f.delay, Turn: f.turn, RoundTrips: 1, Window: 1}
	switch f.dialogue {
	case "chunking":
		plan.Fleet.Window = f.inDoubt
	case "plain":
		plan.Fleet.RoundTrips = 4
	}
	return plan, nil
}

// parseProviders reads "gmail=30:20,yahoo=5:10".
func parseProviders(s string) (list []capacity.Provider, err error) {
	if s == "" {
		return nil, nil
	}
	taken := []string{capacity.Opening, capacity.Databases, capacity.Senders, capacity.Wire, capacity.Connections, capacity.Relays}
	var sum int64
	for part := range strings.SplitSeq(s, ",") {
		name, limit, ok := strings.Cut(part, "=")
		percent, rate, both := strings.Cut(limit, ":")
		share, err1 := strconv.ParseFloat(percent, 64)
		perSecond, err2 := strconv.ParseFloat(rate, 64)
		if !ok || !both || name == "" || err1 != nil || err2 != nil || !(share > 0 && share <= 100) || !(perSecond >= 0.001 && perSecond <= 1_000_000) {
			return nil, fmt.Errorf("%q is no NAME=PERCENT:RATE; write e.g. gmail=30:20", part)
		}
		if slices.Contains(taken, name) {
			return nil, fmt.Errorf("%s is there twice, or the name of another limit", name)
		}
		taken = append(taken, name)
		v := capacity.Provider{Name: name, Share: int64(share*capacity.Million/100 + 0.5), Rate: int64(perSecond*1000 + 0.5)}
		if sum += v.Share; sum > capacity.Million {
			return nil, fmt.Errorf("more than 100 percent")
		}
		list = append(list, v)
	}
	return list, nil
}

// simulatedDate reads a date; none is today's.
func (p *program) simulatedDate(s string) (time.Time, error) {
	if s == "" {
		now, err := p.clock()
		if err != nil {
			return time.Time{}, err
		}
		s = now().UTC().Format(time.DateOnly)
	}
	date, err := time.Parse(time.DateOnly, s)
	if err != nil || date.Year() < 1970 || date.Year() > 2200 {
		return date, usagef("--date %q is no date from 1970 to 2200; write e.g. 2026-11-27", s)
	}
	return date, nil
}

// runSimulate replays the plan and prints it.
func (p *program) runSimulate(ctx context.Context, plan *capacity.Plan, f *simulateFlags) error {
	out := p.minutes(f)
	var sum *capacity.Minute // of those since the last line
	n := int64(0)
	print := func() error {
		if sum == nil {
			return nil
		}
		err := out(sum)
		sum = nil
		return err
	}
	s, err := plan.Replay(ctx, func(m *capacity.Minute) error {
		if f.every == 0 {
			return nil
		}
		if sum == nil {
			sum = m
		} else {
			sum.Add(m)
		}
		if n++; n%f.every == 0 {
			return print()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	if err := print(); err != nil {
		return err
	}
	if err := out(nil); err != nil {
		return err
	}
	return p.printSimulated(plan, s, f)
}
