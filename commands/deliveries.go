package commands

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/mailer"
	"broadsheet/operators"
	"broadsheet/store"
)

func (p *program) deliveries() *cobra.Command {
	return group("deliveries", "Every mail to every reader and what became of it",
		p.deliveriesList(), p.deliveriesShow(), p.deliveriesRetry(), p.deliveriesSettle())
}

// deliveryJSON is a delivery as --json prints it.
type deliveryJSON struct {
	ID         int64        `json:"id"`
	Issue      int64        `json:"issue"`
	Subscriber int64        `json:"subscriber"`
	Address    string       `json:"address"`
	State      mailer.State `json:"state"`
	Reason     *string      `json:"reason"`
	Attempts   int          `json:"attempts"`
	Copies     int          `json:"copies"`
	Code       *int         `json:"code"`
	Enhanced   *string      `json:"enhanced"`
	Text       *string      `json:"text"`
	Relay      *string      `json:"relay"`
	At         *string      `json:"at"`
	MessageID  *string      `json:"message_id"`
	Digest     *int64       `json:"digest"`
}

func (p *program) jsonDelivery(d store.DeliveryRow) deliveryJSON {
	j := deliveryJSON{ID: d.ID(), Issue: d.Issue, Subscriber: d.Subscriber, Address: d.Address, State: d.State,
		Reason: text(d.Reason), Attempts: d.Attempts, Copies: d.Copies, Enhanced: text(d.Reply.Enhanced), Text: text(d.Reply.Text),
		Relay: text(d.Relay), At: stamp(d.At), Code: present(d.Reply.Code), Digest: present(d.Digest)}
	if d.Digest != 0 && p.ring != nil && p.cfg != nil {
		j.MessageID = text(fmt.Sprintf("<%s@%s>", p.ring.MessageID(d.Edition, d.SlotKey, d.Subscriber), domainOf(p.cfg.Publication.From)))
	}
	return j
}

func (p *program) deliveriesList() *cobra.Command {
	var filter store.DeliveryFilter
	var state string
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List deliveries", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if filter.State = mailer.State(state); state != "" && !slices.Contains(mailer.States, filter.State) {
				return usagef("--state %q is none of %s", state, joinStates())
			}
			_, db, err := p.configAndDatabase(c.Context(), true)
			if err != nil {
				return err
			}
			if filter.Issue != 0 {
				if _, err := findIssue(c.Context(), db, filter.Issue); err != nil {
					return err
				}
			}
			return p.printDeliveries(db.Deliveries(c.Context(), filter), asJSON)
		},
	}
	c.Flags().Int64Var(&filter.Issue, "issue", 0, "only deliveries of this `issue`")
	c.Flags().StringVar(&state, "state", "", "only deliveries in this `state`")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	// The error says that there is no such flag: it is there.
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(strings.Split(joinStates(), ", "), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func joinStates() string {
	names := make([]string, len(mailer.States))
	for i, s := range mailer.States {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// printDeliveries prints deliveries as a table or as JSON.
func (p *program) printDeliveries(rows iter.Seq2[store.DeliveryRow, error], asJSON bool) error {
	return printRows(p, rows, asJSON, func(d store.DeliveryRow) any { return p.jsonDelivery(d) },
		[]string{"ID", "ISSUE", "ADDRESS", "STATE", "TRIES", "REPLY", "AT (UTC)", "REASON"},
		func(d store.DeliveryRow) []string {
			return []string{itoa(d.ID()), itoa(d.Issue), cmp.Or(d.Address, "(erased)"), string(d.State), strconv.Itoa(d.Attempts), said(d.Reply),
				d.At.UTC().Format(time.DateTime), d.Reason}
		})
}

// said is a reply for people; of what came back there are words at times, and no code.
func said(r mailer.Reply) string {
	if r.Code == 0 {
		return strings.TrimSpace(r.Enhanced + " " + r.Text)
	}
	return r.String()
}

// sound streams rows that are at hand.
func sound[R any](rows []R) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for _, d := range rows {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func (p *program) deliveriesShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show a delivery and all that happened to it, as far as the mailbox", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			_, db, err := p.configAndDatabase(c.Context(), true)
			if err != nil {
				return err
			}
			d, err := findDelivery(c, db, id)
			if err != nil {
				return err
			}
			attempts, err := db.Attempts(c.Context(), id)
			if err != nil {
				return err
			}
			type attemptJSON struct {
				At       *string      `json:"at"`
				State    mailer.State `json:"state"`
				Reason   *string      `json:"reason"`
				Relay    *string      `json:"relay"`
				Code     *int         `json:"code"`
				Enhanced *string      `json:"enhanced"`
				Text     *string      `json:"text"`
			}
			life, err := lifeOf(c.Context(), db, &d)
			if err != nil {
				return err
			}
			if asJSON {
				out := struct {
					deliveryJSON
					Edition  string        `json:"edition"`
					Slot     string        `json:"slot"`
					Tries    []attemptJSON `json:"tries"`
					Summary  *string       `json:"summary"`
					Timeline []momentJSON  `json:"timeline"`
				}{p.jsonDelivery(d), d.Edition, d.SlotKey, []attemptJSON{}, text(life.String()), life.json()}
				for _, a := range attempts {
					out.Tries = append(out.Tries, attemptJSON{stamp(a.At), a.State, text(a.Reason), text(a.Relay), present(a.Reply.Code), text(a.Reply.Enhanced), text(a.Reply.Text)})
				}
				return p.printJSON(out)
			}
			t := p.table("edition", d.Edition)
			t.row("slot", d.SlotKey)
			t.row("message-id", deref(p.jsonDelivery(d).MessageID))
			if err := errors.Join(t.flush(), p.printDeliveries(sound([]store.DeliveryRow{d}), false)); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout)
			return p.printLife(life)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func (p *program) deliveriesRetry() *cobra.Command {
	var reason string
	var by func() operators.By
	c := &cobra.Command{
		Use: "retry ID...", Short: "Queue failed, expired, cancelled or uncertain deliveries again", Args: cobra.MinimumNArgs(1),
		Long: `Queues deliveries again, to go with the next send or serve. An uncertain one may arrive a
second time. What is past its end of life, or has been taken over by a later issue, cannot be
retried: its stories are in the next issue.`,
		RunE: func(c *cobra.Command, args []string) error {
			return p.onDeliveries(c.Context(), args, func(w roomRuns, id int64) (string, error) {
				who := by()
				who.Why = cmp.Or(who.Why, reason)
				return w.RetryDelivery(c.Context(), who, id)
			})
		},
	}
	p.clockFlag(c)
	by = byFlag(c)
	c.Flags().StringVar(&reason, "reason", "", "the same as --why")
	_ = c.Flags().MarkHidden("reason") // there is such a flag
	return c
}

func findDelivery(c *cobra.Command, db *store.DB, id int64) (store.DeliveryRow, error) {
	d, err := db.Delivery(c.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return d, fmt.Errorf("there is no delivery %d", id)
	}
	return d, err
}

func parseID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 {
		return 0, usagef("%q is no id; the list commands print ids", s)
	}
	return id, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
