package commands

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestSimulateAgainstBench has one slot sent for real, and foretold: at the relay's rate both take as long.
func TestSimulateAgainstBench(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds of waiting: not with -short")
	}
	var real struct {
		Seconds  float64 `json:"send_s"`
		Messages int     `json:"messages"`
	}
	var foretold simulatedJSON
	run := func(v any, args string) {
		t.Helper()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command(self, strings.Fields(args)...)
		var errors bytes.Buffer
		c.Env, c.Stderr = append(os.Environ(), asProgram+"=1"), &errors
		out, err := c.Output()
		if err == nil {
			err = json.Unmarshal(out, v)
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", args, err, &errors)
		}
	}
	run(&real, "bench --readers 500 --rate 50 --json")
	run(&foretold, "simulate --readers 500 --zones UTC --hours 7 --date 2026-11-27 --spread 0 --relays 1 --rate 50 --accept 100 --refuse 0 --every 0 --json")
	if foretold.Finished == nil || *foretold.Finished != "2026-11-27T07:00:10Z" || foretold.Sent != 500 || real.Messages != 500 {
		t.Fatalf("foretold %+v, real %+v", foretold, real)
	}
	if real.Seconds < 9 || real.Seconds > 13 { // a tenth of a second's mail may go at once, and machines may be busy
		t.Errorf("10 s were foretold, and it took %.1f", real.Seconds)
	}
}
