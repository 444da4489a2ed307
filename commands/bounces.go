package commands

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"broadsheet/mailer"
	"broadsheet/mailer/report"
)

func (p *program) bounces() *cobra.Command {
	return group("bounces", "What came back: bounces, complaints, answers, and what followed",
		p.bouncesList(), p.bouncesShow(), p.bouncesReplay(), p.bouncesRead(), p.bouncesRates())
}

// newsJSON is one piece of news as --json prints it.
type newsJSON struct {
	Class     mailer.Class `json:"class"`
	Reason    string       `json:"reason"`
	Status    *string      `json:"status"`
	Code      *int         `json:"code"`
	Recipient *string      `json:"recipient"`
	Text      *string      `json:"text"`
	Host      *string      `json:"host"`
	At        *string      `json:"at"`
}

func jsonNews(n mailer.News) newsJSON {
	return newsJSON{n.Class, n.Reason, text(n.Status), present(n.Code), text(n.Recipient), text(n.Text), text(n.Host), stamp(n.At)}
}

// readJSON is a message that was read and not recorded.
type readJSON struct {
	File    string       `json:"file"`
	Class   mailer.Class `json:"class"`
	News    []newsJSON   `json:"news"`
	From    *string      `json:"from"`
	Subject *string      `json:"subject"`
	Names   []string     `json:"names"`
}

func (p *program) bouncesRead() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "read FILE...|-", Short: "Say what messages are, and record nothing", Args: cobra.MinimumNArgs(1),
		Long: `Reads messages as intake does and prints what each is: class (hard, soft, policy, content, delayed,
delivered, complaint, opt-out, auto-reply, answer, none), and for each recipient that it speaks of the
reason, status, code and the server's words. Needs neither configuration nor database. names are what
may be tokens of ours. - is standard input.`,
		RunE: func(c *cobra.Command, args []string) error {
			t := p.table("CLASS", "REASON", "STATUS", "CODE", "RECIPIENT", "FILE", "TEXT")
			var failed error
			for _, file := range args {
				raw, err := p.readMessage(file)
				if err != nil {
					failed = errors.Join(failed, err)
					continue
				}
				r := report.Read(raw)
				if asJSON {
					err = p.printJSON(jsonReport(file, &r))
				} else {
					reportRow(t, file, &r)
				}
				if err != nil {
					return err
				}
			}
			if !asJSON {
				failed = errors.Join(failed, t.flush())
			}
			return failed
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// readMessage reads as much of a file as intake reads of a message.
func (p *program) readMessage(file string) ([]byte, error) {
	in := p.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read message: %w", err)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, report.MaxSize))
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return raw, nil
}

func jsonReport(file string, r *report.Report) readJSON {
	j := readJSON{File: file, Class: r.Class, News: []newsJSON{}, From: text(r.From), Subject: text(r.Subject), Names: []string{}}
	for _, n := range r.Names {
		if !slices.Contains(j.Names, n.Token) {
			j.Names = append(j.Names, n.Token)
		}
	}
	for _, n := range r.News {
		j.News = append(j.News, jsonNews(n))
	}
	return j
}

// reportRow prints a message in one line, by the news that gave it its class.
func reportRow(t *table, file string, r *report.Report) {
	var worst mailer.News
	for _, n := range r.News {
		if worst.Class == "" || n.Class == r.Class && worst.Class != r.Class {
			worst = n
		}
	}
	code := ""
	if worst.Code != 0 {
		code = strconv.Itoa(worst.Code)
	}
	recipient := worst.Recipient
	if more := len(r.News) - 1; more > 0 {
		recipient += fmt.Sprintf(" + %d more", more)
	}
	t.row(string(r.Class), worst.Reason, worst.Status, code, recipient, file, cmp.Or(worst.Text, r.Subject))
}
