// Broadsheet turns a news publication's stories into one e-mail per reader: only the
// sections that reader follows, only what is new to that reader, at the hour and in the
// time zone the reader asked for; and it can say, reader by reader, what became of every
// mail. See README.md for use and ARCHITECTURE.md for the floor plan.
package main

import (
	"os"

	"broadsheet/commands"
)

func main() { os.Exit(commands.Main()) }
