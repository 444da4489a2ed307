package commands

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"broadsheet/demo"
	"broadsheet/digest"
)

func (p *program) preview() *cobra.Command {
	var as, out string
	var lint, asJSON bool
	c := &cobra.Command{
		Use:   "preview EDITION --as ADDRESS",
		Short: "Write the mail a reader gets, by the path that sends",
		Long: `Writes digest.eml, digest.html and digest.txt: the mail of the latest slot at the clock's now, byte
for byte as it was or will be sent. For an issue that is not open yet, Date is now (--at). Changes
nothing. Exit code 3 says that this reader gets no mail, and why. --lint writes no files and says what
readers and their mail programs would stumble over; exit code 1 then says that it is grave.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeEdition,
		RunE: func(c *cobra.Command, args []string) error {
			if as == "" {
				return usagef("--as ADDRESS says whose mail to show")
			}
			e, err := p.engine(c.Context())
			if err != nil {
				return err
			}
			ed, err := findEdition(e.cfg, args[0])
			if err != nil {
				return err
			}
			mail, err := e.rehearse(c.Context(), ed, as, false)
			if errors.Is(err, errNothing) {
				return &exitError{exitNothing, err}
			}
			if err != nil {
				return err
			}
			if away := outside(mail.Reader, ed); away != "" {
				fmt.Fprintf(p.stderr, "note: this mail will not be sent: %s\n", away)
			}
			if lint {
				return p.printLint(digest.Lint(mail.Body), asJSON)
			}
			names, err := writeMail(out, "digest", mail.Body)
			for _, name := range names {
				fmt.Fprintln(p.stdout, name)
			}
			return err
		},
	}
	p.clockFlag(c)
	c.Flags().StringVar(&as, "as", "", "`ADDRESS` of the reader")
	c.Flags().BoolVar(&lint, "lint", false, "say what is wrong with the mail instead of writing it")
	c.Flags().BoolVar(&asJSON, "json", false, "with --lint: one JSON object")
	c.Flags().StringVar(&out, "out", ".", "`DIR` to write to")
	return c
}

// printLint says what a lint found.
func (p *program) printLint(l digest.Linted, asJSON bool) error {
	if asJSON {
		if err := p.printJSON(l); err != nil {
			return err
		}
	}
	grave := 0
	for _, f := range l.Findings {
		if f.Grave {
			grave++
		}
		if !asJSON {
			fmt.Fprintf(p.stdout, "%s: %s\n", f.Rule, f.Text)
		}
	}
	if grave > 0 {
		return fmt.Errorf("%s grave", verb(grave, "1 finding is", itoa(int64(grave))+" findings are"))
	}
	return nil
}

// writeMail writes a mail as NAME.eml, NAME.html (unless it is text only) and NAME.txt, readable by the owner alone.
func writeMail(dir, name string, body []byte) (written []string, err error) {
	mail := demo.ParseMail(body)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		ending  string
		content []byte
	}{{".eml", body}, {".html", []byte(mail.HTML)}, {".txt", []byte(mail.Text)}} {
		path := filepath.Join(dir, name+part.ending)
		if len(part.content) == 0 {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of an earlier mail
				return written, err
			}
			continue
		}
		if err := os.WriteFile(path, part.content, 0o600); err != nil {
			return written, err
		}
		written = append(written, path)
	}
	return written, nil
}
