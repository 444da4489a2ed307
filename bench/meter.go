package bench

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Work is what a stretch of work took.
type Work struct {
	Time   time.Duration
	CPU    time.Duration // of all threads, user and system
	Allocs uint64
	Octets uint64 // allocated
	Peak   int64  // most octets of memory resident; 0 = not known here
}

// Meter measures a stretch of work of this process from [StartMeter] to [Meter.Stop].
type Meter struct {
	start  time.Time
	cpu    time.Duration
	memory runtime.MemStats
}

// StartMeter gives memory back that is free, forgets the peak and starts to measure.
func StartMeter() *Meter {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // elsewhere than on Linux there is no peak either
	m := &Meter{}
	runtime.ReadMemStats(&m.memory)
	m.cpu = CPU()
	m.start = time.Now()
	return m
}

// Stop tells what it took.
func (m *Meter) Stop() Work {
	w := Work{Time: time.Since(m.start), CPU: CPU() - m.cpu, Peak: peak()}
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	w.Allocs, w.Octets = now.Mallocs-m.memory.Mallocs, now.TotalAlloc-m.memory.TotalAlloc
	return w
}

// CPU is the time that this process has had of processors up to now.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// RSA tells what one signature with a key of 2048 bits takes of a processor.
func RSA() (time.Duration, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, fmt.Errorf("measure RSA: %w", err)
	}
	const times = 200
	start, digest := CPU(), sha256.Sum256([]byte("a message"))
	for range times {
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
			return 0, fmt.Errorf("measure RSA: %w", err)
		}
	}
	return (CPU() - start) / times, nil
}

// peak is VmHWM, in octets.
func peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
