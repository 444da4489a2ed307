package commands

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/mailer"
)

type dkimFlags struct {
	file, selector, domain, use string
	imports                     []string
	ed25519, show, asJSON       bool
}

func (p *program) keysDKIM() *cobra.Command {
	var f dkimFlags
	c := &cobra.Command{
		Use:   "dkim",
		Short: "Make a DKIM key pair and print the DNS records to publish",
		Long: `Makes a pair of RSA with 2048 bits, puts the private key into the key file (made, readable by its
owner alone, where there is none; the keys of BROADSHEET_DKIM, if it is set, go into it) and prints
the TXT record of the public key. Private keys are never printed.

Without DKIM keys the relay signs. With them Broadsheet signs every mail: the first key of
BROADSHEET_DKIM_FILE (or BROADSHEET_DKIM, the list itself) signs mails begun from the program's
start on, the others stay for second copies of mails begun under them. d= is the domain of from.

To change keys without a mail that cannot be verified:
  1. keys dkim             makes a pair behind the first; it signs nothing yet
  2. publish its record and wait until every name server of yours has it, and for as long as
     an earlier "no such name" may be remembered (an hour or so)
  3. keys dkim --use NAME  puts it first; then restart or reload serve
  4. a week later take the old key's line out of the file, and its record out of DNS
A first pair signs as soon as a program starts with BROADSHEET_DKIM_FILE: publish before that.

--ed25519 makes a second, short key that signs beside RSA's, under the selector with "-ed" behind:
a second record. Few receivers ask for it, and some report it as a failure. Amazon SES takes one
signature, so relays of profile ses get RSA's alone.`,
		Example: `  broadsheet keys dkim --file /etc/broadsheet/dkim
  broadsheet keys dkim --show
  broadsheet keys dkim --use b20261126
  openssl genrsa -out key.pem 2048 && broadsheet keys dkim --import key.pem --selector mail1`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			making := f.selector != "" || f.ed25519 || len(f.imports) > 0
			if making && (f.show || f.use != "") || f.show && f.use != "" {
				return usagef("--show, --use and the flags of a new pair exclude each other")
			}
			if f.file == "" {
				f.file = p.getenv("BROADSHEET_DKIM_FILE")
			}
			switch {
			case f.show:
				return p.dkimShow(f)
			case f.file == "":
				return usagef("name the key file with --file FILE or BROADSHEET_DKIM_FILE")
			case f.use != "":
				return p.dkimUse(f)
			}
			return p.dkimMake(f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.file, "file", "", "key `FILE` (default $BROADSHEET_DKIM_FILE)")
	flags.StringVar(&f.selector, "selector", "", "`NAME` of the new pair (default b and today's date)")
	flags.BoolVar(&f.ed25519, "ed25519", false, "make an Ed25519 key beside RSA's")
	flags.StringArrayVar(&f.imports, "import", nil, "take the private key from this PEM `FILE`; twice: RSA and Ed25519")
	flags.StringVar(&f.domain, "domain", "", "`DOMAIN` of the records (default that of from)")
	flags.StringVar(&f.use, "use", "", "let the key of selector `NAME` sign")
	flags.BoolVar(&f.show, "show", false, "print the records of all keys and change nothing")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object a line per record")
	return c
}

// dkimDomain is that of the records.
func (p *program) dkimDomain(f dkimFlags) (string, error) {
	if f.domain != "" {
		return f.domain, nil
	}
	cfg, err := p.config()
	if err != nil {
		return "", usagef("%w\nOr say --domain DOMAIN.", err)
	}
	return domainOf(cfg.Publication.From), nil
}

func (p *program) dkimShow(f dkimFlags) error {
	domain, err := p.dkimDomain(f)
	if err != nil {
		return err
	}
	var keys *mailer.DKIMKeys
	if f.file != "" && f.file != p.getenv("BROADSHEET_DKIM_FILE") {
		keys, err = mailer.ReadDKIMFile(f.file)
	} else if keys, err = mailer.LoadDKIMKeys(p.getenv); err == nil && keys == nil {
		err = errors.New("there are no DKIM keys, the relay signs: name a key file with --file FILE or BROADSHEET_DKIM_FILE")
	}
	if err != nil {
		return usage(err)
	}
	records, err := keys.Records(domain)
	if err != nil {
		return usage(err)
	}
	return p.printRecords(records, f.asJSON)
}

type recordJSON struct {
	Selector  string   `json:"selector"`
	Algorithm string   `json:"algorithm"`
	Bits      int      `json:"bits"`
	Signs     bool     `json:"signs"`
	Name      string   `json:"name"`
	Value     string   `json:"value"`
	Strings   []string `json:"strings"`
}

// printRecords prints records as a piece of a zone file; what DNS services ask for stands in its comments.
func (p *program) printRecords(records []mailer.DKIMRecord, asJSON bool) error {
	for _, r := range records {
		if asJSON {
			if err := p.printJSON(recordJSON{r.Selector, r.Algorithm, r.Bits, r.Signs, r.Name, r.Value, r.Strings()}); err != nil {
				return err
			}
			continue
		}
		signs := ""
		if r.Signs {
			signs = ", signs"
		}
		_, err := fmt.Fprintf(p.stdout, "; selector %s: %s, %d bits%s\n%s\n; for a form:\n;   name:  %s\n;   type:  TXT\n;   value: %s\n\n",
			r.Selector, r.Algorithm, r.Bits, signs, r.Zone(), r.Name, r.Value)
		if err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	return nil
}

func (p *program) dkimUse(f dkimFlags) error {
	keys, err := mailer.ReadDKIMFile(f.file)
	if err != nil {
		return usagef("read %s: %w", f.file, err)
	}
	if !slices.Contains(keys.Selectors(), f.use) {
		return usagef("%s has no selector %s; it has %s", f.file, f.use, strings.Join(keys.Selectors(), ", "))
	}
	if err := mailer.UseDKIM(f.file, f.use); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "%s: %s signs from the next start on: restart or reload serve\n", f.file, f.use)
	if old := keys.Selector(); old != f.use {
		fmt.Fprintf(p.stderr, "Keep the key and the record of %s for a week: mails signed with it are still on their way.\n", old)
	}
	return nil
}

func (p *program) dkimMake(f dkimFlags) error {
	domain, err := p.dkimDomain(f)
	if err != nil {
		return err
	}
	keys, err := mailer.ReadDKIMFile(f.file)
	first := errors.Is(err, fs.ErrNotExist)
	if first && p.getenv("BROADSHEET_DKIM") != "" {
		keys, err = mailer.ParseDKIMKeys(p.getenv("BROADSHEET_DKIM"))
		first = false
	}
	if err != nil && !first {
		return usagef("read %s: %w", f.file, err)
	}
	name := f.selector
	if name == "" {
		day := time.Now().UTC().Format("b20060102")
		name = day
		for n := 2; keys.Has(name); n++ {
			name = fmt.Sprintf("%s-%d", day, n)
		}
	}
	if keys.Has(name) || f.ed25519 && keys.Has(name+"-ed") {
		return usagef("%s has a key of selector %s already: choose another; a selector's key never changes", f.file, name)
	}
	var pems [][]byte
	for _, path := range f.imports {
		text, err := os.ReadFile(path)
		if err != nil {
			return usagef("import DKIM key: %w", err)
		}
		pems = append(pems, text)
	}
	entry, err := mailer.NewDKIMEntry(name, f.ed25519, pems...)
	if err != nil {
		return usage(err)
	}
	records, err := entry.Records(domain)
	if err != nil {
		return usage(err)
	}
	if err := mailer.AddDKIM(f.file, p.getenv("BROADSHEET_DKIM"), entry); err != nil {
		return err
	}
	if keys, err = mailer.ReadDKIMFile(f.file); err != nil {
		return err
	}
	for i := range records {
		records[i].Signs = keys.Selector() == name
	}
	if err := p.printRecords(records, f.asJSON); err != nil {
		return err
	}
	for _, w := range keys.Warnings() {
		fmt.Fprintln(p.stderr, "note:", w)
	}
	after := "broadsheet keys dkim --use " + name
	if p.getenv("BROADSHEET_DKIM_FILE") != f.file {
		after += " --file " + f.file
	}
	switch set := p.getenv("BROADSHEET_DKIM_FILE") == f.file; {
	case first && set:
		fmt.Fprintf(p.stderr, "%s: new DKIM key %s, the first; it signs from the next start on\n", f.file, entry)
		after = "restart or reload serve"
	case first:
		fmt.Fprintf(p.stderr, "%s: new DKIM key %s, the first; it signs once BROADSHEET_DKIM_FILE is set\n", f.file, entry)
		after = "export BROADSHEET_DKIM_FILE=" + f.file
	default:
		fmt.Fprintf(p.stderr, "%s: new DKIM key %s; %s signs until you say --use\n", f.file, entry, keys.Selector())
	}
	fmt.Fprintf(p.stderr, "Next: publish the record, wait until every name server has it, then: %s\n", after)
	return nil
}
