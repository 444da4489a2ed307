package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"broadsheet/operators"
)

// Beside the database lies PATH.instance. It says which of all copies of the database this one is, and
// which journals there have been, so that a database that was put back or carried elsewhere cannot
// believe that it knows everything.
//
// Its first line is a JSON object ([Instance]); then come lines "+NAME" for each journal that was
// made and "-NAME" for each that was dropped because its time was up. The file is made with the
// database, is only ever added to, and is replaced when a person adopts a copy.
//
// Whoever copies the folder copies the file too, so it also holds what a copy changes: the number
// that the file has in its file system (inode). It stays when the machine starts again, when a container
// is made anew on the same volume, when the host gets another name and when the folder is moved within
// its file system; any copy there has another. Fresh file systems that are filled alike give out the same numbers:
// so it also holds when it was made, where the file system keeps that. The machine's own id (/etc/machine-id), where there is one, tells
// clones of whole disks. Path, device and host name are not compared, for they change for no reason.

const instanceSuffix = ".instance"

// Instance is what the file beside a database says of it.
type Instance struct {
	ID       string `json:"instance"`
	Database string `json:"database"`       // the same in all its copies
	Inode    uint64 `json:"inode"`          // of the file itself, when it was made
	Born     string `json:"born,omitempty"` // when the file was made, by its file system; "" = it does not say
	Machine  string `json:"machine"`        // hash of the machine's id, "" = it has none
	Path     string `json:"path"`           // of the database then, for people
	Host     string `json:"host"`           // name of the machine then, for people
}

// Adoption is a row of the record of who said that this copy of the database is the one that mails.
type Adoption struct {
	At        time.Time    `json:"at"`
	By        operators.By `json:"-"`
	Instance  string       `json:"instance"`
	PublicURL string       `json:"public_url"`
	Accounts  []string     `json:"accounts"` // of relays elsewhere; empty = no mail was given to any so far
}

// Standing is how this copy of the database stands to the one that mailed last.
type Standing struct {
	Database string
	Path     string
	Adopted  Adoption // the latest; zero = none
	file     *instanceFile
	inode    uint64 // that the file has now
	machine  string // this one
	lost     []string
	server   string // on PostgreSQL: which one, and which of its databases
}

// instanceFile is the file as read.
type instanceFile struct {
	Instance
	made     string          // when, as its file system has it now
	journals map[string]bool // false = dropped
}

// machineID tells this machine from clones of it; "" if it cannot.
func machineID() string {
	b, err := os.ReadFile("/etc/machine-id")
	id := strings.TrimSpace(string(b))
	if err != nil || len(id) != 32 {
		return ""
	}
	sum := sha256.Sum256([]byte("broadsheet " + id)) // the id itself is not to be shown to others (machine-id(5))
	return hex.EncodeToString(sum[:8])
}

func inodeOf(f interface{ Stat() (fs.FileInfo, error) }) (uint64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.New("files have no numbers here")
	}
	return s.Ino, nil
}

