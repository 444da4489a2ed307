package bench

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPin pins a process of its own, which cannot be undone, and looks at it from a thread that
// was made before and one made after.
func TestPin(t *testing.T) {
	const pinned = "BROADSHEET_BENCH_PINNED"
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !may.IsSet(cpu) {
		cpu++
	}
	if os.Getenv(pinned) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPin$")
		cmd.Env = append(os.Environ(), pinned+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		return
	}
	before, look := make(chan struct{}), make(chan struct{})
	where := make(chan unix.CPUSet, 2)
	thread := func(ready, begin chan struct{}) {
		runtime.LockOSThread()
		close(ready)
		<-begin
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			t.Error(err)
		}
		where <- set
	}
	go thread(before, look)
	<-before
	if err := Pin(cpu); err != nil {
		t.Fatal(err)
	}
	go thread(make(chan struct{}), look)
	close(look)
	for range 2 {
		if set := <-where; set.Count() != 1 || !set.IsSet(cpu) {
			t.Errorf("a thread may run on %d processors", set.Count())
		}
	}
	if n := runtime.GOMAXPROCS(0); n != 1 {
		t.Errorf("GOMAXPROCS is %d", n)
	}
}
