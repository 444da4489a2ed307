package commands

import (
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"broadsheet/subscribers"
)

func (p *program) keys() *cobra.Command {
	var file string
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new signing key; earlier ones go on verifying",
		Long: `Writes a new key to the front of the key file and keeps all others: a leave link never
expires. Makes the file, readable by its owner alone, where there is none; the keys of
BROADSHEET_KEY, if it is set, go into it.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path := file
			if path == "" {
				path = p.getenv("BROADSHEET_KEY_FILE")
			}
			if path == "" {
				return usagef("name the key file with --file FILE or BROADSHEET_KEY_FILE")
			}
			_, before := os.Stat(path)
			id, err := subscribers.Rotate(path, p.getenv("BROADSHEET_KEY"), time.Now(), rand.Reader)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stderr, "%s: new signing key %s\n", path, id)
			if os.IsNotExist(before) {
				fmt.Fprintf(p.stderr, "Keep a copy in a safe place: without its oldest key no link and no suppression can be read again.\nNext: export BROADSHEET_KEY_FILE=%s\n", path)
			}
			return nil
		},
	}
	rotate.Flags().StringVar(&file, "file", "", "key `FILE` (default $BROADSHEET_KEY_FILE)")
	return group("keys", "Signing keys for links and mails", rotate, p.keysDKIM())
}
