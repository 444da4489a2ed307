package commands

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/store"
)

// rateJSON is what became of mails, as --json prints it.
type rateJSON struct {
	Day        *string  `json:"day"`
	Domain     *string  `json:"domain"`
	Relay      *string  `json:"relay"`
	Taken      int      `json:"taken"`
	Refused    int      `json:"refused"`
	Delivered  int      `json:"delivered"`
	Delayed    int      `json:"delayed"`
	Hard       int      `json:"hard"`
	Soft       int      `json:"soft"`
	Policy     int      `json:"policy"`
	Content    int      `json:"content"`
	Complaints int      `json:"complaints"`
	Rate       *float64 `json:"rate"` // share that was refused or came back, null if there was nothing
}

func jsonRate(r *store.Rate) rateJSON {
	j := rateJSON{Domain: text(r.Domain), Relay: text(r.Relay), Taken: r.Taken, Refused: r.Refused, Delivered: r.Delivered, Delayed: r.Delayed,
		Hard: r.Hard, Soft: r.Soft, Policy: r.Policy, Content: r.Content, Complaints: r.Complaints}
	if !r.Day.IsZero() {
		j.Day = text(r.Day.Format(time.DateOnly))
	}
	if all := r.Taken + r.Refused; all > 0 {
		rate := float64(r.Refused+r.Bounced()) / float64(all)
		j.Rate = &rate
	}
	return j
}

// rateBy are the words of --by.
var rateBy = map[string]store.RateBy{"domain": store.RateDomain, "relay": store.RateRelay, "day": store.RateDay}

func (p *program) bouncesRates() *cobra.Command {
	var days, limit int
	var by, domain, relay string
	var asJSON bool
	c := &cobra.Command{
		Use: "rates", Short: "Count what was refused and came back, by domain, relay and day", Args: cobra.NoArgs,
		Long: `Counts mails by the day in UTC on which they left: taken by a relay, refused by it for good, and of those
that were taken what is known to have arrived, was delayed, came back by class, or was complained of.
The rate is the share of the refused and the returned.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if days < 1 || days > 400 {
				return usagef("--days %d is not between 1 and 400", days)
			}
			if limit < 1 {
				return usagef("--limit %d is below 1", limit)
			}
			q := store.RateQuery{Domain: strings.ToLower(domain), Relay: relay, Limit: limit}
			for _, word := range strings.FieldsFunc(by, func(r rune) bool { return r == ',' || r == ' ' }) {
				if rateBy[word] == 0 {
					return usagef("--by %q is none of domain, relay, day", word)
				}
				q.By |= rateBy[word]
			}
			now, err := p.clock()
			if err != nil {
				return err
			}
			q.Since = now().Add(-time.Duration(days-1) * 24 * time.Hour)
			db, err := p.databaseThere(c.Context(), false)
			if err != nil {
				return err
			}
			rates, err := db.Rates(c.Context(), q)
			if err != nil {
				return err
			}
			return p.printRates(rates, q.By, asJSON)
		},
	}
	p.clockFlag(c)
	c.Flags().IntVar(&days, "days", 7, "the last `N` days")
	c.Flags().StringVar(&by, "by", "domain", "a row for each domain, relay, day; several with commas, or '' for one in all")
	c.Flags().StringVar(&domain, "domain", "", "only mails to this `domain`")
	c.Flags().StringVar(&relay, "relay", "", "only mails through this `relay`")
	c.Flags().IntVar(&limit, "limit", 100, "at most `N` rows, those with the most mails")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (p *program) printRates(rates []store.Rate, by store.RateBy, asJSON bool) error {
	var heads []string
	for _, h := range []struct {
		by   store.RateBy
		head string
	}{{store.RateDay, "DAY (UTC)"}, {store.RateRelay, "RELAY"}, {store.RateDomain, "DOMAIN"}} {
		if by&h.by != 0 {
			heads = append(heads, h.head)
		}
	}
	t := p.table(append(heads, "TAKEN", "REFUSED", "DELIVERED", "DELAYED", "HARD", "SOFT", "POLICY", "CONTENT", "COMPLAINTS", "RATE")...)
	for i := range rates {
		r := &rates[i]
		j := jsonRate(r)
		if asJSON {
			if err := p.printJSON(j); err != nil {
				return err
			}
			continue
		}
		var cells []string
		for _, c := range []struct {
			by   store.RateBy
			cell string
		}{{store.RateDay, deref(j.Day)}, {store.RateRelay, r.Relay}, {store.RateDomain, r.Domain}} {
			if by&c.by != 0 {
				cells = append(cells, c.cell)
			}
		}
		for _, n := range []int{r.Taken, r.Refused, r.Delivered, r.Delayed, r.Hard, r.Soft, r.Policy, r.Content, r.Complaints} {
			cells = append(cells, strconv.Itoa(n))
		}
		rate := "-"
		if j.Rate != nil {
			rate = fmt.Sprintf("%.1f %%", 100**j.Rate)
		}
		t.row(append(cells, rate)...)
	}
	if asJSON {
		return nil
	}
	return t.flush()
}
