package schedule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// Load reads a configuration file. What is wrong with its content comes back as an [Error]
// that holds every problem found. Secrets that getenv (which may be nil) knows are filled in;
// that all needed ones are there is for [Config.Secrets] to say, since most commands send
// nothing.
func Load(path string, getenv func(string) string) (*Config, error) {
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Error{{File: path, Message: "there is no such file; name one with --config, or start from the shipped schedule.yaml"}}
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := Parse(path, text)
	if err != nil {
		return nil, err
	}
	if getenv != nil {
		c.secrets(getenv)
		c.intakeSecrets(getenv)
	}
	return c, nil
}

// readFile reads no more than is needed to see that a file is too long.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, mostBytes+1))
}

// Parse reads a configuration from text; file is the name for messages.
func Parse(file string, text []byte) (*Config, error) {
	if len(text) > mostBytes {
		return nil, Error{{File: file, Message: fmt.Sprintf("it is larger than %d bytes", mostBytes)}}
	}
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	r := &reader{source: newSource(file, text)}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
			r.wrong(mark{i + 1, 1}, "the line is not UTF-8 text")
			return nil, r.done()
		}
	}
	root := r.tree(text)
	if root == nil {
		return nil, r.done()
	}
	c := &Config{File: file, source: r.source, zones: new(Zones)}
	r.config(root, c)
	if err := r.done(); err != nil {
		return nil, err
	}
	return c, nil
}

// config reads the whole tree; sections first, for what follows names them.
func (r *reader) config(root ast.Node, c *Config) {
	t, ok := r.table(root, "the file", "publication", "sections", "feeds", "articles", "fetch", "editions", "relays", "limits", "pages", "intake", "report", "webhooks",
		"only_to", "retention")
	if !ok {
		return
	}
	r.marks["sections"] = t.places["sections"]
	if t.need("publication", "publication: {name: The Daily Lantern, …}") {
		c.Publication = r.publication(t.values["publication"], c.zones)
	}
	if t.need("sections", "sections: [{id: world}]") {
		c.Sections = r.sections(t)
	}
	c.Feeds = r.feeds(t, c)
	c.Articles = r.articles(t, c)
	if n := t.values["fetch"]; n != nil {
		c.Fetch = r.fetch(n)
	}
	if t.need("editions", `editions: [{name: morning, cron: "0 7 * * *", zone: Europe/London}]`) {
		c.Editions = r.editions(t, c)
	}
	if t.need("relays", "relays: [{host: smtp.example.org}]") {
		c.Relays = r.relays(t)
	}
	c.Limits = r.limits(t)
	c.Pages = r.pages(t.values["pages"])
	c.Intake = r.intake(t.values["intake"], c)
	c.OnlyTo = r.onlyTo(t)
	c.Retention = r.retention(t.values["retention"], c)
	c.Report = r.report(t.values["report"], c)
	c.Webhooks = r.webhooks(t)
}
