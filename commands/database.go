package commands

import (
	"cmp"
	"net/url"
	"path/filepath"
	"strings"

	"broadsheet/secrets"
)

// dbPassword is the variable of the environment for the password of a database on a server, so that it need
// not stand in --db, which everybody on the machine can read in the list of processes.
const dbPassword = "BROADSHEET_DB_PASSWORD"

// databaseName is where the database is: as --db says, or the environment, or beside the configuration.
func (p *program) databaseName() string {
	return cmp.Or(p.dsn, p.getenv("BROADSHEET_DB"), filepath.Join(filepath.Dir(p.configFile), "broadsheet.db"))
}

// withPassword puts the password of the environment into the address of a database on a server that has
// none. Others stay as they are. What it returns is for opening the database and not for people.
func (p *program) withPassword(dsn string) (string, error) {
	scheme, rest, _ := strings.Cut(dsn, "://")
	if scheme != "postgres" && scheme != "postgresql" {
		return dsn, nil
	}
	password, err := secrets.Value(p.getenv, dbPassword)
	if err != nil || password == "" {
		return dsn, usage(err)
	}
	// As text, for an address of several hosts is none that net/url promises to read.
	server, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		server, path = rest[:i], rest[i:]
	}
	i := strings.LastIndexByte(server, '@')
	switch user := server[:max(i, 0)]; {
	case user == "":
		return "", usagef("the database's address names no user: write postgres://USER@HOST/NAME, or leave %s away", dbPassword)
	case strings.Contains(user, ":"):
		return "", usagef("the database's address has a password, and %s or %[1]s_FILE is set; keep one", dbPassword)
	default:
		_, escaped, _ := strings.Cut(url.UserPassword("", password).String(), ":")
		return scheme + "://" + user + ":" + escaped + server[i:] + path, nil
	}
}
