package mailer

import "strings"

// QueueID takes the name that a relay has given to a mail out of its 250: "Ok: queued as
// 4XyZ12abcd", or what follows a lone "Ok" (as SES says it). "" if there is none.
func QueueID(text string) string {
	id := ""
	if n := strings.LastIndex(text, "queued as "); n >= 0 {
		id = text[n+len("queued as "):]
	} else if word, rest, _ := strings.Cut(text, " "); strings.EqualFold(word, "ok") && !strings.Contains(rest, " ") {
		id = rest
	}
	id, _, _ = strings.Cut(id, " ")
	id = strings.Trim(strings.TrimPrefix(id, "id="), "<>()[].,;:")
	if len(id) < 5 || len(id) > 200 {
		return ""
	}
	return id
}
