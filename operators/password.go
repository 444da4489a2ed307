package operators

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Argon2id with 19 MiB, two passes and one lane, which OWASP's sheet on the storage of passwords asks for at
// least. The numbers stand in every hash, so that they can grow.
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonLanes  = 1
	argonKey    = 32
	argonSalt   = 16
)

// The bounds of a password's length in characters. Long ones are hashed as a whole.
const (
	PasswordLeast = 12
	PasswordMost  = 256
)

// hashing is how many passwords are hashed at a time: who guesses from many places at once is slowed,
// and takes no more than so many times 19 MiB.
var hashing = make(chan struct{}, 2)

// CheckPassword says why a password is not good enough for an operator of this name, nil if it is.
func CheckPassword(name, password string) error {
	n := utf8.RuneCountInString(password)
	low := strings.ToLower(password)
	switch {
	case !utf8.ValidString(password):
		return fmt.Errorf("the password is no text")
	case n < PasswordLeast:
		return fmt.Errorf("the password has %d characters: %d at least", n, PasswordLeast)
	case n > PasswordMost:
		return fmt.Errorf("the password has %d characters: %d at most", n, PasswordMost)
	case len(name) >= 4 && strings.Contains(low, strings.ToLower(name)):
		return fmt.Errorf("the password has the operator's name in it")
	case few(low):
		return fmt.Errorf("the password is one part again and again, or a row of neighbours: take several words")
	}
	return nil
}

// few reports whether a text has fewer than five different characters or goes up or down by one step
// nearly everywhere.
func few(s string) bool {
	runes := []rune(s)
	seen, steps := map[rune]bool{}, 0
	for i, r := range runes {
		seen[r] = true
		if i > 0 && (r-runes[i-1] == 1 || runes[i-1]-r == 1) {
			steps++
		}
	}
	return len(seen) < 5 || steps > len(runes)*2/3
}

// HashPassword hashes a password for storage, as PHC string. It waits for its turn as long as ctx lasts.
func HashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails
	key, err := argon(ctx, password, salt, argonPasses, argonMemory, argonLanes, argonKey)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

// nobody is the hash of a password that nobody has. It makes a wrong name cost what a wrong password does.
var nobody = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes,
	base64.RawStdEncoding.EncodeToString(make([]byte, argonSalt)), base64.RawStdEncoding.EncodeToString(make([]byte, argonKey)))

// VerifyPassword reports whether a password is the one of a hash; "" = there is no such operator, which
// takes as long and is never so. The error is ctx's, or that the hash cannot be read.
func VerifyPassword(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = nobody
	}
	var version int
	var memory, passes uint32
	var lanes uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("verify password: what is stored is no argon2id hash")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &lanes); err != nil {
		return false, fmt.Errorf("verify password: parameters %q: %w", parts[3], err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("verify password: salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) == 0 || version != argon2.Version || memory > 1<<20 || passes > 100 || passes == 0 || lanes == 0 {
		return false, fmt.Errorf("verify password: what is stored is out of bounds")
	}
	if utf8.RuneCountInString(password) > PasswordMost {
		password = password[:PasswordMost] // no password is as long; it takes the same time
		known = false
	}
	got, err := argon(ctx, password, salt, passes, memory, lanes, uint32(len(want)))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// argon takes a turn. The same letters typed on different machines are the same password (RFC 8265: NFC).
func argon(ctx context.Context, password string, salt []byte, passes, memory uint32, lanes uint8, size uint32) ([]byte, error) {
	select {
	case hashing <- struct{}{}:
		defer func() { <-hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, passes, memory, lanes, size), nil
}
