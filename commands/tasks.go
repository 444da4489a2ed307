package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/intake"
	"broadsheet/mailer/report"
	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
)

func (p *program) tasks() *cobra.Command {
	return group("tasks", "What a person has to decide: who asks to leave in words, complaints of nobody knows whom, answers that stayed",
		p.tasksList(), p.tasksShow(), p.tasksDone())
}

// taskJSON is a task as --json prints it.
type taskJSON struct {
	ID         int64   `json:"id"`
	Kind       string  `json:"kind"`
	At         *string `json:"at"`
	Subscriber *int64  `json:"subscriber"`
	Address    *string `json:"address"`
	Status     *string `json:"status"`
	Message    *int64  `json:"message"` // bounces show has it
	From       *string `json:"from"`
	Subject    *string `json:"subject"`
	Detail     *string `json:"detail"`
	Done       *string `json:"done"`
	Outcome    *string `json:"outcome"`
	Doubt      *string `json:"doubt"` // why it may not be the reader's
	More       int     `json:"more"`  // further messages that say the same
}

func jsonTask(t *store.Task) taskJSON {
	return taskJSON{t.ID, t.Kind, stamp(t.At), present(t.Subscriber), text(t.Address), text(t.Status), present(t.Inbound), text(t.From),
		text(t.Subject), text(t.Detail), stamp(t.Done), text(t.Outcome), text(t.Doubt()), t.More}
}

func (p *program) tasksList() *cobra.Command {
	var all, asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List open tasks, the newest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			db, err := p.databaseThere(c.Context(), true)
			if err != nil {
				return err
			}
			tasks, err := db.Tasks(c.Context(), !all)
			if err != nil {
				return err
			}
			t := p.table("ID", "SINCE (UTC)", "KIND", "READER", "FROM", "SUBJECT", "DONE")
			for i := range tasks {
				task := &tasks[i]
				if asJSON {
					if err := p.printJSON(jsonTask(task)); err != nil {
						return err
					}
					continue
				}
				done, reader := task.Outcome, task.Address
				if !task.Done.IsZero() {
					done = cmp.Or(done, "done")
				} else if task.Kind == intake.TaskLeave {
					done = "no: " + closeTask(task)
				}
				if task.Doubt() != "" {
					reader += " (not proven)"
				}
				t.row(itoa(task.ID), task.At.UTC().Format(time.DateTime), task.Kind, reader, task.From, cmp.Or(task.Subject, task.Detail), done)
			}
			if asJSON {
				return nil
			}
			return t.flush()
		},
	}
	c.Flags().BoolVar(&all, "all", false, "those that are done too")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (p *program) tasksShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show a task, and what was written", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			db, task, err := p.task(c.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(jsonTask(&task))
			}
			t := p.table("task", itoa(task.ID))
			t.row("kind", task.Kind)
			t.row("since", task.At.UTC().Format(time.DateTime)+" UTC")
			reader := task.Address
			if task.Status != "" {
				reader += ", " + task.Status
			}
			t.row("reader", reader)
			doubt := task.Doubt()
			if doubt != "" {
				t.row("not proven", doubt)
			}
			if task.Detail != "" && task.Detail != doubt {
				t.row("detail", task.Detail)
			}
			if task.More > 0 {
				t.row("more", fmt.Sprintf("%d messages since that say the same: bounces list", task.More))
			}
			if task.Done.IsZero() {
				t.row("to close", closeTask(&task))
			} else {
				t.row("done", task.Done.UTC().Format(time.DateTime)+" UTC", task.Outcome)
			}
			if err := t.flush(); err != nil || task.Inbound == 0 {
				return err
			}
			return p.showLetter(c.Context(), db, task.Inbound)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func (p *program) tasksDone() *cobra.Command {
	var leave bool
	var note string
	var by func() operators.By
	c := &cobra.Command{
		Use: "done ID", Short: "Close a task", Args: cobra.ExactArgs(1),
		Long: `Closes a task, with a note that is kept. --leave takes the reader whom it is about off everything first,
as the reader's own wish: the address is barred as "unsubscribed", and a new sign-up opens it again.`,
		RunE: func(c *cobra.Command, args []string) error {
			db, task, err := p.task(c.Context(), args[0])
			if err != nil {
				return err
			}
			if !task.Done.IsZero() {
				fmt.Fprintf(p.stderr, "task %d was closed at %s\n", task.ID, task.Done.UTC().Format(time.RFC3339))
				return &exitError{exitNothing, nil}
			}
			now, err := p.clock()
			if err != nil {
				return err
			}
			outcome, _, err := finishTask(c.Context(), db, by(), &task, leave, note, now())
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stderr, "closed task %d: %s\n", task.ID, outcome)
			if task.Kind == intake.TaskLeave && !leave && task.Status == string(subscribers.Active) {
				fmt.Fprintf(p.stderr, "note: the reader goes on getting mail; to end that: broadsheet subscribers suppress %s\n", shellWord(task.Address))
			}
			return nil
		},
	}
	by = byFlag(c)
	c.Flags().BoolVar(&leave, "leave", false, "the reader leaves everything")
	c.Flags().StringVar(&note, "note", "", "`what` was done; it is kept")
	return c
}

// closeTask is the command that does what a task asks for, and closes it.
func closeTask(t *store.Task) string {
	command := "tasks done " + itoa(t.ID)
	if t.Kind == intake.TaskLeave && t.Subscriber > 0 {
		command += " --leave"
	}
	return command
}

// task opens the database and reads the task that an operator named.
func (p *program) task(ctx context.Context, arg string) (*store.DB, store.Task, error) {
	id, err := parseID(arg)
	if err != nil {
		return nil, store.Task{}, err
	}
	db, err := p.databaseThere(ctx, true)
	if err != nil {
		return nil, store.Task{}, err
	}
	task, err := db.Task(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("there is no task %d; tasks list prints those there are", id)
	}
	return db, task, err
}

// finishTask closes a task, and with leave has its reader leave everything.
func finishTask(ctx context.Context, db *store.DB, by operators.By, task *store.Task, leave bool, note string, now time.Time) (outcome string, done bool, err error) {
	outcome, done, err = db.FinishTask(ctx, by, task.ID, leave, note, now)
	if errors.Is(err, store.ErrWhose) {
		hint := "see bounces show"
		if task.From != "" {
			hint = "if it is the sender: broadsheet subscribers suppress " + shellWord(task.From)
		}
		return "", false, fmt.Errorf("task %d does not say whose it is; %s", task.ID, hint)
	}
	return outcome, done, err
}

// showLetter prints what a person wrote that a task comes of.
func (p *program) showLetter(ctx context.Context, db *store.DB, id int64) error {
	m, raw, err := db.InboundMail(ctx, id)
	if err != nil {
		return err
	}
	t := p.table("message", itoa(m.ID))
	t.row("from", m.From)
	t.row("subject", m.Subject)
	t.row("effect", m.Effect)
	if err := t.flush(); err != nil {
		return err
	}
	if written := report.Read(raw).Text; written != "" {
		fmt.Fprintln(p.stdout)
		for line := range strings.Lines(written) {
			fmt.Fprintln(p.stdout, printable(strings.TrimRight(line, "\r\n")))
		}
	}
	return nil
}
