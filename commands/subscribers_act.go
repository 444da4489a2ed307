package commands

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

func (p *program) subscribersFind() *cobra.Command {
	var q room.ReaderSearch
	var name, external string
	var asJSON bool
	c := &cobra.Command{
		Use:   "find [BEGINNING]",
		Short: "Find readers by how their address begins, by name, external id, status, section or edition",
		Long: `Finds readers whose address begins so, or whose domain it is if it begins with @. --name is how the name
begins, --external-id the whole id. Where nothing fits, exit code 3.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			e, err := p.desk(c.Context(), true)
			if err != nil {
				return err
			}
			given := 0
			for in, text := range map[string]string{"address": first(args), "name": name, "external": external} {
				if text != "" {
					q.In, q.Text = in, text
					given++
				}
			}
			if given > 1 {
				return usagef("give one of BEGINNING, --name and --external-id")
			}
			found := 0
			t := p.table("NUMBER", "ADDRESS", "NAME", "STATUS", "BARRED", "SECTIONS", "EDITIONS", "EXTERNAL ID")
			for more := true; more; more = q.After != "" {
				l, err := roomReaders{e}.Find(c.Context(), q)
				if errors.Is(err, room.ErrRefused) {
					return usage(err)
				}
				if err != nil {
					return err
				}
				for _, r := range l.Readers {
					found++
					if !asJSON {
						t.row(itoa(r.ID), r.Address, r.Name, r.Status, r.Barred, r.Sections, r.Editions, r.ExternalID)
					} else if err := p.printJSON(r); err != nil {
						return err
					}
				}
				q.After = l.Next
			}
			if found == 0 {
				return &exitError{exitNothing, errors.New("no reader fits")}
			}
			if asJSON {
				return nil
			}
			return t.flush()
		},
	}
	c.Flags().StringVar(&name, "name", "", "how the `name` begins")
	c.Flags().StringVar(&external, "external-id", "", "the whole external `id`")
	c.Flags().StringVar(&q.Status, "status", "", "only readers of this `status`")
	c.Flags().StringVar(&q.Section, "section", "", "only readers who have this `section` among theirs")
	c.Flags().StringVar(&q.Edition, "edition", "", "only readers of this `edition`")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (p *program) subscribersLeave() *cobra.Command {
	return p.onBehalf("unsubscribe ADDRESS", "Take a reader off everything, and bar the address as unsubscribed",
		func(c *cobra.Command, db *store.DB, by operators.By, s *subscribers.Subscriber) (string, error) {
			out, err := db.LeaveFor(c.Context(), by, s.ID, p.now())
			if err == nil && !out.Changed {
				return "", &exitError{exitNothing, fmt.Errorf("%s had left before", s.Address)}
			}
			return "unsubscribed " + s.Address, err
		})
}

func (p *program) subscribersLink() *cobra.Command {
	return p.onBehalf("link ADDRESS", "Mail a reader the link to the preferences, or the confirmation once more",
		func(c *cobra.Command, db *store.DB, by operators.By, s *subscribers.Subscriber) (string, error) {
			kind, err := db.LinkFor(c.Context(), by, s.ID, p.now())
			return fmt.Sprintf("a mail goes to %s with the next run: %s", s.Address, kind), err
		})
}

// onBehalf makes a command that acts on a reader.
func (p *program) onBehalf(use, short string, act func(*cobra.Command, *store.DB, operators.By, *subscribers.Subscriber) (string, error)) *cobra.Command {
	var by func() operators.By
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := p.clock(); err != nil {
				return err
			}
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			s, err := p.findSubscriber(c.Context(), db, args[0])
			if err != nil {
				return err
			}
			said, err := act(c, db, by(), s)
			if err != nil {
				return err
			}
			fmt.Fprintln(p.stderr, said)
			return nil
		},
	}
	p.clockFlag(c)
	by = byFlag(c)
	return c
}
