package commands

import (
	"broadsheet/store/storetest"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asProgram tells the test's binary to be the program.
const asProgram = "BROADSHEET_BE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main())
	}
	storetest.Main(m)
}

// TestScripts runs the program as its users do: a process with arguments, environment, input,
// output and an exit code. A script in testdata/script is a list of commands and, behind lines
// of the form "-- NAME --", files for its folder; see scriptCommands and worldCommands.
// Words in single quotes keep their blanks; $NAME is filled in outside of them. A line that begins with
// [sqlite] or [postgres] is for that engine alone. On PostgreSQL a database is one of the server, whatever
// its file is called, and $ON is a --db for what else makes one of its own.
func TestScripts(t *testing.T) {
	for _, file := range glob(t, "testdata/script/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text := read(t, file)
			if testing.Short() && (!busy.MatchString(text) || strings.Contains(text, "broadsheet bench")) {
				t.Skip("one thing at a time happens in it: not with -short")
			}
			runScript(t, text)
		})
	}
}

// busy finds what a script does while mail is on its way. What bench does has a package of its own.
var busy = regexp.MustCompile(`(?m)^(awaits|waiting|term)\b`)

// script is one that runs.
type script struct {
	t    *testing.T
	dir  string
	line int
	env  []string

	stdin, stdout, stderr string
	background            []*process
	world                 *world
}

// process is the program, running.
type process struct {
	cmd         *exec.Cmd
	out, errors output
}

// output is a buffer that can be read while a program writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func runScript(t *testing.T, text string) {
	s := &script{t: t, dir: t.TempDir()}
	var file *strings.Builder
	files := map[string]*strings.Builder{}
	var commands []string
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(name, " --") {
			file = &strings.Builder{}
			files[strings.TrimSuffix(name, " --")] = file
		} else if file != nil {
			file.WriteString(line)
		} else {
			commands = append(commands, line)
		}
	}
	for name, content := range files {
		s.check(os.MkdirAll(filepath.Dir(s.path(name)), 0o700))
		s.write(name, content.String())
	}
	var values []string
	s.world, values = newWorld(t, s.dir)
	if storetest.OnPostgres() {
		values = append(values, "ON=--db "+storetest.At(t, s.path("on.db")))
	}
	s.env = append(append(values, environment(t, s.dir)...),
		"PATH="+os.Getenv("PATH"), "HOME="+s.dir, "TMPDIR="+s.dir, "TZ=UTC", asProgram+"=1")
	defer func() {
		for _, p := range s.background {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
			if t.Failed() {
				t.Logf("standard error of what ran in the background:\n%s", &p.errors)
			}
		}
	}()
	for n, line := range commands {
		s.line = n + 1
		if engine, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "] "); ok && line[0] == '[' {
			if (engine == "postgres") != storetest.OnPostgres() {
				continue
			}
			line = rest
		}
		if words := s.words(line); len(words) > 0 {
			s.do(words)
		}
	}
	if len(s.background) > 0 {
		s.fail("the script ends and does not wait for its programs")
	}
}

// scriptCommands are the language itself. A leading "!" is handed over as a first argument.
var scriptCommands = map[string]func(s *script, args []string){
	// broadsheet ARG… must end with 0; with a last argument "&" it stays in the background.
	"broadsheet": func(s *script, args []string) { s.runs(0, args) },
	// exits CODE broadsheet ARG…
	"exits": func(s *script, args []string) {
		code, err := strconv.Atoi(args[0])
		s.check(err)
		if args[1] != "broadsheet" {
			s.fail("exits CODE broadsheet …")
		}
		s.runs(code, args[2:])
	},
	// until N broadsheet ARG… runs it over and over, beside one in the background, until it prints N lines.
	"until": func(s *script, args []string) {
		n, err := strconv.Atoi(args[0])
		s.check(err)
		for end := time.Now().Add(patience); ; {
			s.runs(0, args[2:])
			if strings.Count(s.stdout, "\n") == n {
				return
			}
			if time.Now().After(end) {
				s.fail("not %d lines:\n%s", n, s.stdout)
			}
		}
	},
	// wait CODE… waits for the programs in the background; stdout and stderr are then theirs.
	"wait": func(s *script, args []string) {
		if len(args) != len(s.background) {
			s.fail("%d programs are in the background", len(s.background))
		}
		s.stdout, s.stderr = "", ""
		for i, p := range s.background {
			code := exitCode(p.cmd.Wait())
			s.stdout, s.stderr = s.stdout+p.out.String(), s.stderr+p.errors.String()
			if strconv.Itoa(code) != args[i] {
				s.fail("exit code %d, not %s", code, args[i])
			}
		}
		s.background = nil
	},
	// [!] stdout PATTERN, [!] stderr PATTERN, [!] grep PATTERN FILE: a line (not) there.
	"stdout": func(s *script, args []string) { s.match(s.stdout, args) },
	"stderr": func(s *script, args []string) { s.match(s.stderr, args) },
	"grep":   func(s *script, args []string) { n := len(args) - 1; s.match(s.read(args[n]), args[:n]) },
	// cmp FILE FILE must be equal; differ FILE FILE must not.
	"cmp": func(s *script, args []string) {
		if a, b := s.read(args[0]), s.read(args[1]); a != b {
			s.fail("%s and %s differ:\n%s\n---\n%s", args[0], args[1], a, b)
		}
	},
	"differ": func(s *script, args []string) {
		if s.read(args[0]) == s.read(args[1]) {
			s.fail("%s and %s are equal", args[0], args[1])
		}
	},
	// cp FILE FILE copies the first to the second, and makes its folder.
	"cp": func(s *script, args []string) {
		s.check(os.MkdirAll(filepath.Dir(s.path(args[1])), 0o700))
		s.write(args[1], s.read(args[0]))
	},
	// save FILE keeps standard output.
	"save":  func(s *script, args []string) { s.write(args[0], s.stdout) },
	"stdin": func(s *script, args []string) { s.stdin = s.read(args[0]) },
	// env NAME=VALUE
	"env": func(s *script, args []string) {
		for _, entry := range args {
			if name, ok := strings.CutPrefix(entry, "BROADSHEET_DB="); ok {
				entry = "BROADSHEET_DB=" + storetest.At(s.t, s.path(name))
			}
			s.env = append(s.env, entry)
		}
	},
	"rm": func(s *script, args []string) { s.check(os.Remove(s.path(args[0]))) },
	"exists": func(s *script, args []string) {
		want := args[0] != "!"
		if name := args[len(args)-1]; exists(s.path(name)) != want {
			s.fail("%s is there: %v", name, !want)
		}
	},
}

