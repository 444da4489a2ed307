package intake

import (
	"strings"
	"testing"
)

func TestHash(t *testing.T) {
	const mail = "From: ada@reader.example\nSubject: Re:\n news\n\nReceived: is a word here\n\nBye\n"
	of := Of{1, 2, 3}
	for name, same := range map[string]string{
		"CR LF":             strings.ReplaceAll(mail, "\n", "\r\n"),
		"CR":                strings.ReplaceAll(mail, "\n", "\r"),
		"CR CR LF":          strings.ReplaceAll(mail, "\n", "\r\r\n"),
		"no end":            strings.TrimSuffix(mail, "\n"),
		"more ends":         mail + "\r\n\n\n",
		"trace fields":      "Return-Path: <>\nReceived: from a\n\tby b;\n today\nX-Original-To: x\nDelivered-To: y\n" + mail,
		"an mbox line":      "From MAILER-DAEMON Thu Apr  2 07:00:00 2026\n" + mail,
		"fields in between": strings.Replace(mail, "Subject", "ARC-Seal: i=1;\n a=b\nX-Spam-Score: 5\nSubject", 1),
	} {
		if hashOf([]byte(same), of) != hashOf([]byte(mail), of) {
			t.Errorf("%s: it is another message", name)
		}
	}
	for name, other := range map[string]string{
		"another subject": strings.Replace(mail, " news", " olds", 1),
		"another word":    strings.Replace(mail, "is a", "was a", 1),
		"a line less":     strings.Replace(mail, "\n\nBye", "\nBye", 1),
		"nothing":         "",
	} {
		if hashOf([]byte(other), of) == hashOf([]byte(mail), of) {
			t.Errorf("%s: it is the same message", name)
		}
	}
	if hashOf([]byte(mail), of) == hashOf([]byte(mail), Of{1, 2, 4}) {
		t.Error("of another mail it is the same message")
	}
	long := strings.Repeat("line\n", 300000) // what is cut off by a source does not count
	if hashOf([]byte("A: b\n\n"+long), of) != hashOf([]byte("Received: x\nA: b\n\n"+long[:1<<20]), of) {
		t.Error("a large message is not known again")
	}
}

// FuzzHash: line ends and trace fields make no other message, and nothing makes it fail.
func FuzzHash(f *testing.F) {
	for _, s := range []string{"", "\n", "A: b\n c\n\nd\n\n", "Received: x\n y\nFrom: z\n\n", "From x\nFrom: y\n", "no header at all", " begins with a blank\n\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_ = hasField([]byte(s), "Subject")
		_ = hashOf([]byte(s), Of{})
		s = strings.ReplaceAll(s, "\r", "")
		plain := hashOf([]byte(s), Of{})
		for _, end := range []string{"\r\n", "\r"} {
			if hashOf([]byte(strings.ReplaceAll(s, "\n", end)), Of{}) != plain {
				t.Errorf("with %q it is another message", end)
			}
		}
		if !strings.HasPrefix(s, " ") && !strings.HasPrefix(s, "\t") && !strings.HasPrefix(s, "From ") && s != "" && s[0] != '\n' &&
			hashOf([]byte("Received: by us;\n\ttoday\n"+s), Of{}) != plain {
			t.Error("with a trace field it is another message")
		}
	})
}
