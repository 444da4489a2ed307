package capacity

import "time"

// Minute is what happened in one minute, and how things stand at its end.
type Minute struct {
	At time.Time // UTC, its beginning

	Due      int64 // mails whose time came
	Opened   int64 // deliveries put on record by opening issues
	Accepted int64
	Failed   int64
	Expired  int64
	Deferred int64 // put off by the relay
	Urgent   int64 // urgent mails that left

	Backlog       int64 // mails that are due and have not left, those among them whose issue is not open yet
	Unopened      int64 // those
	Later         int64 // deferred mails whose next try is not due yet
	UrgentBacklog int64
	Oldest        time.Duration // how long the mail that has been due longest has waited, whole minutes; 0 without a backlog

	Busiest string  // of the fleet's resources, or a provider
	Load    float64 // how much of it was used, from 0 to 1
	Limit   string  // what kept the backlog from leaving; "" if there is none
}

// Add takes in a minute that follows, so that flows are those of both, and the stand is the later one's.
func (m *Minute) Add(next *Minute) {
	sum := *next
	sum.At = m.At
	sum.Due += m.Due
	sum.Opened += m.Opened
	sum.Accepted += m.Accepted
	sum.Failed += m.Failed
	sum.Expired += m.Expired
	sum.Deferred += m.Deferred
	sum.Urgent += m.Urgent
	if m.Load > sum.Load {
		sum.Busiest, sum.Load = m.Busiest, m.Load
	}
	*m = sum
}

// Summary is a whole replay in figures.
type Summary struct {
	Issues   int
	Without  int64     // readers whose zone skips the date
	Begins   time.Time // of the first minute
	Finished time.Time // when the last mail was accepted, reckoned to the second
	Minutes  int64

	Due, Accepted, Failed, Expired int64
	Tries                          int64
	Urgent                         int64
	UrgentMost                     int64 // the most urgent mails that waited at the end of a minute

	Peak    int64 // the largest backlog
	PeakAt  time.Time
	Fastest int64 // the most mails accepted in a minute

	Late      Lateness // of all that were accepted
	Worst     Lateness // of the zone whose p99 is the longest
	WorstZone string

	OverTarget  time.Duration            // in which the oldest mail that was due waited for longer than the target
	Limits      map[string]time.Duration // for how long each was what kept a backlog from leaving
	Limit       string                   // the one of them that was it longest; "" if there never was a backlog
	SenderCPU   time.Duration            // of all processors
	DatabaseCPU time.Duration
	WireOctets  int64
	KeptOctets  int64
	Loads       map[string]float64 // the highest load that each had in a minute
}

// Lateness is how long after their slot mails were accepted, in whole minutes: the spread is in it.
type Lateness struct{ P50, P99, Most time.Duration }

// late counts mails by how many minutes they were late.
type late []int64

func (l *late) add(minutes, n int64) {
	for int64(len(*l)) <= minutes {
		*l = append(*l, 0)
	}
	(*l)[minutes] += n
}

func (l late) figures() (out Lateness) {
	var total, sum int64
	for _, n := range l {
		total += n
	}
	p50, p99 := (total+1)/2, total-total/100
	for minutes, n := range l {
		if n == 0 {
			continue
		}
		out.Most = time.Duration(minutes) * time.Minute
		if sum < p50 {
			out.P50 = out.Most
		}
		if sum < p99 {
			out.P99 = out.Most
		}
		sum += n
	}
	return out
}
