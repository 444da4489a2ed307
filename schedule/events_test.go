package schedule

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEventSecrets fills in what providers' events are known by.
func TestEventSecrets(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good")
	if err := os.WriteFile(good, []byte("key-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const v = "BROADSHEET_EVENTS_EU_1"
	for _, c := range []struct {
		name, events string
		env          map[string]string
		want, wrong  string
	}{
		{"ses has none", "{provider: ses, topic: \"arn:aws-cn:sns:cn-north-1:123456789012:mail\"}", nil, "", ""},
		{"variable", "{provider: mailgun}", map[string]string{v: "key-0"}, "key-0", ""},
		{"file", "{provider: mailgun}", map[string]string{v + "_FILE": good}, "key-1", ""},
		{"user and password", "{provider: postmark}", map[string]string{v: "me:mine:too"}, "me:mine:too", ""},
		{"none", "{provider: mailgun}", nil, "", v + " (or " + v + "_FILE) is not set in the environment; set it, or leave events away"},
		{"both", "{provider: mailgun}", map[string]string{v: "key-0", v + "_FILE": good}, "", "both set"},
		{"no file", "{provider: mailgun}", map[string]string{v + "_FILE": good + "x"}, "", "there is no file"},
		{"no password", "{provider: postmark}", map[string]string{v: "me"}, "", "must be USER:PASSWORD"},
		{"empty password", "{provider: postmark}", map[string]string{v: "me:"}, "", "must be USER:PASSWORD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := readConfig(t, strings.Replace(least, "{host: 127.0.0.1, port: 2525, tls: none}",
				"{name: eu-1, host: smtp.harbour.example, auth: none, events: "+c.events+"}", 1))
			err := config.Secrets(func(key string) string { return c.env[key] })
			problems, _ := errors.AsType[Error](err)
			if (err == nil) != (c.wrong == "") || err != nil && (len(problems) != 1 || !strings.Contains(problems[0].Message, c.wrong)) {
				t.Errorf("got %v, want %q", err, c.wrong)
			}
			if got := config.Relays[0].Events.Secret; got != c.want {
				t.Errorf("secret is %q, want %q", got, c.want)
			}
		})
	}
}
