package commands

import "strings"

// shellWord is a word as a shell takes it, for a line that people copy: an address may be made of
// nearly any sign, those too that a shell obeys.
func shellWord(s string) string {
	plain := s != "" && s[0] != '-' && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("@._+-", r))
	})
	if plain {
		return s
	}
	s = "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	if s[1] == '-' { // it would be taken for a flag
		return "-- " + s
	}
	return s
}
