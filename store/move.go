package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"broadsheet/operators"
	"broadsheet/subscribers"
)

// Move is how a database is moved to another place.
type Move struct {
	From, To    string                               // as [Open] takes them
	AddressHash func(folded string) subscribers.Hash // as in [Options]
	Fingerprint string                               // of the key: see [DB.CheckKey]
	By          operators.By
	Now         func() time.Time // the program's clock; nil = time.Now
	Progress    func(MoveStep)   // is told now and then; may be nil

	together int // rows to a transaction, for tests
}

// MoveStep is how far a move is.
type MoveStep struct {
	Checking bool   // else rows are carried
	Table    string // that is under way
	Rows, Of int64  // of all tables
}

// MovedTable is a table that arrived.
type MovedTable struct {
	Name    string `json:"table"`
	Rows    int64  `json:"rows"`
	Cleaned int64  `json:"cleaned"` // texts that had NUL or no UTF-8 in them
	Hash    string `json:"hash"`    // sum of the SHA-256 hashes of its rows: the same on both sides
}

// MoveReport is what [Move.Run] did.
type MoveReport struct {
	From    string        `json:"from"`
	To      string        `json:"to"`
	Tables  []MovedTable  `json:"tables"`
	Rows    int64         `json:"rows"`
	Cleaned int64         `json:"cleaned"`
	WentOn  bool          `json:"went_on"` // an earlier run had carried some of it
	Before  bool          `json:"before"`  // an earlier run had carried all of it
	Took    time.Duration `json:"-"`
}

var (
	// ErrNotEmpty says that a database is not empty that is to take another.
	ErrNotEmpty = errors.New("target is not empty: make a new database for it")
	// ErrSameDatabase says that source and target are one.
	ErrSameDatabase = errors.New("source and target are the same database")
	// ErrInUse says that other processes have a PostgreSQL database open.
	ErrInUse = errors.New("database is in use")
	// ErrDiffers says that a table did not arrive as it was.
	ErrDiffers = errors.New("not everything arrived as it was")
	// ErrNotAdopted says that a database may not mail.
	ErrNotAdopted = errors.New("this copy of the database may not mail: adopt it first")
)

// Run moves a database: it carries all tables, checks counts and hashes on both sides, and has the target be the
// one that mails. It may end at any moment, and goes on where it was when it is run again. The source is marked, so
// that nothing sends from it any more. Errors: [ErrLocked] or [ErrInUse] if a sender is at work, [ErrNotEmpty] if
// the target holds something else, [Moved] if the source went elsewhere.
func (m Move) Run(ctx context.Context) (report MoveReport, err error) {
	began := time.Now()
	if m.Now == nil {
		m.Now = time.Now
	}
	name := "broadsheet migrate " + strings.ToLower(rand.Text()[:8])
	from, err := Open(ctx, m.From, Options{Existing: true, AddressHash: m.AddressHash, name: name})
	if err != nil {
		return report, err
	}
	defer from.Close()
	if err := from.CheckKey(ctx, m.Fingerprint); err != nil {
		return report, err
	}
	unlock, err := from.LockSender(ctx, false)
	if err != nil {
		return report, err
	}
	defer unlock()
	if path, err := sqlitePath(m.To); err == nil && !isPostgres(m.To) && path == from.path {
		return report, ErrSameDatabase
	}
	to, err := Open(ctx, m.To, Options{name: name})
	if err != nil {
		return report, err
	}
	defer to.Close()
	r := &run{Move: m, from: from, to: to}
	report, err = r.run(ctx)
	report.From, report.To, report.Took = from.place, to.place, time.Since(began)
	return report, err
}

// run is a move under way.
type run struct {
	Move
	from, to       *DB
	source, target *end
	state          *moving
	sums           map[string]*sum // of tables that were carried as a whole, as they were read
	all, done      int64
}

