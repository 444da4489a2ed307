package commands

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDatabasePassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const any = `p@ss:w/rd?#[%&+ é`
	for _, c := range []struct{ dsn, password, file, want, wrong string }{
		{dsn: "broadsheet.db", password: "p", want: "broadsheet.db"},
		{dsn: "postgres://u@h/d", want: "postgres://u@h/d"},
		{dsn: "postgres://u:p@h/d", want: "postgres://u:p@h/d"},
		{dsn: "postgres://u@h/d?sslmode=require", password: "p", want: "postgres://u:p@h/d?sslmode=require"},
		{dsn: "postgresql://u@h1:5432,h2:5433/d", password: "p", want: "postgresql://u:p@h1:5432,h2:5433/d"},
		{dsn: "postgres://a%40b@h?host=/run", password: "p", want: "postgres://a%40b:p@h?host=/run"},
		{dsn: "postgres://u@/d", password: any, want: "postgres://u:p%40ss%3Aw%2Frd%3F%23%5B%25&+%20%C3%A9@/d"},
		{dsn: "postgres://u@h/d", file: file, want: "postgres://u:from%20a%20file@h/d"},
		{dsn: "postgres://u:p@h/d", password: "q", wrong: "keep one"},
		{dsn: "postgres://u@h/d", password: "p", file: file, wrong: "both set"},
		{dsn: "postgres://u@h/d", file: file + "s", wrong: "there is no file"},
		{dsn: "postgres://h/d?x=@", password: "p", wrong: "names no user"},
	} {
		env := map[string]string{dbPassword: c.password, dbPassword + "_FILE": c.file}
		got, err := (&program{getenv: func(name string) string { return env[name] }}).withPassword(c.dsn)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: got %q, %v, want %q", c.dsn, got, err, c.wrong)
			}
			continue
		}
		if got != c.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", c.dsn, got, err, c.want)
		}
	}
	u, err := url.Parse("postgres://u:p%40ss%3Aw%2Frd%3F%23%5B%25&+%20%C3%A9@/d")
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := u.User.Password(); p != any {
		t.Errorf("it is read as %q", p)
	}
}
