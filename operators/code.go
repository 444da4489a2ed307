package operators

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// One-time codes by RFC 6238, as every authenticator knows them: SHA-1, six digits, 30 seconds.
const (
	codeStep   = 30 * time.Second
	codeDigits = 6
	codeSecret = 20 // bytes: 160 bits, as RFC 4226 recommends
)

// CodeSecret is what an operator's authenticator and the program share.
type CodeSecret []byte

// NewCodeSecret makes one.
func NewCodeSecret() CodeSecret {
	s := make(CodeSecret, codeSecret)
	rand.Read(s) // never fails
	return s
}

// ParseCodeSecret reads what [CodeSecret.String] wrote.
func ParseCodeSecret(text string) (CodeSecret, error) {
	s, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.ReplaceAll(text, " ", "")))
	if err != nil || len(s) != codeSecret {
		return nil, fmt.Errorf("this is no secret of an authenticator")
	}
	return s, nil
}

// String is the secret as people type it.
func (s CodeSecret) String() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(s)
}

// URI is the secret as an authenticator takes it from a QR code.
func (s CodeSecret) URI(issuer, name string) string {
	label := url.PathEscape(issuer + ":" + name)
	return "otpauth://totp/" + label + "?" + strings.ReplaceAll(url.Values{"secret": {s.String()}, "issuer": {issuer}}.Encode(), "+", "%20")
}

// At is the code of the step that holds an instant.
func (s CodeSecret) At(t time.Time) string { return s.code(t.Unix() / int64(codeStep/time.Second)) }

func (s CodeSecret) code(step int64) string {
	return hotp(s, uint64(step), codeDigits)
}

// hotp is RFC 4226.
func hotp(secret []byte, counter uint64, digits int) string {
	mac := hmac.New(sha1.New, secret)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], counter)
	mac.Write(b[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fffffff
	mod := uint32(1)
	for range digits {
		mod *= 10
	}
	return fmt.Sprintf("%0*d", digits, n%mod)
}

// Step finds the step of a code: the present one, the one before or the one after, for clocks differ.
// Codes of steps up to used were shown before and are good for nothing.
func (s CodeSecret) Step(code string, now time.Time, used int64) (step int64, ok bool) {
	code = strings.ReplaceAll(code, " ", "")
	present := now.Unix() / int64(codeStep/time.Second)
	for k := present - 1; k <= present+1; k++ { // all three, whatever they give: the time is the same
		if subtle.ConstantTimeCompare([]byte(s.code(k)), []byte(code)) == 1 && k > used && !ok {
			step, ok = k, true
		}
	}
	return step, ok
}
