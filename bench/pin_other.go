//go:build !linux

package bench

import "errors"

// Pin keeps this process on one processor, from 0, and lets one thread at a time run Go.
func Pin(int) error { return errors.New("pin to a processor: this system has no way to ask for it") }
