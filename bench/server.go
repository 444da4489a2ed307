package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Server is a PostgreSQL server on this machine.
type Server struct{ postmaster int }

// FindServer finds the server that one of its backends belongs to. It finds none elsewhere than on Linux, nor on
// another machine.
func FindServer(backend int) Server {
	parent, _, _ := process(backend)
	if _, _, name := process(parent); backend == 0 || name != "postgres" {
		return Server{}
	}
	return Server{parent}
}

// Found says whether there is one.
func (s Server) Found() bool { return s.postmaster > 0 }

// CPU is the time that all of its processes have had of processors, those that have ended among them.
func (s Server) CPU() time.Duration {
	if !s.Found() {
		return 0
	}
	_, all, _ := process(s.postmaster)
	list, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range list {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if parent, took, _ := process(pid); parent == s.postmaster {
			all += took
		}
	}
	return all
}

// tick is the unit of times in /proc: 100 to the second on all that Go runs on.
const tick = 10 * time.Millisecond

// process reads who began a process, what it took of processors with those of its children that have ended, and
// what it is called.
func process(pid int) (parent int, took time.Duration, name string) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, ""
	}
	head, rest, _ := strings.Cut(string(b), ") ") // the name may have blanks, and is in brackets
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0, 0, ""
	}
	parent, _ = strconv.Atoi(fields[1])
	for _, n := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, _ := strconv.Atoi(n)
		took += time.Duration(ticks) * tick
	}
	_, name, _ = strings.Cut(head, "(")
	return parent, took, name
}
