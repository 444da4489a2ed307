package room

import (
	"context"
	"net/http"
	"time"

	"broadsheet/operators"
)

// Workers is what the page of workers reads.
type Workers interface {
	List(ctx context.Context) (*WorkerList, error)
}

// WorkerList is who is at work on the database, or was within the last hour.
type WorkerList struct {
	At      time.Time `json:"at"` // by the clock of leases, as all times of workers
	Workers []Worker  `json:"workers"`
}

// Worker is a process, by its last sign of life.
type Worker struct {
	ID      int64         `json:"id"` // 0 = it is on the list no more, and has leases all the same
	Name    string        `json:"name"`
	Host    string        `json:"host"`
	PID     int           `json:"pid"`
	Roles   []string      `json:"roles"`
	Version string        `json:"version"`
	Started time.Time     `json:"started"`
	Seen    time.Time     `json:"seen"`
	Level   string        `json:"level"` // green, amber
	State   string        `json:"state"` // at work, silent, gone
	Words   string        `json:"words"` // the state in a sentence
	Shares  []WorkerShare `json:"shares"`
	Leases  []WorkerLease `json:"leases"`
	Duties  []WorkerDuty  `json:"duties"`
}

// WorkerShare is a worker's part of a relay, of which no other has these connections and this rate meanwhile.
type WorkerShare struct {
	Relay       string    `json:"relay"`
	Connections int       `json:"connections"`
	Rate        float64   `json:"rate"` // mails a second, 0 = no limit
	Until       time.Time `json:"until"`
}

// WorkerLease is what a worker has of a relay's mail.
type WorkerLease struct {
	Relay   string    `json:"relay"`
	Batches int       `json:"batches"`
	Until   time.Time `json:"until"` // when the first ends unless it is renewed
}

// WorkerDuty is what a worker alone does.
type WorkerDuty struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"`
}

func (rm *Room) workerRoutes() []route {
	return []route{{"GET /workers", operators.Look, func(w http.ResponseWriter, r *http.Request, v *visit) error {
		list, err := rm.Workers.List(r.Context())
		if err != nil {
			return err
		}
		return rm.show(w, v, "workers", list)
	}}}
}

func (rm *Room) workerEndpoints() []endpoint {
	return []endpoint{look("/workers", operators.Look, "Processes at work, their roles, leases and last signs of life", nil,
		func(r *http.Request) (*WorkerList, error) { return rm.Workers.List(r.Context()) })}
}
