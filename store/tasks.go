package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"broadsheet/intake"
	"broadsheet/operators"
	"broadsheet/subscribers"
)

// Kinds of tasks that come from here; those of a message are in package intake.
const (
	TaskForward = "forward" // an answer could not be passed on
	TaskFlood   = "flood"   // one sender answers so often that the rest is not passed on
)

// Task is something that a person has to decide.
type Task struct {
	ID         int64
	Kind       string // leave, complaint, forward, flood
	Subscriber int64  // whom it is about; 0 = nobody knows
	Address    string // of that reader now; "" if there is none any more
	Status     string // likewise
	Inbound    int64  // message that opened it; 0 = none
	From       string // of that message, folded; "" once it is forgotten
	Subject    string // likewise
	Detail     string
	At         time.Time
	Done       time.Time // zero while it is open
	Outcome    string    // what was done, in the operator's words
	More       int       // further messages that say the same, and opened none of their own
}

// tasksMost is how many tasks are listed.
const tasksMost = 1000

const taskColumns = `SELECT t.id, t.kind, t.subscriber, coalesce(st.address, ''), coalesce(st.status, ''), t.inbound, coalesce(i.sender, ''),
		coalesce(i.subject, ''), t.detail, t.at, t.done, t.outcome,
		(SELECT count(*) FROM inbound m WHERE m.task = t.id AND m.task > 0 AND m.id <> t.inbound)
	FROM tasks t LEFT JOIN subscribers s ON s.id = t.subscriber LEFT JOIN settings st ON st.id = s.settings LEFT JOIN inbound i ON i.id = t.inbound `

// tasksAnHour is how many tasks of a kind nobody's messages open within an hour: who writes may call
// themselves by another name each time.
const tasksAnHour = 20

// taskClaimed is the detail of a task of which a message's sender is all that names the reader.
const taskClaimed = "nothing but the sender's address says which reader it is: anybody may have written it"

// taskElsewhere is the detail of a task of which a token names the reader, and whose message came from
// another address.
const taskElsewhere = "it came from another address than the reader's: it may be somebody else's"

// Doubt says why a task's message may not be the reader's whom it is about; "" if nothing speaks
// against it.
func (t *Task) Doubt() string {
	switch {
	case t.Detail == taskClaimed:
		return taskClaimed
	case t.Address != "" && t.From != "" && t.From != subscribers.Fold(t.Address):
		return taskElsewhere
	}
	return ""
}

// addTask opens a task, in the transaction of what it comes from, unless one of the kind and detail is
// open for the same reader, or, if it is nobody's, for the same sender: that one then stands for both.
// fresh says that it is a new one.
func (t *tx) addTask(ctx context.Context, kind string, subscriber, inbound int64, detail string, now time.Time) (id int64, fresh bool, err error) {
	if subscriber > 0 {
		err = t.scan(ctx, `SELECT coalesce(max(id), 0) FROM tasks WHERE subscriber = ?1 AND kind = ?2 AND detail = ?3 AND done = 0`, args{subscriber, kind, detail}, &id)
	} else {
		id, err = t.looseTask(ctx, kind, inbound, now)
	}
	if err != nil || id > 0 {
		return id, false, err
	}
	id, err = t.openTask(ctx, kind, subscriber, inbound, detail, now)
	return id, true, err
}

// looseTask finds the open task that stands for a message of nobody we know; 0 if there is none. A
// flood is one, whoever writes.
func (t *tx) looseTask(ctx context.Context, kind string, inbound int64, now time.Time) (id int64, err error) {
	var late int
	err = t.scan(ctx, `SELECT coalesce(max(id), 0), count(*) FROM tasks WHERE done = 0 AND subscriber = 0 AND kind = ?1 AND at > ?2`,
		args{kind, us(now.Add(-time.Hour))}, &id, &late)
	if err != nil || late >= tasksAnHour || kind == TaskFlood {
		return id, err
	}
	err = t.scan(ctx, `SELECT coalesce(max(t.id), 0) FROM tasks t JOIN inbound i ON i.id = t.inbound
		WHERE t.done = 0 AND t.subscriber = 0 AND t.kind = ?1 AND i.sender = (SELECT sender FROM inbound WHERE id = ?2)`, args{kind, inbound}, &id)
	return id, err
}

func (t *tx) openTask(ctx context.Context, kind string, subscriber, inbound int64, detail string, now time.Time) (id int64, err error) {
	err = t.scan(ctx, `INSERT INTO tasks (kind, subscriber, inbound, detail, at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id`,
		args{kind, subscriber, inbound, detail, us(now)}, &id)
	return id, err
}

