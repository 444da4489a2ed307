package maillog

import "strings"

// said takes what another server said out of Postfix's words: "host mx.example[192.0.2.1] said:
// 421-4.7.28 too much 421 4.7.28 of it (in reply to RCPT TO command)". code is 0 and text the whole if no
// server said anything.
func said(words string) (host string, code int, text string) {
	intro, reply, ok := strings.Cut(words, " said: ")
	if i, r, refused := strings.Cut(words, " refused to talk to me: "); refused && (!ok || len(i) < len(intro)) {
		intro, reply = i, r
	}
	if code = codeOf(reply); code != 0 {
		if n := strings.LastIndex(reply, " (in reply to "); n > 0 {
			reply = reply[:n]
		}
		_, host, _ = strings.Cut(intro, "host ")
		return hostOf(host), code, unfold(reply)
	}
	if code = codeOf(words); code != 0 { // "250 2.0.0 Ok: queued as …"
		return "", code, unfold(words)
	}
	return "", 0, words
}

// codeOf is the reply code that s begins with.
func codeOf(s string) (code int) {
	if len(s) < 4 || s[3] != ' ' && s[3] != '-' || s[0] < '2' || s[0] > '5' {
		return 0
	}
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '9' {
			return 0
		}
		code = 10*code + int(c-'0')
	}
	return code
}

// unfold takes the code off a reply, and off each further line of it, which Postfix has put behind the
// first with a blank. The enhanced code stands in a field of its own.
func unfold(reply string) string {
	if len(reply) <= 4 {
		return ""
	}
	code, enhanced := reply[:3], ""
	if word, _, _ := strings.Cut(reply[4:], " "); strings.Count(word, ".") == 2 && strings.HasPrefix(word, code[:1]) && strings.Trim(word, "0123456789.") == "" {
		enhanced = " " + word
	}
	more := reply[3] == '-'
	text := strings.TrimPrefix(reply[4:], strings.TrimPrefix(enhanced, " "))
	if more {
		text = strings.ReplaceAll(text, " "+code+"-"+strings.TrimPrefix(enhanced, " "), " ")
		if n := strings.LastIndex(text, " "+code+enhanced+" "); n >= 0 {
			text = text[:n] + text[n+len(" "+code+enhanced):]
		}
	}
	return strings.Join(strings.Fields(text), " ")
}

// hostOf is the name in "mx.example[192.0.2.1]:25", or the address where there is no name.
func hostOf(relay string) string {
	name, rest, _ := strings.Cut(relay, "[")
	if name == "" || name == "unknown" {
		name, _, _ = strings.Cut(rest, "]")
	}
	return name
}

// queuedAs is the id under which the next server says it has a mail; "" if it does not say. A
// filter may put its own words before those of the server behind it, so the last counts.
func queuedAs(words string) string {
	for _, before := range []string{"queued as ", "forwarded as "} {
		if n := strings.LastIndex(words, before); n >= 0 {
			id := words[n+len(before):]
			if end := strings.IndexFunc(id, func(r rune) bool {
				return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
			}); end >= 0 {
				id = id[:end]
			}
			if isQueueID(id) {
				return id
			}
		}
	}
	return ""
}
