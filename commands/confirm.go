package commands

import (
	"bufio"
	"fmt"
	"strings"
)

// confirm asks for a word to be typed.
func (p *program) confirm(question, word string) error {
	fmt.Fprintf(p.stderr, "%s\nType %s to go on: ", question, word)
	line, err := bufio.NewReader(p.stdin).ReadString('\n')
	if strings.TrimSpace(line) == word {
		return nil
	}
	if err != nil {
		fmt.Fprintln(p.stderr)
	}
	return usagef("not confirmed, nothing was done; type %s, or give --yes", word)
}
