package schedule

import "net/url"

// ping is an address that a watcher elsewhere listens at.
func (t *table) ping(key string) string {
	s := t.text(key)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.Fragment != "" || u.User != nil || hostProblem(u.Hostname()) != "" || !validPort(u.Port(), true) {
		t.bad(key, "%s must be an address like https://hc-ping.com/0f6a3b7e-5d1c-4a0e-9b43-3f0c2a1d9e77", key)
		return ""
	}
	return s
}
