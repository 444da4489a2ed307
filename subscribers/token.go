package subscribers

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Kind says what a link does. The numbers are in mails for ever: none is changed or used again.
type Kind byte

const (
	Read          Kind = 1 + iota // opens a story
	ViewInBrowser                 // shows the mail as a page
	Preferences                   // shows everything the reader decided
	Pause                         // asks for how long, and mails nothing till then
	LeaveEdition                  // asks, and takes the reader out of one edition
	LeaveAll                      // asks, and unsubscribes
	OneClick                      // List-Unsubscribe: a POST alone leaves (RFC 8058)
	SectionLess                   // at most one story of Section
	SectionMute                   // none of Section
	SectionUp                     // Section further up
	SectionMore                   // the rest of Section's stories in this issue
	Why                           // explains why this mail came with these stories
	Confirm                       // confirms a new reader; its single use and end are the store's
	Resume                        // ends a pause
	endKind
)

// Action is what a token allows, and for whom: one reader's one action. A number that the kind
// has no use for is 0.
type Action struct {
	Kind       Kind
	Edition    int64
	Slot       int64
	Subscriber int64
	Story      int64
	Section    string // id
}

// ErrToken is the one answer to whatever is wrong with a token: it must not help to guess.
var ErrToken = errors.New("the link is not valid")

// A token is base64url without padding over: version (2 bits) and kind (6), hint of the key,
// edition, slot, subscriber and story as uvarints, section, MAC.
const (
	version    = 0 << 6
	inert      = 3 << 6 // never opens
	macSize    = 16
	maxSection = 255
	maxPayload = 2 + 4*binary.MaxVarintLen64 + maxSection
)

var link = base64.RawURLEncoding.Strict() // else four spellings would open

// Token returns the token of a under the key with that id: the same one each time. The error
// says that there is no such key, or that a cannot be put into a token.
func (k *Keys) Token(keyID string, a Action) (string, error) {
	t, err := k.AppendToken(make([]byte, 0, 96), keyID, a)
	return string(t), err
}

// AppendToken appends what Token returns to dst, without allocating if there is room.
func (k *Keys) AppendToken(dst []byte, keyID string, a Action) ([]byte, error) {
	key := k.byID[keyID]
	if key == nil {
		return dst, fmt.Errorf("sign link: there is no key %s", quote(keyID))
	}
	if a.Kind == 0 || a.Kind >= endKind || a.Edition < 0 || a.Slot < 0 || a.Subscriber < 0 || a.Story < 0 ||
		len(a.Section) > maxSection {
		return dst, fmt.Errorf("sign link: action of kind %d has an unknown kind, a negative id or too long a section", a.Kind)
	}
	s := key.link.get()
	s.buf = a.payload(s.buf[:0], version, key.hint)
	s.buf = append(s.buf, s.seal(s.buf, macSize)...)
	dst = link.AppendEncode(dst, s.buf)
	key.link.put(s)
	return dst, nil
}

// AppendInert appends a token for test mails: as long as the true one of a, but it never opens.
func AppendInert(dst []byte, a Action) []byte {
	var room [maxPayload + macSize]byte
	p := a.payload(room[:0], inert, 0)
	return link.AppendEncode(dst, append(p, make([]byte, macSize)...))
}

// Inert returns what AppendInert appends.
func Inert(a Action) string { return string(AppendInert(nil, a)) }

func (a Action) payload(dst []byte, version, hint byte) []byte {
	dst = append(dst, version|byte(a.Kind), hint)
	dst = binary.AppendUvarint(dst, uint64(a.Edition))
	dst = binary.AppendUvarint(dst, uint64(a.Slot))
	dst = binary.AppendUvarint(dst, uint64(a.Subscriber))
	dst = binary.AppendUvarint(dst, uint64(a.Story))
	return append(dst, a.Section...)
}

// Open returns what a token allows. The error is [ErrToken], whatever is wrong. The MAC is
// compared in constant time.
func (k *Keys) Open(token string) (Action, error) {
	raw, ok := decodeToken(token)
	if !ok || raw[0]&inert != version {
		return Action{}, ErrToken
	}
	payload, mac := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	for _, key := range k.list {
		if key.hint != payload[1] || !key.link.verify(payload, mac) {
			continue
		}
		return readAction(payload)
	}
	return Action{}, ErrToken
}

func decodeToken(token string) ([]byte, bool) {
	if len(token) > link.EncodedLen(maxPayload+macSize) || strings.ContainsAny(token, "\r\n") { // which the decoder skips
		return nil, false
	}
	raw, err := link.DecodeString(token)
	return raw, err == nil && len(raw) >= 2+4+macSize
}

// readAction is only for payloads whose MAC is right; it holds for any other all the same.
func readAction(payload []byte) (Action, error) {
	a := Action{Kind: Kind(payload[0] &^ inert)}
	if a.Kind == 0 || a.Kind >= endKind {
		return Action{}, ErrToken
	}
	rest := payload[2:]
	for _, id := range []*int64{&a.Edition, &a.Slot, &a.Subscriber, &a.Story} {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > math.MaxInt64 {
			return Action{}, ErrToken
		}
		*id, rest = int64(v), rest[n:]
	}
	a.Section = string(rest)
	return a, nil
}
