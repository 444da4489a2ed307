//go:build !race

package stories

// slow stretches time limits.
const slow = 1