func (r *run) run(ctx context.Context) (report MoveReport, err error) {
	if r.to.path != "" {
		unlock, err := r.to.LockSender(ctx, false)
		if err != nil {
			return report, err
		}
		defer unlock()
	} else if err := r.to.alone(ctx); err != nil {
		return report, fmt.Errorf("target: %w", err)
	}
	var free func()
	if r.target, free, err = r.to.newEnd(ctx); err != nil {
		return report, err
	}
	defer free()
	finish, over, err := r.prepare(ctx)
	switch {
	case err != nil:
		return report, err
	case over:
		report.Before = true
		return report, nil
	case finish:
		report.Before = true
		return report, r.arrive(ctx)
	}
	if r.source, free, err = r.from.newEnd(ctx); err != nil {
		return report, err
	}
	defer free()
	if err := sameTables(r.source.tables, r.target.tables); err != nil {
		return report, err
	}
	if err := r.hold(ctx); err != nil {
		return report, err
	}
	if err := r.fill(ctx, &report); err != nil {
		return report, err
	}
	if err := r.source.exec(ctx, "COMMIT"); err != nil {
		return report, err
	}
	if err := r.markSource(ctx, noLane, movedInstance); err != nil {
		return report, err
	}
	return report, r.arrive(ctx)
}

// fill carries everything and checks it.
func (r *run) fill(ctx context.Context, report *MoveReport) error {
	report.WentOn = len(r.state.Tables) > 0
	if err := r.carry(ctx); err != nil {
		return err
	}
	if err := r.check(ctx, report); err != nil {
		return err
	}
	if err := r.target.number(ctx); err != nil {
		return err
	}
	return r.target.analyze(ctx)
}

// prepare looks how source and target stand, marks the source and begins in the target. finish says that
// everything was found to have arrived, over that the target is in use.
func (r *run) prepare(ctx context.Context) (finish, over bool, err error) {
	var database, other string
	for db, to := range map[*DB]*string{r.from: &database, r.to: &other} {
		if err := db.read().scan(ctx, `SELECT value FROM meta WHERE name = 'database'`, nil, to); err != nil && db == r.from {
			return false, false, fmt.Errorf("name database: %w", err)
		}
	}
	if r.from.path == "" && r.to.path == "" {
		a, err := server(ctx, r.from.read())
		if err != nil {
			return false, false, err
		}
		if b, err := server(ctx, r.to.read()); err != nil || a == b {
			return false, false, errors.Join(err, ErrSameDatabase)
		}
	}
	gone, err := r.from.Moved(ctx)
	if err != nil {
		return false, false, err
	}
	if gone != nil && gone.Into {
		return false, false, gone
	}
	if r.state, err = movingInto(ctx, r.to.read()); err != nil {
		return false, false, err
	}
	if gone != nil && gone.Done {
		if r.state != nil && r.state.ID == gone.id {
			return true, false, nil
		}
		var arrived int
		if err := r.to.read().scan(ctx, `SELECT count(*) FROM adoptions WHERE instance = ?1`, args{movingInstance + gone.id}, &arrived); err != nil || arrived == 0 {
			return false, false, errors.Join(err, gone)
		}
		return false, true, nil
	}
	if err := r.takes(ctx, database); err != nil {
		return false, false, err
	}
	if gone == nil || r.state == nil || r.state.ID != gone.id {
		return false, false, r.beginAnew(ctx, database, gone != nil)
	}
	return false, false, nil
}

// takes is an error unless the target is empty, or is half filled from the same database.
func (r *run) takes(ctx context.Context, database string) error {
	if r.state != nil {
		if r.state.Database != database {
			return fmt.Errorf("%w: it is half filled from %s", ErrNotEmpty, r.state.From)
		}
		return nil
	}
	empty, found, err := r.target.empty(ctx)
	if err != nil {
		return fmt.Errorf("look into target: %w", err)
	}
	if !empty {
		return fmt.Errorf("%w (its table %s has rows)", ErrNotEmpty, found)
	}
	return nil
}

// leave puts right what senders left behind in the source, and marks it.
func (r *run) leave(ctx context.Context) error {
	s, err := r.from.Standing(ctx)
	if err != nil {
		return err
	}
	if why := s.Differs(s.Adopted.PublicURL, s.Adopted.Accounts); len(why) > 0 {
		return fmt.Errorf("%w: %s", ErrNotAdopted, strings.Join(why, "; "))
	}
	if r.from.path != "" {
		if _, err := r.from.Recover(ctx, r.Now()); err != nil {
			return err
		}
		return r.markSource(ctx, allLanes, movingInstance)
	}
	if err := r.from.alone(ctx); err != nil {
		return err
	}
	return r.markSource(ctx, allLanes, movingInstance)
}

