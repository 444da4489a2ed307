package commands

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/mailer"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// classes lists the classes of what comes back, for flags.
var inboundClasses = []mailer.Class{mailer.Hard, mailer.Soft, mailer.Policy, mailer.Content, mailer.Put, mailer.Arrived,
	mailer.Complained, mailer.OptedOut, mailer.AutoReply, mailer.Answer, mailer.NoBounce}

func joinClasses() string {
	names := make([]string, len(inboundClasses))
	for i, c := range inboundClasses {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
}

// inboundJSON is a message that came in, as --json prints it.
type inboundJSON struct {
	ID         int64        `json:"id"`
	At         *string      `json:"at"`
	Source     string       `json:"source"`
	Key        *string      `json:"key"`
	Class      mailer.Class `json:"class"`
	Reason     *string      `json:"reason"`
	Status     *string      `json:"status"`
	Code       *int         `json:"code"`
	Text       *string      `json:"text"`
	Recipient  *string      `json:"recipient"` // that the news names
	To         *string      `json:"to"`
	From       *string      `json:"from"`
	Subject    *string      `json:"subject"`
	Delivery   *int64       `json:"delivery"` // that it is about
	Issue      *int64       `json:"issue"`
	Subscriber *int64       `json:"subscriber"`
	Aside      *string      `json:"aside"`
	Effect     *string      `json:"effect"`
	Kept       bool         `json:"kept"`   // bounces show --raw has it
	Reader     *string      `json:"reader"` // address of the subscriber now
}

func jsonInbound(m store.InboundRow) inboundJSON {
	return inboundJSON{ID: m.ID, At: stamp(m.At), Source: m.Source, Key: text(m.Key), Class: m.Class, Reason: text(m.Reason), Status: text(m.Status),
		Code: present(m.Code), Text: text(m.Text), Recipient: text(m.Recipient), To: text(m.To), From: text(m.From), Subject: text(m.Subject),
		Delivery: present(m.Delivery()), Issue: present(m.Issue), Subscriber: present(m.Subscriber), Aside: text(m.Aside), Effect: text(m.Effect), Kept: m.Kept, Reader: text(m.Reader)}
}

func (p *program) bouncesList() *cobra.Command {
	var filter store.InboundFilter
	var class, since string
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List what came back by mail, the latest first", Args: cobra.NoArgs,
		Long: `Lists messages that came in: bounces, complaints, answers and whatever else, with what followed. What
logs and providers' events say is with the deliveries (deliveries show).`,
		RunE: func(c *cobra.Command, _ []string) error {
			if filter.Class = mailer.Class(class); class != "" && !slices.Contains(inboundClasses, filter.Class) {
				return usagef("--class %q is none of %s", class, joinClasses())
			}
			var err error
			if filter.Since, err = sinceFlag(since); err != nil {
				return err
			}
			filter.Domain = strings.TrimPrefix(subscribers.Fold("x@"+strings.TrimPrefix(filter.Domain, "@")), "x@")
			db, err := p.databaseThere(c.Context(), true)
			if err != nil {
				return err
			}
			if filter.Issue != 0 {
				if _, err := findIssue(c.Context(), db, filter.Issue); err != nil {
					return err
				}
			}
			return printRows(p, db.Inbound(c.Context(), filter), asJSON, func(m store.InboundRow) any { return jsonInbound(m) },
				[]string{"ID", "AT (UTC)", "CLASS", "REASON", "STATUS", "ADDRESS", "EFFECT"}, inboundCells)
		},
	}
	c.Flags().StringVar(&class, "class", "", "only messages of this `class`: "+joinClasses())
	c.Flags().Int64Var(&filter.Issue, "issue", 0, "only messages about mails of this `issue`")
	c.Flags().StringVar(&filter.Domain, "domain", "", "only messages about addresses of this `domain`")
	c.Flags().BoolVar(&filter.Aside, "aside", false, "only what was set aside for a person to look at")
	c.Flags().StringVar(&since, "since", "", "only what came since this `date` or RFC 3339 instant")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	// The error says that there is no such flag: it is there.
	_ = c.RegisterFlagCompletionFunc("class", cobra.FixedCompletions(strings.Split(joinClasses(), ", "), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func inboundCells(m store.InboundRow) []string {
	effect := m.Effect
	if m.Aside != "" {
		effect = joinNotes("set aside: "+m.Aside, effect)
	}
	address := m.Recipient
	reader := ""
	if m.Subscriber != 0 { // as Apple's programs write a request to leave
		reader = "reader " + itoa(m.Subscriber)
	}
	if m.Class == mailer.OptedOut && m.Reader != "" { // whoever wrote it
		address = m.Reader + ", " + reader
	}
	address = cmp.Or(address, m.From, m.Reader, reader)
	return []string{itoa(m.ID), m.At.UTC().Format(time.DateTime), string(m.Class), m.Reason, m.Status, address, effect}
}

func joinNotes(notes ...string) string {
	return strings.Join(slices.DeleteFunc(notes, func(s string) bool { return s == "" }), "; ")
}

// sinceFlag reads --since; the zero time if it is not given.
func sinceFlag(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("--since %q is no date and no RFC 3339 instant; write e.g. 2026-04-02 or 2026-04-02T07:00:00Z", s)
}

func (p *program) bouncesShow() *cobra.Command {
	var raw, asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show a message that came in, or the message itself with --raw", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			if raw && asJSON {
				return usagef("--raw and --json exclude each other")
			}
			db, err := p.databaseThere(c.Context(), true)
			if err != nil {
				return err
			}
			m, kept, err := db.InboundMail(c.Context(), id)
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("there is no message %d; bounces list prints those there are", id)
			}
			switch {
			case err != nil:
				return err
			case raw && !m.Kept:
				return &exitError{exitNothing, fmt.Errorf("message %d is not kept any more", id)}
			case raw:
				if m.Cut {
					fmt.Fprintf(p.stderr, "note: only the first %d octets are kept\n", len(kept))
				}
				if _, err := p.stdout.Write(kept); err != nil {
					return fmt.Errorf("write output: %w", err)
				}
				return nil
			case asJSON:
				return p.printJSON(jsonInbound(m))
			}
			return p.inboundTable(m)
		},
	}
	c.Flags().BoolVar(&raw, "raw", false, "print the message as it is kept")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func (p *program) inboundTable(m store.InboundRow) error {
	t := p.table("message", itoa(m.ID))
	t.row("came", m.At.UTC().Format(time.DateTime)+" UTC by "+joinNotes(m.Source)+" "+m.Key)
	t.row("to", m.To)
	t.row("from", m.From)
	t.row("subject", m.Subject)
	t.row("class", string(m.Class))
	t.row("reason", strings.TrimSpace(m.Reason+" "+m.Status))
	said := m.Text
	if m.Code != 0 {
		said = strconv.Itoa(m.Code) + " " + said
	}
	t.row("server said", said)
	t.row("recipient", m.Recipient)
	if m.Subscriber != 0 {
		t.row("reader", strings.TrimSpace(itoa(m.Subscriber)+" "+m.Reader))
	}
	if m.Delivery() != 0 {
		t.row("delivery", fmt.Sprintf("%d, issue %d", m.Delivery(), m.Issue))
	}
	if m.Subscriber != 0 {
		t.row("reader", itoa(m.Subscriber))
	}
	t.row("set aside", m.Aside)
	t.row("effect", m.Effect)
	kept := "no"
	if m.Kept {
		kept = "yes: bounces show --raw"
	}
	t.row("kept", kept)
	return t.flush()
}
