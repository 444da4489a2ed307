package mailer

import (
	"fmt"
	"time"
)

// Signed returns m signed by s under selector at t, the delivery's Date. buf may be used for its
// Body and must not overlap m's. An empty selector says that the relay signs: m comes back as it
// is. A selector without a signer is an error: the message was begun signed, and a second copy
// must not differ from the first.
func Signed(buf []byte, m Message, s Signer, selector string, t time.Time) (Message, error) {
	if selector == "" {
		return m, nil
	}
	if s == nil {
		return Message{}, fmt.Errorf("sign mail: it was begun under selector %q, and no DKIM key is set now: %w", selector, ErrNoSelector)
	}
	buf, err := s.Sign(buf[:0], m.Body, selector, t)
	if err != nil {
		return Message{}, err
	}
	m.Body = append(buf, m.Body...) // the fields are ASCII in short lines that begin with no dot: what m says of its Body still holds
	return m, nil
}
