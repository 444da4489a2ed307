package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pin keeps this process on one processor, from 0, and lets one thread at a time run Go.
func Pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	runtime.GOMAXPROCS(1)
	// A new thread is where the one that made it is, so there is an end to them.
	for done := -1; ; {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("pin to processor %d: %w", cpu, err)
		}
		if len(threads) == done {
			return nil
		}
		done = len(threads)
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err == nil {
				err = unix.SchedSetaffinity(id, &set)
			}
			if err != nil && err != unix.ESRCH {
				return fmt.Errorf("pin to processor %d: %w", cpu, err)
			}
		}
	}
}
