package commands

import (
	"regexp"
	"strings"
)

// cures say what to do about a feed that fails, by what its error says; the first that fits counts.
var cures = []struct {
	says *regexp.Regexp
	do   string
}{
	{regexp.MustCompile(`no such host|server misbehaving|no answer from DNS`), "The name of the host is not known (DNS): look for a slip in the address, else ask the publisher, or look at this machine's resolver."},
	{regexp.MustCompile(`is not a public address`), "The address leads into a private network, which is not fetched. If it is your own server, except it under fetch.allow in the configuration."},
	{regexp.MustCompile(`port \d+ is neither`), "The port is not a usual one of the web. If it is right, except the host and port under fetch.allow."},
	{regexp.MustCompile(`address refused`), "The address cannot be fetched: correct it in the configuration."},
	{regexp.MustCompile(`server gave HTTP response to HTTPS client|does not look like a TLS handshake`), "The server does not speak TLS at this address: write http:// in the configuration, or the port where it speaks https."},
	{regexp.MustCompile(`x509|tls:|certificate`), "The server's certificate does not hold (TLS): the publisher has to renew or repair it; look also at this machine's clock."},
	{regexp.MustCompile(`connection refused|network is unreachable|no route to host|connection reset|broken pipe|EOF`), "The server cannot be reached: it may be down, or a firewall keeps us out. It is tried again by itself."},
	{regexp.MustCompile(`no complete answer within|timeout|deadline`), "The server is too slow. It is tried again by itself; if it stays so, ask the publisher."},
	{regexp.MustCompile(`gone for good|answers 410`), "The publisher has ended this feed: take it out of the configuration, or put its new address there."},
	{regexp.MustCompile(`answers 404`), "There is nothing at this address any more: open the publisher's site and look for the feed's new one."},
	{regexp.MustCompile(`answers 40[13]`), "The server wants a log-in, or has shut us out: ask the publisher for access."},
	{regexp.MustCompile(`answers 429`), "The server says that we ask too often: give the feed a longer every: in the configuration."},
	{regexp.MustCompile(`answers 5\d\d`), "The server has a fault of its own. It is tried again by itself; if it stays so, tell the publisher."},
	{regexp.MustCompile(`more than \d+ redirects`), "The address leads from one to the next without an end: put the feed's final address in the configuration."},
	{regexp.MustCompile(`larger than|unpacks to more|nested deeper|more than \d+ (elements|values)|tag is longer`), "The document is too large to be a feed of news: ask the publisher for one of the latest stories alone."},
	{regexp.MustCompile(`neither RSS`), "What is there is no feed, often a page for people or a log-in: open the address in a browser and look for the feed's own."},
	{regexp.MustCompile(`parse feed|no element found|it is empty|unpack document|content encoding`), "The document is damaged: the publisher has to mend it. It is tried again by itself."},
	{regexp.MustCompile(`on record|save feed|look up feed`), "The database could not be written: look at the doctor's page."},
	{regexp.MustCompile(`answers \d\d\d`), "The server gives an answer that no feed gives: open the address in a browser."},
}

// mend says what to do about a feed's error.
func mend(says string) string {
	if strings.TrimSpace(says) == "" {
		return ""
	}
	for _, c := range cures {
		if c.says.MatchString(says) {
			return c.do
		}
	}
	return "Open the address in a browser, and try again."
}
