package commands

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/store"
	"broadsheet/web/room"
)

const (
	// workerSilent is without how long a sign of life a worker is called silent.
	workerSilent = 4 * store.BeatEvery
	// roleMissed is for how long a role may have nobody while there is work for it.
	roleMissed = time.Minute
)

// enlist puts this process on the list of workers.
func (e *engine) enlist(ctx context.Context, roles []string) error {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return e.db.Enlist(ctx, store.Worker{Name: e.worker, Host: host, PID: os.Getpid(), Version: version(), Roles: roles})
}

// beat gives a sign of life.
func (e *engine) beat(ctx context.Context) time.Duration {
	err := e.db.Beat(ctx)
	e.complain(ctx, "give sign of life", err)
	if err == nil {
		e.outage.over(e.log)
	}
	return store.BeatEvery
}

// roomWorkers meets [room.Workers].
type roomWorkers struct{ *engine }

// List meets [room.Workers].
func (w roomWorkers) List(ctx context.Context) (*room.WorkerList, error) {
	workers, err := w.db.Workers(ctx)
	if err != nil {
		return nil, err
	}
	leases, err := w.db.Leases(ctx)
	if err != nil {
		return nil, err
	}
	duties, err := w.db.Duties(ctx)
	if err != nil {
		return nil, err
	}
	shares, err := w.db.Shares(ctx)
	if err != nil {
		return nil, err
	}
	out := &room.WorkerList{At: w.db.Clock(), Workers: []room.Worker{}}
	of := func(name string) *room.Worker {
		for n := range out.Workers {
			if out.Workers[n].Name == name {
				return &out.Workers[n]
			}
		}
		out.Workers = append(out.Workers, room.Worker{Name: name, Level: amber, State: "gone", Roles: []string{}, Shares: []room.WorkerShare{}, Leases: []room.WorkerLease{}, Duties: []room.WorkerDuty{},
			Words: "It is not on the list any more, and has not given up what it had. Once the time of that is up, another takes it."})
		return &out.Workers[len(out.Workers)-1]
	}
	for _, s := range workers {
		if s.Name == "" { // a command that writes
			continue
		}
		v := room.Worker{ID: s.ID, Name: s.Name, Host: s.Host, PID: s.PID, Roles: list(s.Roles), Version: s.Version, Started: s.Started, Seen: s.Seen,
			Level: "green", State: "at work", Words: "It lives.", Shares: []room.WorkerShare{}, Leases: []room.WorkerLease{}, Duties: []room.WorkerDuty{}}
		if silent := out.At.Sub(s.Seen); silent > workerSilent {
			v.Level, v.State = amber, "silent"
			v.Words = fmt.Sprintf("No sign of life for %s: it died, is frozen, or does not reach the database. What it has leased goes to another once its time is up.", duration(silent))
		}
		out.Workers = append(out.Workers, v)
	}
	for _, s := range shares {
		v := of(s.Worker)
		v.Shares = append(v.Shares, room.WorkerShare{Relay: s.Relay, Connections: len(s.Places), Rate: s.Rate, Until: s.Until})
	}
	for _, l := range leases {
		v := of(l.Worker)
		v.Leases = append(v.Leases, room.WorkerLease{Relay: l.Relay, Batches: l.Batches, Until: l.Until})
	}
	for _, d := range duties {
		v := of(d.Worker)
		v.Duties = append(v.Duties, room.WorkerDuty{Name: d.Name, Until: d.Until})
	}
	return out, nil
}

