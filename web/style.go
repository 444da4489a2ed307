package web

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// styleHash lets the Content-Security-Policy allow the page's one style element and no other
// (CSP Level 3, section 2.3.1).
var styleHash = func() string {
	text, err := files.ReadFile("page.html")
	if err != nil {
		panic(err) // embedded: cannot happen in a program that was built
	}
	_, rest, _ := strings.Cut(string(text), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}()
