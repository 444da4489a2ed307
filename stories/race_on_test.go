//go:build race

package stories

// slow stretches time limits: the race detector takes its time.
const slow = 10
