package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes. Scripts rely on them.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitNothing = 3
	exitBusy    = 4
	exitHeld    = 5
)

// exitError carries the exit code that goes with an error. A nil err exits silently.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage marks an error as the caller's: wrong arguments, configuration or environment.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitUsage, err}
}

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// Main runs the program with the process's arguments and returns its exit code. SIGINT and
// SIGTERM end it cleanly; a second one ends it at once.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
}

// Run runs the program with args and returns its exit code.
func Run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	return p.run(ctx, args)
}

func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	if closing := p.close(); err == nil {
		err = closing
	}
	if err == nil {
		return exitDone
	}
	code := exitFailed
	if e, ok := errors.AsType[*exitError](err); ok {
		code = e.code
		err = e.err
	}
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled): // by a signal; what was canceled just then is no news
		fmt.Fprintln(p.stderr, "broadsheet: interrupted")
	default:
		fmt.Fprintln(p.stderr, "broadsheet:", err)
	}
	return code
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "broadsheet",
		Short:         "One digest per reader, at the reader's hour, every delivery on record",
		SilenceErrors: true,
		SilenceUsage:  true,
		Long: `Broadsheet turns a publication's stories into one mail per reader, at the reader's hour, and keeps
every delivery on record. "broadsheet demo" shows all of it on this machine.

Environment: BROADSHEET_KEY_FILE or BROADSHEET_KEY (keys of links, see "keys rotate"), BROADSHEET_DB,
with a database on a server BROADSHEET_DB_PASSWORD or BROADSHEET_DB_PASSWORD_FILE; for each relay BROADSHEET_SMTP_<RELAY>_USER and _PASSWORD or _PASSWORD_FILE; where Broadsheet is to
sign mails itself, BROADSHEET_DKIM_FILE or BROADSHEET_DKIM (see "keys dkim"); for what comes back,
BROADSHEET_IMAP_USER and BROADSHEET_IMAP_PASSWORD or _PASSWORD_FILE with a mailbox on a server, and
BROADSHEET_EVENTS_<RELAY> or BROADSHEET_EVENTS_<RELAY>_FILE with a provider's events; and
BROADSHEET_WEBHOOK_<NAME> or BROADSHEET_WEBHOOK_<NAME>_FILE for each webhook.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 nothing to do, 4 another sender is at
work, 5 held for a person.`,
		Version: version(),
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w\nSee '%s --help'.", plainly(err), c.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&p.configFile, "config", "schedule.yaml", "configuration `FILE`")
	flags.StringVar(&p.dsn, "db", "", "database `DSN` (default $BROADSHEET_DB, else broadsheet.db beside the configuration)")
	flags.BoolVar(&p.verbose, "verbose", false, "log what happens in detail to standard error")
	root.AddCommand(
		p.demo(), p.serve(), p.send(), p.preview(), p.explain(), p.check(),
		p.stories(), p.subscribers(), p.suppressions(), p.issues(), p.deliveries(), p.intake(), p.bounces(), p.tasks(), p.keys(),
		p.askReady(), p.operators(), p.tokens(), p.audit(), p.doctor(), p.feeds(), p.alarms(), p.workers(), p.morningReport(), p.backup(), p.restore(), p.adopt(), p.keeping(), p.webhooks(),
		p.bench(), p.benchRelay(), p.simulate(), p.migrate(),
	)
	root.InitDefaultCompletionCmd()
	// A wrong number of arguments is a usage error like a wrong flag.
	walk(root, func(c *cobra.Command) {
		if !c.Runnable() {
			c.Args, c.RunE = subcommand, func(c *cobra.Command, _ []string) error { return c.Help() }
		}
		if check := c.Args; check != nil {
			c.Args = func(c *cobra.Command, args []string) error {
				if err := check(c, args); err != nil {
					return usagef("%w\nSee '%s --help'.", err, c.CommandPath())
				}
				return nil
			}
		}
	})
	return root
}

// plainly says in words what strconv has against a flag's value.
func plainly(err error) error {
	number, ok := errors.AsType[*strconv.NumError](err)
	if !ok {
		return err
	}
	said, found := strings.CutSuffix(err.Error(), number.Error())
	if !found {
		return err
	}
	switch {
	case errors.Is(number, strconv.ErrRange):
		return errors.New(said + "it is too large or too small")
	case number.Func == "ParseBool":
		return errors.New(said + "it is neither true nor false")
	case number.Func == "ParseFloat":
		return errors.New(said + "it is no number")
	}
	return errors.New(said + "it is no whole number")
}

// builtAs is the version that a build without its repository was told (deploy/Dockerfile); "" = it was not.
var builtAs string

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if builtAs != "" {
		return builtAs + ", " + info.GoVersion
	}
	var commit, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	v := strings.Trim(info.Main.Version, "()")
	if commit != "" {
		v += " (commit " + commit + changed + ")"
	}
	return v + ", " + info.GoVersion
}

func walk(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		walk(sub, do)
	}
}

// group is a command that only holds others.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short}
	c.AddCommand(sub...)
	return c
}

// subcommand refuses a word that is no subcommand; cobra would print the help and exit 0.
func subcommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())
	}
	return nil
}

// completeEdition offers the configuration's editions to a shell.
func (p *program) completeEdition(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := p.config()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, e := range cfg.Editions {
		names = append(names, cobra.CompletionWithDesc(e.Name, e.Title))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