func (s *script) do(words []string) {
	not := words[0] == "!"
	if not {
		words = words[1:]
	}
	do := scriptCommands[words[0]]
	if do == nil {
		do = worldCommands[words[0]]
	}
	if do == nil {
		s.fail("there is no command %s", words[0])
	}
	if not {
		words[0] = "!"
	} else {
		words = words[1:]
	}
	do(s, words)
}

// words splits a line and fills in variables; # begins a comment.
func (s *script) words(line string) (words []string) {
	value := func(name string) (v string) {
		for _, entry := range s.env {
			if found, ok := strings.CutPrefix(entry, name+"="); ok {
				v = found
			}
		}
		return v
	}
	inside := false
	for i, part := range strings.Split(strings.TrimSpace(line), "'") {
		if inside = i%2 == 1; inside {
			words = append(words, part)
			continue
		}
		part, _, comment := strings.Cut(part, "#")
		words = append(words, strings.Fields(os.Expand(part, value))...)
		if comment {
			break
		}
	}
	return words
}

// runs starts the program, and waits for it unless it is to stay in the background.
func (s *script) runs(code int, args []string) {
	stay := len(args) > 0 && args[len(args)-1] == "&"
	if stay {
		args = args[:len(args)-1]
	}
	if n := slices.Index(args, "--db"); n >= 0 && n+1 < len(args) && strings.HasSuffix(args[n+1], ".db") && !strings.Contains(args[n+1], ":") {
		args[n+1] = storetest.At(s.t, s.path(args[n+1]))
	}
	self, err := os.Executable()
	s.check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // a program that hangs is a failure, not a wait
	s.t.Cleanup(cancel)
	p := &process{cmd: exec.CommandContext(ctx, self, args...)}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = s.dir, s.env, strings.NewReader(s.stdin), &p.out, &p.errors
	s.stdin = ""
	s.check(p.cmd.Start())
	if stay {
		s.background = append(s.background, p)
		return
	}
	got := exitCode(p.cmd.Wait())
	s.stdout, s.stderr = p.out.String(), p.errors.String()
	if got != code {
		s.fail("exit code %d, not %d", got, code)
	}
}

func (s *script) signal(sig syscall.Signal) {
	for _, p := range s.background {
		s.check(p.cmd.Process.Signal(sig))
	}
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

func (s *script) match(text string, args []string) {
	want := args[0] != "!"
	if pattern := args[len(args)-1]; regexp.MustCompile("(?m)"+pattern).MatchString(text) != want {
		s.fail("pattern %q found: %v, in:\n%s", pattern, !want, text)
	}
}

func (s *script) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.dir, name)
}

// read returns a file, or what the last program printed for stdout and stderr.
func (s *script) read(name string) string {
	switch name {
	case "stdout":
		return s.stdout
	case "stderr":
		return s.stderr
	}
	return read(s.t, s.path(name))
}

func (s *script) write(name, text string) { write(s.t, s.path(name), text) }

func (s *script) check(err error) {
	s.t.Helper()
	if err != nil {
		s.fail("%v", err)
	}
}

func (s *script) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("line %d: "+format+"\n--- stdout ---\n%s--- stderr ---\n%s", append(append([]any{s.line}, args...), s.stdout, s.stderr)...)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