// readInstance reads the file beside a database and its number; nil if there is none.
func readInstance(path string) (f *instanceFile, inode uint64, err error) {
	file, err := os.Open(path + instanceSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	if inode, err = inodeOf(file); err != nil {
		return nil, 0, err
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(file); err != nil {
		return nil, 0, err
	}
	f = &instanceFile{made: birthOf(file), journals: make(map[string]bool)}
	head, rest, _ := strings.Cut(b.String(), "\n")
	if json.Unmarshal([]byte(head), &f.Instance) != nil {
		return &instanceFile{}, inode, nil // somebody's file: it names no instance, and so differs
	}
	for line := range strings.Lines(rest) {
		if name, whole := strings.CutSuffix(line, "\n"); whole && len(name) > 1 {
			f.journals[name[1:]] = name[0] == '+'
		}
	}
	return f, inode, nil
}

// makeInstance writes a new file beside the database, which knows the journals that are there.
func (db *DB) makeInstance(database string) (id string, err error) {
	name := db.path + instanceSuffix
	f, err := os.OpenFile(name+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	inode, err := inodeOf(f)
	if err != nil {
		return "", err
	}
	host, _ := os.Hostname()
	is := Instance{ID: strings.ToLower(rand.Text()), Database: database, Inode: inode, Born: birthOf(f), Machine: machineID(), Path: db.path, Host: host}
	b, err := json.Marshal(is)
	if err != nil {
		return "", err
	}
	b = append(b, '\n')
	found, err := journalFiles(db.path)
	if err != nil {
		return "", err
	}
	for _, j := range found {
		b = append(b, "+"+j+"\n"...)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync()); err != nil {
		os.Remove(f.Name())
		return "", full(err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return "", err
	}
	return is.ID, syncFolder(db.path)
}

// noteJournal adds to the file beside a database that a journal was made ('+') or is dropped ('-').
// Where there is none it does nothing: sending is held there.
func noteJournal(path string, sign byte, name string) error {
	f, err := os.OpenFile(path+instanceSuffix, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(string(sign) + name + "\n")
	return full(errors.Join(err, f.Sync(), f.Close()))
}

// begin puts a database on record that is new, or was made by a program that kept no such record. One that
// was put in the place of another waits for a person.
func (db *DB) begin(ctx context.Context) error {
	if m, err := movingInto(ctx, db.read()); err != nil || m != nil { // it belongs to the one that is on its way here
		return err
	}
	var have int
	if err := db.read().scan(ctx, `SELECT coalesce(max(id), 0) FROM adoptions`, nil, &have); err != nil || have > 0 {
		return err
	}
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.scan(ctx, `SELECT coalesce(max(id), 0) FROM adoptions`, nil, &have); err != nil || have > 0 {
			return err // another program was quicker
		}
		if db.path == "" {
			id, err := server(ctx, t)
			if err != nil {
				return err
			}
			return t.adopt(ctx, operators.By{Who: "first start"}, Adoption{Instance: id}, db.real())
		}
		var database string
		if err := t.scan(ctx, `SELECT value FROM meta WHERE name = 'database'`, nil, &database); err != nil {
			return err
		}
		f, inode, err := readInstance(db.path)
		if err != nil {
			return err
		}
		if f == nil {
			// One of before there was this file that lacks journals was carried here without them: a person decides.
			if lost, err := db.lostJournals(ctx, t); err != nil || len(lost) > 0 {
				return err
			}
			id, err := db.makeInstance(database)
			if err != nil {
				return err
			}
			if err := db.forgetLost(ctx, t); err != nil {
				return err
			}
			return t.adopt(ctx, operators.By{Who: "first start"}, Adoption{Instance: id}, db.real())
		}
		if f.Database == database && f.Inode == inode && !f.reborn() { // an older database, put back in its own place
			return t.adopt(ctx, operators.By{Who: "first start"}, Adoption{Instance: f.ID}, db.real())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record instance: %w", err)
	}
	return nil
}

func (t *tx) adopt(ctx context.Context, by operators.By, a Adoption, now time.Time) error {
	accounts, err := json.Marshal(append([]string{}, a.Accounts...))
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO adoptions (at, who, why, instance, public_url, accounts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
		us(now), by.Who, by.Why, a.Instance, a.PublicURL, string(accounts))
	return err
}

// server names a PostgreSQL server and the database in it, so that a copy elsewhere has another name. A standby
// that takes over keeps it.
func server(ctx context.Context, q querier) (id string, err error) {
	err = q.scan(ctx, `SELECT system_identifier::text || '/' || oid::text FROM pg_control_system(), pg_database WHERE datname = current_database()`, nil, &id)
	return id, err
}

// reborn reports whether the file is a copy by the time it was made at, as far as that is known.
func (f *instanceFile) reborn() bool { return f.Born != "" && f.made != "" && f.Born != f.made }

// lostJournals names the journals that the database knows and that are not there.
func (db *DB) lostJournals(ctx context.Context, t *tx) (lost []string, err error) {
	known, err := t.journals(ctx)
	if err != nil || len(known) == 0 {
		return nil, err
	}
	found, err := journalFiles(db.path)
	for name, size := range known {
		if size >= 0 && !slices.Contains(found, name) {
			lost = append(lost, name)
		}
	}
	return lost, err
}

// forgetLost takes it that the journals that are not there, or were dropped, say nothing new.
func (db *DB) forgetLost(ctx context.Context, t *tx) error {
	if _, err := t.exec(ctx, `DELETE FROM journals WHERE size < 0`); err != nil {
		return err
	}
	known, err := t.journals(ctx)
	if err != nil {
		return err
	}
	found, err := journalFiles(db.path)
	if err != nil {
		return err
	}
	for name := range known {
		if !slices.Contains(found, name) {
			if _, err := t.exec(ctx, `DELETE FROM journals WHERE name = ?1`, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Standing looks how this copy stands. It reads a few rows and a small file.
func (db *DB) Standing(ctx context.Context) (s Standing, err error) {
	s = Standing{Path: db.place, machine: machineID()}
	if db.path == "" {
		if s.server, err = server(ctx, db.read()); err != nil {
			return s, fmt.Errorf("look at server: %w", err)
		}
	} else if s.file, s.inode, err = readInstance(db.path); err != nil {
		return s, fmt.Errorf("look at instance: %w", err)
	}
	list, err := db.adoptions(ctx, 1)
	if err != nil {
		return s, err
	}
	if len(list) > 0 {
		s.Adopted = list[0]
	}
	q := db.read()
	if err := q.scan(ctx, `SELECT value FROM meta WHERE name = 'database'`, nil, &s.Database); err != nil {
		return s, fmt.Errorf("look at instance: %w", err)
	}
	if db.path == "" {
		return s, nil
	}
	known := make(map[string]int64)
	if _, err := selectAll(ctx, q, `SELECT name, size FROM journals`, nil, into(known)); err != nil {
		return s, fmt.Errorf("look at journals: %w", err)
	}
	found, err := journalFiles(db.path)
	if err != nil {
		return s, fmt.Errorf("look at journals: %w", err)
	}
	gone := func(name string) bool { return !slices.Contains(found, name) }
	for name, size := range known {
		if size >= 0 && gone(name) && (s.file == nil || s.file.journals[name]) {
			s.lost = append(s.lost, name)
		}
	}
	if s.file != nil {
		for name, kept := range s.file.journals {
			_, here := known[name]
			if gone(name) && !here { // made, or dropped, after this database was as it is
				s.lost = append(s.lost, name)
			} else if kept && gone(name) && !slices.Contains(s.lost, name) {
				s.lost = append(s.lost, name)
			}
		}
	}
	slices.Sort(s.lost)
	return s, nil
}

// Adoptions lists who said when that this copy is the one that mails, the latest first.
func (db *DB) Adoptions(ctx context.Context) ([]Adoption, error) { return db.adoptions(ctx, 100) }

func (db *DB) adoptions(ctx context.Context, most int) ([]Adoption, error) {
	list, err := selectAll(ctx, db.read(), `SELECT at, who, why, instance, public_url, accounts FROM adoptions WHERE id > 0 ORDER BY id DESC LIMIT ?1`, args{most},
		func(r *sql.Rows) (a Adoption, err error) {
			var at int64
			var accounts string
			if err = r.Scan(&at, &a.By.Who, &a.By.Why, &a.Instance, &a.PublicURL, &accounts); err != nil {
				return a, err
			}
			a.At = fromUS(at)
			return a, json.Unmarshal([]byte(accounts), &a.Accounts)
		})
	if err != nil {
		return nil, fmt.Errorf("list adoptions: %w", err)
	}
	return list, nil
}

// Differs says in words why this copy may not mail, with the public URL and the accounts of relays
// elsewhere that it would use; nothing if it may.
func (s *Standing) Differs(publicURL string, accounts []string) (why []string) {
	a, f := s.Adopted, s.file
	if m := movedBy(a); m != nil {
		return append(why, m.Error())
	}
	switch {
	case a.Instance == restoredInstance:
		why = append(why, fmt.Sprintf("it was put back from %s at %s: which mails left and who left since then cannot be known", a.By.Why, a.At.Format("2006-01-02 15:04 UTC")))
	case s.server != "" && s.server != a.Instance:
		why = append(why, fmt.Sprintf("this is a copy: mail last went out from another PostgreSQL server or database (%s), and this is %s", cmp.Or(a.Instance, "none on record"), s.server))
	case s.server != "":
	case f == nil:
		why = append(why, fmt.Sprintf("%s is not there: this is a copy of the database, or it was carried to another place", s.Path+instanceSuffix))
	case f.Database != s.Database:
		why = append(why, fmt.Sprintf("another database was here: %s is of database %.8s, and this one is %.8s", s.Path+instanceSuffix, f.Database, s.Database))
	case f.Inode != s.inode, f.reborn():
		why = append(why, fmt.Sprintf("this is a copy: the one that mails was at %s on %s", f.Path, f.Host))
	case f.Machine != "" && s.machine != "" && f.Machine != s.machine:
		why = append(why, fmt.Sprintf("this is another machine: the one that mails was %s, with the database at %s", f.Host, f.Path))
	case a.Instance != f.ID:
		why = append(why, fmt.Sprintf("the database was last used by instance %.8s, and this is instance %.8s", a.Instance, f.ID))
	}
	if n := len(s.lost); n > 0 {
		why = append(why, fmt.Sprintf("%d of its journals are gone (%s): which mails left and who left since then cannot be known", n, s.lost[0]))
	}
	if len(a.Accounts) == 0 {
		return why
	}
	if a.PublicURL != publicURL {
		why = append(why, fmt.Sprintf("public_url is %s, and was %s when mail last went out: if that is meant, adopt it", publicURL, a.PublicURL))
	}
	for _, account := range accounts {
		if !slices.Contains(a.Accounts, account) {
			why = append(why, fmt.Sprintf("relay account %s is new, mail last went through %s: if that is meant, adopt it", account, strings.Join(a.Accounts, ", ")))
		}
	}
	return why
}

// Fresh reports whether no mail has been given to a relay elsewhere so far.
func (s *Standing) Fresh() bool { return len(s.Adopted.Accounts) == 0 }

// Lost names the journals that are gone.
func (s *Standing) Lost() []string { return s.lost }

// Instance is what the file beside the database says; zero if there is none.
func (s *Standing) Instance() Instance {
	if s.file == nil {
		return Instance{}
	}
	return s.file.Instance
}

// Adopt puts on record that this copy, with this public URL and these accounts of relays elsewhere,
// is the one that mails, and writes the audit log. What its journals do not say any more it takes for nothing.
// The first record of accounts, which a program makes by itself, has by.Who "" and no line in the log.
func (db *DB) Adopt(ctx context.Context, by operators.By, publicURL string, accounts []string, detail string, now time.Time) error {
	if err := db.reopen(ctx); err != nil { // one that had moved
		return fmt.Errorf("adopt database: %w", err)
	}
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		var database string
		if err := t.scan(ctx, `SELECT value FROM meta WHERE name = 'database'`, nil, &database); err != nil {
			return err
		}
		s, err := db.Standing(ctx)
		if err != nil {
			return err
		}
		a := Adoption{Instance: cmp.Or(s.server, s.Instance().ID), PublicURL: publicURL, Accounts: accounts}
		if by.Who == "" {
			return t.adopt(ctx, operators.By{Who: "first mail"}, a, now)
		}
		s.Adopted = a
		if db.path == "" {
			a.Instance = s.server
		} else if len(s.Differs(publicURL, accounts)) > 0 {
			if a.Instance, err = db.makeInstance(database); err != nil {
				return err
			}
			if err := db.forgetLost(ctx, t); err != nil {
				return err
			}
		}
		if err := t.adopt(ctx, by, a, now); err != nil {
			return err
		}
		return t.audit(ctx, by, "adopt", "database", detail, now)
	})
	if err != nil {
		return fmt.Errorf("adopt database: %w", err)
	}
	return nil
}
