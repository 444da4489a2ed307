package schedule

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// events reads how a relay's provider reports.
func (t *table) events(n ast.Node) *Events {
	y, ok := t.table(n, t.name+": events", "provider", "topic")
	if !ok {
		return nil
	}
	if !y.need("provider", "provider: ses") {
		return nil
	}
	before := len(t.problems)
	e := &Events{Provider: y.choice("provider", "ses", "postmark", "mailgun")}
	switch {
	case len(t.problems) > before: // whether it has a topic is not known
	case e.Provider == "ses" && y.need("topic", "topic: arn:aws:sns:eu-west-1:123456789012:mail"):
		if e.Topic = y.text("topic"); e.Topic != "" && !topicName.MatchString(e.Topic) {
			y.bad("topic", "topic %q is not the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:mail", clip(e.Topic))
		}
	case e.Provider != "ses" && y.has("topic"):
		y.bad("topic", "topic is for provider ses alone; leave it away")
	}
	return e
}

// topicName is how SNS names a topic: partition, region, account, name.
var topicName = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$`)

// eventVariable names the secret of the relay's events in the environment.
func (y Relay) eventVariable() string { return "BROADSHEET_EVENTS_" + y.inCapitals() }

// eventSecret fills in what the provider's events are known by. SES signs with a key that anybody
// can look up, and has none.
func (y *Relay) eventSecret(getenv func(string) string) (wrong []string) {
	if y.Events.Provider == "ses" {
		return nil
	}
	value, message := secret(getenv, y.eventVariable(), ", or leave events away")
	if user, password, ok := strings.Cut(value, ":"); y.Events.Provider == "postmark" && message == "" && (!ok || user == "" || password == "") {
		value, message = "", fmt.Sprintf("%s must be USER:PASSWORD, as they stand in the address that Postmark posts to", y.eventVariable())
	}
	if y.Events.Secret = value; message != "" {
		wrong = append(wrong, message)
	}
	return wrong
}
