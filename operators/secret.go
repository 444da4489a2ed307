package operators

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// TokenPrefix is what API tokens begin with, so that those who search for leaked secrets find them.
const TokenPrefix = "broadsheet_"

// NewSecret makes a session's or token's secret of 256 bits, and the hash that is kept of it. There is
// nothing to guess in it: a fast hash does.
func NewSecret(prefix string) (secret string, hash []byte) {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	secret = prefix + base64.RawURLEncoding.EncodeToString(b)
	return secret, HashSecret(secret)
}

// HashSecret is what is kept of a secret.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// IsToken reports whether a secret has the form of an API token.
func IsToken(secret string) bool { return strings.HasPrefix(secret, TokenPrefix) }
