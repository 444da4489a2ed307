package commands

import (
	"errors"

	"github.com/spf13/cobra"
)

// logForm is how the log is written: text, one line of names and values, or json, one object a line. It meets
// pflag.Value.
type logForm string

const (
	logText logForm = "text"
	logJSON logForm = "json"
)

// Set meets pflag.Value.
func (f *logForm) Set(s string) error {
	if *f = logForm(s); *f != logText && *f != logJSON {
		return errors.New("write text or json")
	}
	return nil
}

func (f *logForm) String() string { return string(*f) }

// Type meets pflag.Value.
func (f *logForm) Type() string { return "text|json" }

// logFlag adds --log to a command.
func (p *program) logFlag(c *cobra.Command) {
	p.log = logText
	c.Flags().Var(&p.log, "log", "how the log on standard error is written")
}
