package report

import (
	"strings"
	"testing"
)

// BenchmarkHostileText reads words made to take long.
func BenchmarkHostileText(b *testing.B) {
	for name, text := range map[string]string{
		"one clause":  strings.Repeat("not want to receive the ", 3000),
		"attribution": strings.Repeat("On 1 wrote <a@b> x "+strings.Repeat("y ", 200)+":\n", 150),
		"short lines": strings.Repeat("On 1:\n", 10000),
		"arabic":      strings.Repeat("لا اريد الغاء هذه ال ", 2000),
		"quotes":      strings.Repeat("> a\n", 16000),
		"html":        strings.Repeat("<div><p>a", 7000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				asksToLeave(spoken(htmlText(text)))
				asksToLeave(spoken(text))
				saysAway(text)
			}
		})
	}
}
