package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Server is a PostgreSQL server of a test's own, to be stopped, started and replaced while it is at work. It ends with
// the test.
type Server struct {
	t    testing.TB
	bin  string
	dir  string
	Port int
	cmd  *exec.Cmd
	args []string
}

// StartServer makes a server on loopback, with settings as NAME=VALUE. The test skips where no server's programs are
// installed.
func StartServer(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := newServer(t, settings)
	s.run("initdb", "-D", s.dir, "-U", "postgres", "-A", "trust", "--no-sync")
	s.Start()
	return s
}

func newServer(t testing.TB, settings []string) *Server {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_basebackup") // Debian's
	if path, lookErr := exec.LookPath("pg_basebackup"); lookErr == nil && len(found) == 0 {
		found = append(found, path)
	}
	if err != nil || len(found) == 0 {
		t.Skip("PostgreSQL's programs are not installed")
	}
	s := &Server{t: t, bin: filepath.Dir(slices.Max(found)), args: settings}
	if s.dir, err = os.MkdirTemp("", "broadsheet-postgres-"); err != nil { // a test's own folder is for nobody else to enter
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop(syscall.SIGINT)
		if err := os.RemoveAll(s.dir); err != nil {
			t.Error(err)
		}
	})
	if owner := s.owner(); owner != nil {
		if err := os.Chown(s.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	return s
}

// owner is whom a server runs as that refuses to be root's; nil = who runs the test.
func (s *Server) owner() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		s.t.Fatal(err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		s.t.Fatal(uidErr, gidErr)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner()}
	return cmd
}

func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Start starts a server that was stopped, and returns once it answers.
func (s *Server) Start() {
	s.t.Helper()
	args := []string{"-D", s.dir, "-p", strconv.Itoa(s.Port), "-k", s.dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"}
	for _, a := range s.args {
		args = append(args, "-c", a)
	}
	s.cmd = s.command("postgres", args...)
	log, err := os.OpenFile(s.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.t.Cleanup(func() { os.Remove(log.Name()) })
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		err := s.Exec(`SELECT 1`)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(log.Name())
			s.t.Fatalf("PostgreSQL does not start: %v\n%s", err, said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends a server as one of PostgreSQL's signals says (server-shutdown in its documentation): SIGINT after what is
// at work was cut off, SIGQUIT at once, so that it has to recover.
func (s *Server) Stop(how syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(how)
	_ = s.cmd.Wait()
	s.cmd = nil
}

// URL opens the server's database.
func (s *Server) URL() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", s.Port)
}

// Exec runs one statement on a connection of its own.
func (s *Server) Exec(query string) error {
	db, err := sql.Open("pgx", s.URL())
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(context.Background(), query)
	return err
}

// Standby starts a server that follows this one and whose word this one waits for from now on, so that what
// was answered is on both.
func (s *Server) Standby() *Server {
	s.t.Helper()
	b := newServer(s.t, s.args)
	b.run("pg_basebackup", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "-D", b.dir, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
	b.Start()
	for _, query := range []string{`ALTER SYSTEM SET synchronous_standby_names = '*'`, `SELECT pg_reload_conf()`} {
		if err := s.Exec(query); err != nil {
			s.t.Fatal(err)
		}
	}
	return b
}
