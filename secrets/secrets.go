// Package secrets reads secrets from the environment and from files, and says which files may hold one:
// those that nobody but who runs the program reads.
package secrets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// mostBytes is far more than a secret has.
const mostBytes = 1 << 20

// Value is what a variable of the environment holds, or the file that name_FILE names, without line ends
// behind it; "" if neither is set. Of both, of a file that others may read and of one without a secret it
// says so.
func Value(getenv func(string) string, name string) (string, error) {
	value, path := getenv(name), getenv(name+"_FILE")
	switch {
	case value != "" && path != "":
		return "", fmt.Errorf("%s and %[1]s_FILE are both set; keep one", name)
	case path == "":
		return value, nil
	}
	value, err := read(path)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return value, nil
}

func read(path string) (string, error) {
	info, err := os.Stat(path) // before it is opened, which a pipe nobody writes to would never end
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no file %s", path)
	}
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	if !Private(info) {
		return "", fmt.Errorf("%s has mode %04o, which is wider than 0600; run chmod 600 %[1]s", path, info.Mode().Perm())
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostBytes))
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

// Private reports whether nobody but who runs the program, and root, can use a file: its mode is 0600 or
// narrower, or it is root's with mode 0640 or narrower. The second is how systemd's credentials and the
// secrets of container engines are given to a user that is not root; PostgreSQL has the same rule for its
// private key.
func Private(info fs.FileInfo) bool {
	mode := info.Mode().Perm()
	if mode&0o177 == 0 {
		return true
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Uid == 0 && os.Geteuid() != 0 && mode&0o137 == 0
}
