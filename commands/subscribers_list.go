package commands

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/store"
	"broadsheet/subscribers"
)

// subscriberJSON is a reader as --json prints it.
type subscriberJSON struct {
	ID            int64                `json:"id"`
	Email         string               `json:"email"`
	Name          *string              `json:"name"`
	Sections      []subscribers.Follow `json:"sections"`
	Editions      []string             `json:"editions"`
	Hour          *int                 `json:"hour"`
	Days          []int                `json:"days"`
	Zone          *string              `json:"zone"`
	Language      *string              `json:"language"`
	Format        subscribers.Format   `json:"format"`
	Status        subscribers.Status   `json:"status"`
	ExternalID    *string              `json:"external_id"`
	ConsentSource *string              `json:"consent_source"`
	ConsentAt     *string              `json:"consent_at"`
	PausedUntil   *string              `json:"paused_until"`
	Suppressed    *suppressionJSON     `json:"suppressed"`
	Created       *string              `json:"created"`
}

func jsonSettings(s subscribers.Settings) subscriberJSON {
	j := subscriberJSON{Email: s.Address, Name: text(s.Name), Sections: list(s.Sections), Editions: list(s.Editions),
		Days: list(s.Days), Zone: text(s.Zone), Language: text(s.Language), Format: s.Format, Status: s.Status,
		ExternalID: text(s.ExternalID), ConsentSource: text(s.ConsentSource), ConsentAt: stamp(s.ConsentAt), PausedUntil: stamp(s.PausedUntil)}
	if s.Hour >= 0 {
		j.Hour = &s.Hour
	}
	if j.Format == "" {
		j.Format = subscribers.HTML
	}
	return j
}

func jsonSubscriber(s subscribers.Subscriber) subscriberJSON {
	j := jsonSettings(s.Settings)
	j.ID, j.Created = s.ID, stamp(s.Created)
	if s.Suppressed != nil {
		v := jsonSuppression(*s.Suppressed)
		j.Suppressed = &v
	}
	return j
}

func (p *program) subscribersList() *cobra.Command {
	var filter store.SubscriberFilter
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List readers",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if filter.Status != "" {
				if _, err := subscribers.ParseStatus(string(filter.Status)); err != nil {
					return usagef("--status: %w", err)
				}
			}
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			return printRows(p, db.Subscribers(c.Context(), filter), asJSON,
				func(s subscribers.Subscriber) any { return jsonSubscriber(s) },
				[]string{"ADDRESS", "STATUS", "SECTIONS", "EDITIONS", "HOUR", "ZONE", "LANGUAGE", "FORMAT"},
				func(s subscribers.Subscriber) []string {
					status := string(s.Status)
					if s.Suppressed != nil {
						status += ", suppressed: " + s.Suppressed.Reason
					}
					return []string{s.Address, status, s.Get("sections"), s.Get("editions"), s.Get("hour"), s.Zone, s.Language, string(s.Format)}
				})
		},
	}
	c.Flags().StringVar((*string)(&filter.Status), "status", "", "only readers of this `status`")
	c.Flags().StringVar(&filter.Edition, "edition", "", "only readers of this `edition`")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (p *program) subscribersShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show ADDRESS",
		Short: "Show a reader, every change and every delivery",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			db, err := p.database(c.Context(), true)
			if err != nil {
				return err
			}
			s, err := p.findSubscriber(c.Context(), db, args[0])
			if err != nil {
				return err
			}
			changes, err := db.History(c.Context(), s.ID)
			if err != nil {
				return err
			}
			var sent []store.DeliveryRow
			for d, err := range db.Deliveries(c.Context(), store.DeliveryFilter{Subscriber: s.ID}) {
				if err != nil {
					return err
				}
				sent = append(sent, d)
			}
			if asJSON {
				return p.printSubscriber(*s, changes, sent)
			}
			t := p.table("address", s.Address)
			for _, f := range settingsFlags {
				t.row(strings.ReplaceAll(f.flag, "-", " "), s.Get(f.column))
			}
			if s.Suppressed != nil {
				t.row("suppressed", s.Suppressed.Reason+" since "+s.Suppressed.At.UTC().Format(time.DateTime)+" UTC", s.Suppressed.Note)
			}
			if err := t.flush(); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, "\nchanges (UTC)")
			t = p.table("WHEN", "BY", "STATUS", "SECTIONS", "EDITIONS", "HOUR", "DAYS", "ZONE")
			for _, ch := range changes {
				t.row(ch.At.UTC().Format(time.DateTime), ch.By, string(ch.Status), ch.Get("sections"), ch.Get("editions"), ch.Get("hour"), ch.Get("days"), ch.Zone)
			}
			if err := t.flush(); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, "\ndeliveries (UTC)")
			return p.printDeliveries(sound(sent), false)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

type changeJSON struct {
	At     *string `json:"at"`
	RealAt *string `json:"real_at"`
	By     string  `json:"by"`
	subscriberJSON
}

func (p *program) printSubscriber(s subscribers.Subscriber, changes []subscribers.Change, sent []store.DeliveryRow) error {
	out := struct {
		subscriberJSON
		Changes    []changeJSON   `json:"changes"`
		Deliveries []deliveryJSON `json:"deliveries"`
	}{subscriberJSON: jsonSubscriber(s), Changes: []changeJSON{}, Deliveries: []deliveryJSON{}}
	for _, ch := range changes {
		j := changeJSON{At: stamp(ch.At), RealAt: stamp(ch.RealAt), By: ch.By, subscriberJSON: jsonSettings(ch.Settings)}
		j.ID = ch.ID
		out.Changes = append(out.Changes, j)
	}
	for _, d := range sent {
		out.Deliveries = append(out.Deliveries, p.jsonDelivery(d))
	}
	return p.printJSON(out)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
