package subscribers

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Kind says what a link does. The numbers are in mails for ever: none is changed or used again.
type Kind byte

const (
	Read          Kind = 1 + iota // opens a story; belongs to the issue, no reader is named (in mails of old one is)
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
	Confirm                       // confirms what a request asks for, once: Story is the request
	Resume                        // ends a pause
	Undo                          // takes a change back: Story is the settings row that it made
	OwnData                       // shows and hands out everything held about the reader
	ChangeAddress                 // asks for a new address
	Erase                         // asks, and erases the reader
	PrivateFeed                   // a reader's feed: Story is its number, and no reader is named
	PastDigests                   // lists what the reader was sent
	FeedAddress                   // shows the address of the reader's feed, and changes it
	SignUpForm                    // is in a form and opens no page: Story is when it was made, in milliseconds since 1970
	endKind
)

// Forever is the life of a link that never expires.
const Forever time.Duration = 0

// Life is how long after it was made a link works.
func (k Kind) Life() time.Duration {
	const day = 24 * time.Hour
	switch k {
	case LeaveEdition, LeaveAll, OneClick: // RFC 8058 knows no end, and a mail may lie for years
		return Forever
	case PrivateFeed: // ends when the reader takes another number
		return Forever
	case Confirm:
		return 48 * time.Hour
	case SignUpForm:
		return day
	case OwnData, ChangeAddress, Erase, FeedAddress:
		return 30 * time.Minute
	case Undo:
		return 30 * day
	case Read, ViewInBrowser, SectionMore, Why:
		return 400 * day
	}
	return 90 * day
}

// Expired reports whether the link of a is too old at now. Slot says when it was made: the wall
// time of an issue, which is within a day of the true one for a digest's links, whose lives are
// long, and exact for those of notices.
func (a Action) Expired(now time.Time) bool {
	life := a.Kind.Life()
	return life != Forever && now.After(time.Unix(a.Slot*60, 0).Add(life+time.Minute))
}

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
	p := k.pens.Get().(*Pen)
	defer k.pens.Put(p)
	if err := p.Take(k, keyID, a.Edition, a.Slot, a.Subscriber); err != nil {
		return dst, err
	}
	return p.AppendToken(dst, a.Kind, a.Story, a.Section)
}

// Pen makes the tokens of one reader's mail, one after the other, in less time than as many calls
// of [Keys.AppendToken]. It must be taken before use and may be taken again for the next mail.
// Not safe for concurrent use.
type Pen struct {
	key  *key
	mac  *sealState
	head []byte // of the payload, with no kind
}

// Take readies p for the tokens of a reader in a slot under the key with that id. The error says
// that there is no such key, or that an id is negative.
func (p *Pen) Take(k *Keys, keyID string, edition, slot, subscriber int64) error {
	if p.key = k.byID[keyID]; p.key == nil {
		return fmt.Errorf("sign link: there is no key %s", quote(keyID))
	}
	if edition < 0 || slot < 0 || subscriber < 0 {
		p.key = nil
		return errors.New("sign link: an id is negative")
	}
	if p.mac == nil {
		p.mac = newSealState()
	}
	p.head = Action{Edition: edition, Slot: slot, Subscriber: subscriber}.head(p.head[:0], version, p.key.hint)
	return nil
}

// AppendToken appends the token of an action of the reader to dst, as [Keys.AppendToken] does.
func (p *Pen) AppendToken(dst []byte, kind Kind, story int64, section string) ([]byte, error) {
	if p.key == nil {
		return dst, errors.New("sign link: there is no key")
	}
	if kind == 0 || kind >= endKind || story < 0 || len(section) > maxSection {
		return dst, fmt.Errorf("sign link: action of kind %d has an unknown kind, a negative id or too long a section", kind)
	}
	s := p.mac
	s.buf = append(s.buf[:0], p.head...)
	s.buf[0] |= byte(kind)
	s.buf = binary.AppendUvarint(s.buf, uint64(story))
	s.buf = append(s.buf, section...)
	s.buf = append(s.buf, s.seal(p.key.link, s.buf, macSize)...)
	return link.AppendEncode(dst, s.buf), nil
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
	dst = a.head(dst, version, hint)
	dst = binary.AppendUvarint(dst, uint64(a.Story))
	return append(dst, a.Section...)
}

// head is the part of the payload that is the same in a mail but for the kind.
func (a Action) head(dst []byte, version, hint byte) []byte {
	dst = append(dst, version|byte(a.Kind), hint)
	dst = binary.AppendUvarint(dst, uint64(a.Edition))
	dst = binary.AppendUvarint(dst, uint64(a.Slot))
	return binary.AppendUvarint(dst, uint64(a.Subscriber))
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
