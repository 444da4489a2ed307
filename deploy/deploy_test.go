// Package deploy holds no code: its tests hold the files of this folder to the program.
package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"broadsheet/commands"
)

// process is one as a file of this folder starts it.
type process struct {
	where  string
	args   []string
	health []string          // addresses that its engine asks, or a command that asks one
	env    map[string]string // of the program alone
	grace  time.Duration     // between SIGTERM and SIGKILL; 0 = it is not said here
}

func TestCommandLines(t *testing.T) {
	for _, p := range processes(t) {
		// Flags, roles and what goes together are looked at before the configuration is.
		if code, said := run(t, append(p.args, "--config", filepath.Join(t.TempDir(), "none.yaml"))...); code != 2 || !strings.Contains(said, "there is no such file") {
			t.Errorf("%s: %q: exit code %d, %s", p.where, p.args, code, said)
		}
		at := flag(p.args, "--metrics")
		for _, h := range p.health {
			if words := strings.Fields(h); len(words) > 1 {
				if code, said := run(t, append(words, "--help")...); words[0] != "ready" || code != 0 || len(words) != 2 {
					t.Errorf("%s: %q: exit code %d, %s", p.where, h, code, said)
				}
				h = words[1]
			}
			u, err := url.Parse(h)
			if err != nil {
				t.Fatal(err)
			}
			if _, port, err := net.SplitHostPort(at); err != nil || u.Port() != port || u.Path != "/readyz" && u.Path != "/healthz" {
				t.Errorf("%s: it is asked at %s and answers at %q", p.where, h, at)
			}
		}
	}
}

// TestEnvironment lets the program say what it asks the environment for, with a relay by the name that these
// files have.
func TestEnvironment(t *testing.T) {
	known := asked(t)
	for _, p := range processes(t) {
		for name := range p.env {
			if !known[name] && name != "GOMEMLIMIT" {
				t.Errorf("%s: the program never looks at %s", p.where, name)
			}
		}
	}
}

// TestGrace wants nobody killed who could still come to an end: longer than the sender listens for the last reply,
// and then as long as the ledger waits for its database.
func TestGrace(t *testing.T) {
	found := regexp.MustCompile(`hearOutIn += (\d+) \* time\.Second`).FindStringSubmatch(read(t, "../mailer/guard.go"))
	if found == nil {
		t.Fatal("mailer does not say for how long it hears a reply out")
	}
	hears, err := time.ParseDuration(found[1] + "s")
	if err != nil {
		t.Fatal(err)
	}
	const busy, failover = 10 * time.Second, 30 * time.Second
	for _, p := range processes(t) {
		least := hears + busy
		if strings.HasPrefix(p.env["BROADSHEET_DB"], "postgres://") {
			least += failover
		}
		if p.grace != 0 && p.grace < least {
			t.Errorf("%s: it is killed after %s, and may take %s", p.where, p.grace, least)
		}
	}
}

// processes reads all files.
func processes(t *testing.T) (list []process) {
	list = append(list, ofImage(t), ofUnit(t, "broadsheet.service", nil))
	for _, name := range []string{"schedule", "send-1", "send-2", "web"} {
		env := lines(read(t, "systemd/database.env"))
		maps.Copy(env, lines(read(t, "systemd/"+name+".env")))
		list = append(list, ofUnit(t, "broadsheet@.service", env))
	}
	list = append(list, ofCompose(t)...)
	list = append(list, ofKubernetes(t)...)
	if len(list) != 1+1+4+3+3 {
		t.Fatalf("%d processes were found", len(list))
	}
	return list
}

// ofImage reads the Dockerfile as far as it is about running.
func ofImage(t *testing.T) process {
	p := process{where: "Dockerfile", env: map[string]string{}}
	for line := range strings.Lines(read(t, "Dockerfile")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "ENV":
			name, value, _ := strings.Cut(rest, "=")
			p.env[name] = value
		case "CMD":
			p.args = array(t, rest)
		case "HEALTHCHECK":
			p.health = []string{strings.Join(array(t, rest[strings.Index(rest, "CMD ")+4:])[1:], " ")}
		}
	}
	return p
}

func ofUnit(t *testing.T, name string, env map[string]string) process {
	p := process{where: name, env: map[string]string{}}
	for line := range strings.Lines(read(t, "systemd/"+name)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "ExecStart":
			p.args = strings.Fields(strings.ReplaceAll(value, "$SERVE", env["SERVE"]))[1:]
		case "Environment":
			name, value, _ := strings.Cut(value, "=")
			p.env[name] = value
		case "TimeoutStopSec":
			p.grace = seconds(t, value+"s")
		}
	}
	delete(env, "SERVE")
	maps.Copy(p.env, env)
	return p
}