// standFor opens the task of a message, or has an open one stand for it too, and says so.
func (t *tx) standFor(ctx context.Context, e *intake.Entry, inbound int64, now time.Time) (effect string, err error) {
	subscriber, detail := e.Of.Subscriber, ""
	if subscriber == 0 && e.Writer > 0 {
		subscriber, detail = e.Writer, taskClaimed
	}
	if e.Of.Subscriber > 0 {
		var address string
		if err := t.scan(ctx, `SELECT coalesce(max(address), '') FROM subscribers WHERE id = ?1`, args{subscriber}, &address); err != nil {
			return "", err
		}
		if address != "" && e.From != "" && subscribers.Fold(e.From) != address {
			detail = taskElsewhere // the reader's own wish is not to vanish behind it
		}
	}
	id, fresh, err := t.addTask(ctx, e.Task, subscriber, inbound, detail, now)
	if err != nil {
		return "", err
	}
	if effect = "task for the operator"; !fresh {
		effect = fmt.Sprintf("task %d for the operator says so already", id)
	}
	_, err = t.exec(ctx, `UPDATE inbound SET task = ?2 WHERE id = ?1`, inbound, id)
	return effect, err
}

// Tasks lists the open tasks, or all, the newest first, at most 1000.
func (db *DB) Tasks(ctx context.Context, open bool) ([]Task, error) {
	query := taskColumns + `WHERE t.id > ?1 ORDER BY t.id DESC LIMIT ?2`
	if open {
		query = taskColumns + `WHERE t.done = 0 AND t.at > ?1 ORDER BY t.at DESC, t.id DESC LIMIT ?2`
	}
	list, err := selectAll(ctx, db.read(), query, args{0, tasksMost}, scanTask)
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	return list, nil
}

// Task is one of them; [ErrNotFound] if there is none.
func (db *DB) Task(ctx context.Context, id int64) (Task, error) {
	list, err := selectAll(ctx, db.read(), taskColumns+`WHERE t.id = ?1`, args{id}, scanTask)
	switch {
	case err != nil:
		return Task{}, fmt.Errorf("read task %d: %w", id, err)
	case len(list) == 0:
		return Task{}, fmt.Errorf("read task %d: %w", id, ErrNotFound)
	}
	return list[0], nil
}

func scanTask(r *sql.Rows) (t Task, err error) {
	var at, done int64
	err = r.Scan(&t.ID, &t.Kind, &t.Subscriber, &t.Address, &t.Status, &t.Inbound, &t.From, &t.Subject, &t.Detail, &at, &done, &t.Outcome, &t.More)
	t.At, t.Done = fromUS(at), fromUS(done)
	return t, err
}

// FinishTask closes a task, with the operator's word for what was done. With leave the reader whom it is
// about leaves everything first, as the reader's own wish, in the same transaction; [ErrWhose] if it does
// not say who that is. done is false if it was closed before, and that stays as it is; [ErrNotFound] if
// there is none.
func (db *DB) FinishTask(ctx context.Context, by operators.By, id int64, leave bool, note string, now time.Time) (outcome string, done bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		var subscriber, was int64
		if err := t.scan(ctx, `SELECT subscriber, done FROM tasks WHERE id = ?1`, args{id}, &subscriber, &was); err != nil {
			return notFound(err, "task %d", id)
		}
		outcome = note
		if done = was == 0; !done {
			outcome = ""
			return nil
		}
		if leave {
			left, err := db.leaveOfTask(ctx, t, id, subscriber, now)
			if err != nil {
				return err
			}
			outcome = strings.TrimSuffix(left+"; "+note, "; ")
		}
		if outcome == "" {
			outcome = "done"
		}
		if _, err := t.exec(ctx, `UPDATE tasks SET done = ?2, outcome = ?3 WHERE id = ?1`, id, us(now), oneLine(outcome, 500)); err != nil {
			return err
		}
		return t.audit(ctx, by, "task done", taskObject(id), oneLine(outcome, 500), now)
	})
	if err != nil {
		return "", false, fmt.Errorf("close task %d: %w", id, err)
	}
	return outcome, done, nil
}

// ErrWhose says that a task does not tell which reader it is about.
var ErrWhose = errors.New("the task does not say whose it is")

func (db *DB) leaveOfTask(ctx context.Context, t *tx, task, subscriber int64, now time.Time) (string, error) {
	if subscriber == 0 {
		return "", ErrWhose
	}
	left, err := db.leaveAll(ctx, t, subscriber, "reader", "", now)
	switch {
	case errors.Is(err, subscribers.ErrNotFound):
		return "the reader is gone", nil
	case err != nil:
		return "", err
	case !left.Changed:
		return "had left before", nil
	}
	return "left everything", nil
}
