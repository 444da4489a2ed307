package commands

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// program is one run: what came from outside, and what commands share once opened.
type program struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer

	configFile, dsn string
	verbose         bool
	gone            bool   // a database that has moved may be opened too
	roles           roles  // of serve
	name            string // of this process among workers; "" = its machine and number
	at              string // --at as given
	log             logForm

	patience      time.Duration // how long send waits for a relay that is down; 0 = the sender's own default
	earlyPatience time.Duration // see there; 0 = that

	cfg  *schedule.Config
	ring *subscribers.Keys
	db   *store.DB
	now  func() time.Time

	jobs     *jobs        // nil = none yet
	meters   *meters      // of the process, once there is an engine
	watching *watchServer // nil = nobody watches
}

// clockFlag adds --at to a command.
func (p *program) clockFlag(c *cobra.Command) {
	c.Flags().StringVar(&p.at, "at", "", "let the clock start at this `RFC3339` instant and run on")
}

// clock returns the program's clock: the machine's, or one that started at --at.
func (p *program) clock() (func() time.Time, error) {
	if p.now != nil {
		return p.now, nil
	}
	p.now = time.Now
	if p.at != "" {
		at, err := time.Parse(time.RFC3339, p.at)
		if err != nil {
			return nil, usagef("--at %q is no RFC 3339 instant; write e.g. 2026-04-02T07:00:00Z", p.at)
		}
		start := time.Now()
		p.now = func() time.Time { return at.Add(time.Since(start)).UTC() }
	}
	return p.now, nil
}

// config reads schedule.yaml.
func (p *program) config() (*schedule.Config, error) {
	if p.cfg != nil {
		return p.cfg, nil
	}
	cfg, err := schedule.Load(p.configFile, p.getenv)
	if err != nil {
		return nil, usage(err)
	}
	p.cfg = cfg
	return cfg, nil
}

// keyring reads BROADSHEET_KEY or BROADSHEET_KEY_FILE.
func (p *program) keyring() (*subscribers.Keys, error) {
	if p.ring != nil {
		return p.ring, nil
	}
	ring, err := subscribers.LoadKeys(p.getenv)
	if err != nil {
		return nil, usage(err)
	}
	p.ring = ring
	return ring, nil
}

// database opens the database, or makes it. With keys it also checks that they are this database's own.
func (p *program) database(ctx context.Context, withKeys bool) (*store.DB, error) {
	return p.open(ctx, withKeys, store.Options{})
}

// databaseThere opens a database that is there. Who only looks at what came back, and does so in the
// wrong folder, is told so.
func (p *program) databaseThere(ctx context.Context, withKeys bool) (*store.DB, error) {
	db, err := p.open(ctx, withKeys, store.Options{Existing: true})
	if errors.Is(err, store.ErrNoDatabase) {
		return nil, usagef("%w; name one with --db or BROADSHEET_DB, or the folder's configuration with --config", err)
	}
	return db, err
}

func (p *program) open(ctx context.Context, withKeys bool, options store.Options) (*store.DB, error) {
	if p.db != nil {
		return p.db, nil
	}
	var ring *subscribers.Keys
	if withKeys {
		var err error
		if ring, err = p.keyring(); err != nil {
			return nil, err
		}
		options.AddressHash = ring.AddressHash
	}
	dsn, err := p.withPassword(p.databaseName())
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, dsn, options)
	if err != nil {
		return nil, err
	}
	p.db = db
	if moved, err := db.Moved(ctx); err != nil {
		return nil, err
	} else if moved != nil && (!p.gone || moved.Into) {
		return nil, &exitError{exitHeld, moved}
	}
	if ring != nil {
		if err := db.CheckKey(ctx, ring.Fingerprint()); err != nil {
			return nil, usage(err)
		}
	}
	return db, nil
}

// configAndDatabase opens both.
func (p *program) configAndDatabase(ctx context.Context, withKeys bool) (*schedule.Config, *store.DB, error) {
	cfg, err := p.config()
	if err != nil {
		return nil, nil, err
	}
	db, err := p.database(ctx, withKeys)
	return cfg, db, err
}

func (p *program) close() error {
	if p.jobs != nil {
		p.jobs.end()
	}
	if p.db == nil {
		return nil
	}
	return p.db.Close()
}

// logger writes to standard error; addresses in it are masked by whoever logs them.
func (p *program) logger() *slog.Logger {
	level := slog.LevelInfo
	if p.verbose {
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level}
	if p.log == logJSON {
		return slog.New(slog.NewJSONHandler(p.stderr, options))
	}
	return slog.New(slog.NewTextHandler(p.stderr, options))
}