func ofCompose(t *testing.T) (list []process) {
	var file struct {
		Services map[string]struct {
			Image       string
			Command     []string
			Environment map[string]string
			Secrets     []string
			Grace       string `yaml:"stop_grace_period"`
			Healthcheck struct{ Test []string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(file.Services)) {
		s := file.Services[name]
		for variable, value := range s.Environment {
			if secret, ok := strings.CutPrefix(value, "/run/secrets/"); ok && !slices.Contains(s.Secrets, secret) {
				t.Errorf("compose.yaml: %s has no secret for %s", name, variable)
			}
		}
		if s.Image == "broadsheet" {
			list = append(list, process{"compose.yaml: " + name, s.Command, []string{strings.Join(s.Healthcheck.Test[2:], " ")}, s.Environment, seconds(t, s.Grace)})
		}
	}
	return list
}

func ofKubernetes(t *testing.T) (list []process) {
	type port struct {
		Name string
		Port int `yaml:"containerPort"`
	}
	type probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	}
	type deployment struct {
		Metadata struct{ Name string }
		Spec     struct {
			Template struct {
				Spec struct {
					Grace      int `yaml:"terminationGracePeriodSeconds"`
					Containers []struct {
						Args                         []string
						Ports                        []port
						Startup, Liveness, Readiness probe
					}
				}
			}
		}
	}
	text := regexp.MustCompile(`(startup|liveness|readiness)Probe:`).ReplaceAllString(read(t, "kubernetes/pod.yaml"), "$1:")
	var shared deployment
	if err := yaml.Unmarshal([]byte(text), &shared); err != nil {
		t.Fatal(err)
	}
	pod := shared.Spec.Template.Spec
	var health []string
	for _, p := range []probe{pod.Containers[0].Startup, pod.Containers[0].Liveness, pod.Containers[0].Readiness} {
		for _, at := range pod.Containers[0].Ports {
			if at.Name == p.HTTPGet.Port {
				health = append(health, "http://127.0.0.1:"+strconv.Itoa(at.Port)+p.HTTPGet.Path)
			}
		}
	}
	if len(health) != 3 {
		t.Errorf("kubernetes/pod.yaml: its probes are %q", health)
	}
	files := yaml.NewDecoder(strings.NewReader(read(t, "kubernetes/deployments.yaml")))
	for {
		var d deployment
		err := files.Decode(&d)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, process{"kubernetes: " + d.Metadata.Name, d.Spec.Template.Spec.Containers[0].Args, health,
			lines(read(t, "kubernetes/broadsheet.env")), time.Duration(pod.Grace) * time.Second})
	}
}

// run runs the program in this process.
func run(t *testing.T, args ...string) (code int, said string) {
	var out bytes.Buffer
	code = commands.Run(t.Context(), args, func(string) string { return "" }, strings.NewReader(""), &out, &out)
	return code, out.String()
}

// asked is what the program looks for in its environment while serve starts.
func asked(t *testing.T) map[string]bool {
	dir := t.TempDir()
	config := filepath.Join(dir, "schedule.yaml")
	if err := os.WriteFile(config, []byte(least), 0o600); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	env := map[string]string{"BROADSHEET_KEY": "one:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
		"BROADSHEET_SMTP_MAIN_USER": "u", "BROADSHEET_SMTP_MAIN_PASSWORD": "p"}
	for last, db := range map[string]string{ // what is asked for last, and then it ends
		"BROADSHEET_DB_PASSWORD_FILE": "postgres://broadsheet@127.0.0.1:1/none",
		"BROADSHEET_DKIM_FILE":        filepath.Join(dir, "broadsheet.db"),
	} {
		env["BROADSHEET_DB"] = db
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		getenv := func(name string) string {
			known[name] = true
			if name == last {
				cancel()
			}
			return env[name]
		}
		var out bytes.Buffer
		code := commands.Run(ctx, []string{"serve", "--config", config, "--listen", "127.0.0.1:0", "--operator", "off"}, getenv, strings.NewReader(""), &out, &out)
		if !known[last] {
			t.Fatalf("serve on %s did not come as far as %s: exit code %d, %s", db, last, code, &out)
		}
	}
	return known
}

// least is a configuration with a relay that asks who we are.
const least = `publication: {name: Lantern, from: desk@lantern.example, postal_address: 1 Quay, public_url: "https://lantern.example"}
sections: [{id: world, name: World}]
editions: [{name: morning, title: Morning, cron: "0 7 * * *", zone: UTC}]
relays: [{name: main, host: smtp.lantern.example}]
`

// array reads a list of words as Dockerfiles have them.
func array(t *testing.T, text string) (words []string) {
	if err := json.Unmarshal([]byte(text), &words); err != nil {
		t.Fatalf("Dockerfile: %s: %v", text, err)
	}
	return words
}

// lines reads NAME=VALUE.
func lines(text string) map[string]string {
	env := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			env[name] = value
		}
	}
	return env
}

func flag(args []string, name string) string {
	if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

func seconds(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