// roleAlarms tells of a role that nobody has while there is work for it and other processes live. That none lives, or
// no scheduler, is told by the last wake.
func (w roomToday) roleAlarms(ctx context.Context) (alarms []room.Alarm, err error) {
	workers, err := w.db.Workers(ctx)
	if err != nil {
		return nil, err
	}
	now, live, serving := w.db.Clock(), map[role]bool{}, time.Time{}
	for _, s := range workers {
		if now.Sub(s.Seen) > roleMissed {
			continue
		}
		for _, name := range s.Roles {
			live[role(name)] = true
			// Who only sends may be a command of an hour, and says nothing of others.
			if r := role(name); r != roleSend && (serving.IsZero() || s.Started.Before(serving)) {
				serving = s.Started
			}
		}
	}
	if serving.IsZero() || now.Sub(serving) < roleMissed {
		return nil, nil
	}
	tell := func(r role, level string, since time.Time, what, next string) {
		alarms = append(alarms, room.Alarm{Key: "role " + string(r), Level: level, Since: since, What: what, Next: next, Link: "/workers",
			Do: "broadsheet serve --roles " + string(r)})
	}
	if !live[roleSend] {
		since, err := w.unsent(ctx)
		if err != nil {
			return nil, err
		}
		if !since.IsZero() {
			tell(roleSend, red, since, fmt.Sprintf("No process sends, and mail has been due since %s.", w.moment(since)),
				"Start a process with the role send, or look why the one that had it does not reach the database.")
		}
	}
	if in := &w.cfg.Intake; !live[roleIntake] && (len(in.Maildir) > 0 || in.IMAP != nil || len(w.logs()) > 0) {
		tell(roleIntake, amber, serving, "No process takes in what comes back: bounces, complaints and answers lie where they are.",
			"Start a process with the role intake, where the Maildirs and logs are.")
	}
	return alarms, nil
}

// unsent is since when something has been due for a sender, if that is longer than a minute; else zero.
func (e *engine) unsent(ctx context.Context) (since time.Time, err error) {
	if since, err = e.db.Unposted(ctx); err != nil {
		return since, err
	}
	for _, r := range e.cfg.Relays {
		due, ok, err := e.db.NextDue(ctx, r.Name)
		if err != nil {
			return since, err
		}
		if ok && (since.IsZero() || due.Before(since)) {
			since = due
		}
	}
	if since.IsZero() || e.now().Sub(since) < roleMissed {
		return time.Time{}, nil
	}
	return since, nil
}

func (p *program) workers() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "workers", Short: "List the processes that are at work, their roles and what they have in hand", Args: cobra.NoArgs,
		Long: `Lists every serve and send on the database, and those that died within the last hour: roles, version,
last sign of life, their part of each relay's connections (on PostgreSQL, where several share one), how many
batches are leased until when, and which duties one process alone has. One that is silent has given no
sign of life for 20 seconds; what it has leased goes to another once its time is up. One that is gone is on
the list no more, and has not given up what it had.`,
		RunE: func(c *cobra.Command, _ []string) error {
			db, err := p.databaseThere(c.Context(), true)
			if err != nil {
				return err
			}
			l, err := roomWorkers{&engine{db: db}}.List(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(l)
			}
			t := p.table("STATE", "WORKER", "HOST", "ROLES", "VERSION", "SINCE (UTC)", "LAST SIGN OF LIFE (UTC)", "SHARES", "LEASES", "ALONE")
			for _, v := range l.Workers {
				var shares, leases, duties []string
				for _, s := range v.Shares {
					shares = append(shares, fmt.Sprintf("%s: %s", s.Relay, count(s.Connections, "connection")))
				}
				for _, s := range v.Leases {
					leases = append(leases, fmt.Sprintf("%s: %d %s until %s", s.Relay, s.Batches, verb(s.Batches, "batch", "batches"), s.Until.UTC().Format(time.TimeOnly)))
				}
				for _, d := range v.Duties {
					duties = append(duties, d.Name)
				}
				since, seen := when(v.Started), when(v.Seen)
				if v.ID == 0 {
					since, seen = "", ""
				}
				t.row(v.State, v.Name, v.Host, strings.Join(v.Roles, ","), v.Version, since, seen, strings.Join(shares, "; "), strings.Join(leases, "; "), strings.Join(duties, ", "))
			}
			return t.flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}
