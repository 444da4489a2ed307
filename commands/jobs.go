package commands

import (
	"context"
	"sync"
)

// jobs are what pages began and does not end with their request. They end with the program, before its
// database is closed.
type jobs struct {
	ctx   context.Context
	stop  context.CancelFunc
	tasks sync.WaitGroup

	backup backupRun
}

func newJobs() *jobs {
	j := &jobs{}
	j.ctx, j.stop = context.WithCancel(context.Background())
	return j
}

// begin runs a job. Its context ends when the program does.
func (j *jobs) begin(job func(ctx context.Context)) {
	j.tasks.Go(func() { job(j.ctx) })
}

func (j *jobs) end() {
	j.stop()
	j.tasks.Wait()
}