// takeBack puts right what senders of a PostgreSQL database left behind whose leases are over. It is an error if one is not.
func (r *run) takeBack(ctx context.Context, t *tx) error {
	type lease struct{ batch, until int64 }
	list, err := selectAll(ctx, t, `SELECT id, lease_until FROM batches WHERE lease_until > 0 ORDER BY id`, nil,
		func(r *sql.Rows) (l lease, err error) { return l, r.Scan(&l.batch, &l.until) })
	clock := r.from.leaseClock()
	for _, l := range list {
		ended := clock.Sub(fromUS(l.until))
		if ended < 0 {
			return fmt.Errorf("%w: a sender has mail in hand until %s: stop it, or wait until then", ErrInUse, fromUS(l.until).Format("15:04:05 UTC"))
		}
		var s span
		if err == nil {
			s, err = spanOf(ctx, t, l.batch)
		}
		if err == nil {
			err = errors.Join(t.repair(ctx, s, r.Now().Add(max(0, silence-ended)), r.Now()), t.free(ctx, s))
		}
	}
	return err
}

// alone is an error if other processes of this program have a PostgreSQL database open, or one was heard of
// a moment ago.
func (db *DB) alone(ctx context.Context) error {
	var n int
	if err := db.read().scan(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'broadsheet%' AND application_name <> ?1`,
		args{db.opts.name}, &n); err != nil {
		return fmt.Errorf("look who is at work: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("%w by other processes of this program (%d connections): stop them first", ErrInUse, n)
	}
	list, err := db.Workers(ctx)
	if err != nil {
		return err
	}
	for _, w := range list {
		if ago := db.leaseClock().Sub(w.Seen); w.Name != "" && ago < 4*BeatEvery {
			return fmt.Errorf("%w: %s was heard of %.0f s ago: stop it, or wait until it was not heard of for %s", ErrInUse, w.Name, ago.Seconds(), 4*BeatEvery)
		}
	}
	return nil
}

// beginAnew marks the source and empties the target.
func (r *run) beginAnew(ctx context.Context, database string, marked bool) (err error) {
	r.state = r.newMoving(database, r.from.place)
	if marked {
		err = r.markSource(ctx, noLane, movingInstance)
	} else {
		err = r.leave(ctx)
	}
	if err != nil {
		return err
	}
	return r.clear(ctx)
}

// clear empties the target, and says in it what is on its way.
func (r *run) clear(ctx context.Context) error {
	if err := r.target.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	err := r.keepState(ctx)
	if err == nil {
		err = r.target.wipe(ctx)
	}
	if err == nil && r.to.path == "" {
		err = r.target.exec(ctx, `DELETE FROM workers`) // until it arrives, nobody else writes
	}
	if err == nil {
		err = r.target.exec(ctx, "COMMIT")
	}
	if err != nil {
		_ = r.target.exec(context.WithoutCancel(ctx), "ROLLBACK")
		return fmt.Errorf("begin in target: %w", explain(err))
	}
	return nil
}

// markSource puts on record in the source where it goes. Once it is marked, nobody has a lane any more.
func (r *run) markSource(ctx context.Context, l lanes, kind string) error {
	err := r.from.writeIn(ctx, l, func(ctx context.Context, t *tx) error {
		if r.from.path == "" && l == allLanes {
			if err := errors.Join(r.takeBack(ctx, t), t.shut(ctx)); err != nil {
				return err
			}
		}
		return t.mark(ctx, r.By, kind+r.state.ID, r.to.place, r.Now())
	})
	if err != nil {
		return fmt.Errorf("mark source: %w", err)
	}
	return nil
}

// keepState writes how far it is, in the target's transaction.
func (r *run) keepState(ctx context.Context) error {
	b, err := json.Marshal(r.state)
	if err != nil {
		return err
	}
	return r.target.exec(ctx, `INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2`, metaMoving, string(b))
}

// hold has the source stand still: nothing is written into it before the move ends.
func (r *run) hold(ctx context.Context) error {
	begin := "BEGIN IMMEDIATE"
	if r.from.path == "" {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
	}
	if err := r.source.exec(ctx, begin); err != nil {
		return fmt.Errorf("hold source: %w", explain(err))
	}
	return nil
}

// carry carries what is not there yet.
func (r *run) carry(ctx context.Context) error {
	for _, t := range r.source.tables {
		n, err := r.source.count(ctx, t)
		if err != nil {
			return fmt.Errorf("count rows of table %s: %w", t.name, err)
		}
		r.all += n
	}
	r.sums = make(map[string]*sum)
	for _, t := range r.target.tables {
		at := r.state.Tables[t.name]
		if at == nil {
			at = &movingTable{}
			r.state.Tables[t.name] = at
		}
		if r.done += at.Rows; at.Done {
			continue
		}
		var after []any
		if at.After != nil {
			var err error
			if after, err = parseRow(at.After); err != nil || len(after) != len(t.key) {
				return fmt.Errorf("table %s: %w", t.name, errors.Join(err, errRow))
			}
		}
		c := &carrier{from: r.source, to: r.target, together: r.together,
			carried: func(n int64) { r.done += n; r.tell(false, t.name) },
			keep: func(ctx context.Context, key []any, rows, cleaned int64) error {
				at.Rows, at.Cleaned, at.After = at.Rows+rows, at.Cleaned+cleaned, appendRow(nil, key)
				return r.keepState(ctx)
			}}
		s, err := c.table(ctx, t, after)
		if err != nil {
			return err
		}
		if after == nil {
			r.sums[t.name] = &s
		}
		at.Done = true // kept with the next table's rows, or found again by looking behind its last key
	}
	return nil
}

func (r *run) tell(checking bool, table string) {
	if r.Progress != nil {
		r.Progress(MoveStep{Checking: checking, Table: table, Rows: r.done, Of: r.all})
	}
}

// check compares all tables on both sides.
func (r *run) check(ctx context.Context, report *MoveReport) error {
	r.done = 0
	var differ []string
	for _, t := range r.target.tables {
		source := r.sums[t.name]
		read := make(chan error, 1)
		if source == nil {
			source = &sum{}
			go func() {
				s, err := r.source.sumOf(ctx, named(r.source.tables, t.name).inColumnsOf(t), nil)
				*source = s
				read <- err
			}()
		} else {
			read <- nil
		}
		target, err := r.target.sumOf(ctx, t, func(n int64) { r.done += n; r.tell(true, t.name) })
		if err = errors.Join(err, <-read); err != nil {
			return fmt.Errorf("check table %s: %w", t.name, explain(err))
		}
		if !source.same(&target) {
			differ = append(differ, fmt.Sprintf("table %s has %d rows with hash %.12s, and the source %d with %.12s", t.name, target.rows, target.String(), source.rows, source.String()))
		}
		cleaned := r.state.Tables[t.name].Cleaned
		report.Tables = append(report.Tables, MovedTable{Name: t.name, Rows: target.rows, Cleaned: cleaned, Hash: target.String()})
		report.Rows += target.rows
		report.Cleaned += cleaned
	}
	if len(differ) == 0 {
		return nil
	}
	// What differs was changed since it was carried: the next run begins anew.
	r.state.ID = ""
	err := r.keepState(ctx)
	return errors.Join(fmt.Errorf("%w: %s. Somebody wrote into one of them: nothing is lost, run it again and it begins anew", ErrDiffers, strings.Join(differ, "; ")), err)
}

// newMoving is the state of one that begins.
func (r *run) newMoving(database, from string) *moving {
	return &moving{ID: strings.ToLower(rand.Text()), Database: database, From: from, Began: us(r.Now()), Tables: map[string]*movingTable{}}
}

// arrive has the target be the database that mails.
func (r *run) arrive(ctx context.Context) error {
	if err := r.to.reopen(ctx); err != nil {
		return fmt.Errorf("adopt target: %w", err)
	}
	err := r.to.write(ctx, func(ctx context.Context, t *tx) error {
		last, err := t.lastAdoption(ctx)
		if err != nil {
			return err
		}
		if r.to.path == "" {
			if _, err := t.exec(ctx, `DELETE FROM journals`); err != nil { // the server keeps its own
				return err
			}
			last.Instance, err = server(ctx, t)
		} else {
			if err = r.to.forgetLost(ctx, t); err != nil {
				return err
			}
			last.Instance, err = r.to.makeInstance(r.state.Database)
		}
		if err != nil {
			return err
		}
		now := r.Now()
		if err := t.adopt(ctx, operators.By{Who: r.By.Who, Why: "moved from " + r.state.From}, last, now); err != nil {
			return err
		}
		if err := t.audit(ctx, r.By, "migrate", "database", "from "+r.state.From+" to "+r.to.place, now); err != nil {
			return err
		}
		return t.forgetMoving(ctx)
	})
	if err != nil {
		return fmt.Errorf("adopt target: %w", err)
	}
	return nil
}
