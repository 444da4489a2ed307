package commands

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// askLimit is longer than serve takes to answer, and not as long as a container engine waits.
const askLimit = 5 * time.Second

// askReady is the command ready. It opens neither configuration nor database.
func (p *program) askReady() *cobra.Command {
	return &cobra.Command{
		Use:   "ready [URL]",
		Short: "Ask a running serve whether it can do its work",
		Long: `Asks a serve on this machine, prints the line that it answers, and exits with 0 if it is ready, else
with 1: for the health checks of containers that have no shell. URL is that of /readyz, or /healthz, at
--metrics or in the operator's room; without one it is http://` + operatorAddress + `/readyz.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			at := "http://" + operatorAddress + "/readyz"
			if len(args) > 0 {
				at = args[0]
			}
			u, err := url.Parse(at)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return usagef("%q is no address to ask; write e.g. http://%s/readyz", at, operatorAddress)
			}
			req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, at, nil)
			if err != nil {
				return usage(err)
			}
			// Its own way: a proxy of the environment knows nothing of this machine's ports.
			client := &http.Client{Timeout: askLimit, Transport: &http.Transport{DisableKeepAlives: true},
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			answer, err := client.Do(req)
			if err != nil {
				return fmt.Errorf("ask: %w", err)
			}
			defer answer.Body.Close()
			line, err := bufio.NewReader(io.LimitReader(answer.Body, 4<<10)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("ask %s: %w", at, err)
			}
			line = strings.TrimSpace(line)
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("%s says %s: %s", at, answer.Status, line)
			}
			_, err = fmt.Fprintln(p.stdout, line)
			return err
		},
	}
}
