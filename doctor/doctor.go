// Package doctor examines what a publication's mail depends on outside of the program: DNS, clocks,
// files. It knows nothing of the program; whoever wires it adds checks of its own.
//
// A [Check] looks at one thing and says in words what it saw and how to mend it. [Run] runs many side
// by side, each within its time. DNS is asked through [DNS], whose resolver may be any.
package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Level is how things stand.
type Level string

const (
	Green Level = "green" // as it should be
	Amber Level = "amber" // mail goes, and somebody should look at it
	Red   Level = "red"   // mail is lost, refused or late because of it, or soon will be
)

// Finding is what a check came to.
type Finding struct {
	Name  string // of what was looked at: "SPF of courier.example"
	Level Level
	Seen  string // in words
	Fix   string // what to do about it, "" where there is nothing to do
}

// Check is one thing to look at.
type Check struct {
	Name  string
	Limit time.Duration                     // 0 = [DefaultLimit]
	Look  func(ctx context.Context) Finding // its Name may be empty: then it is the check's
}

// DefaultLimit is how long a check may take.
const DefaultLimit = 10 * time.Second

// Run runs checks side by side and returns their findings in the order of the checks. One that does
// not come back in its time is amber: nothing is known of what it looks at.
func Run(ctx context.Context, checks []Check) []Finding {
	found := make([]Finding, len(checks))
	var wg sync.WaitGroup
	for n, c := range checks {
		wg.Go(func() { found[n] = c.run(ctx) })
	}
	wg.Wait()
	return found
}

func (c *Check) run(ctx context.Context) Finding {
	limit := c.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan Finding, 1)
	go func() { done <- c.Look(ctx) }()
	var f Finding
	select {
	case f = <-done:
	case <-ctx.Done():
		f = amber("no answer within "+limit.String(), "Try again; if it stays so, look at this machine's network and load.")
	}
	if f.Name == "" {
		f.Name = c.Name
	}
	return f
}

// Worst is the gravest level of all.
func Worst(all []Finding) Level {
	worst := Green
	for _, f := range all {
		if f.Level == Red || worst == Green {
			worst = f.Level
		}
	}
	return worst
}

func green(seen string) Finding         { return Finding{Level: Green, Seen: seen} }
func amber(seen, fix string) Finding    { return Finding{Level: Amber, Seen: seen, Fix: fix} }
func red(seen, fix string) Finding      { return Finding{Level: Red, Seen: seen, Fix: fix} }
func greenf(f string, a ...any) Finding { return green(fmt.Sprintf(f, a...)) }
