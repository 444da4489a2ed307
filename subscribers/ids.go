package subscribers

import (
	"encoding/base32"
	"encoding/binary"
	"math"
	"strings"
)

// What is here comes from the oldest key and stays the same for ever.

// lower is base32 as a local part can carry it: servers on the way may change its case.
var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const (
	idSize         = 16
	returnMACSize  = 12
	maxReturnBytes = 1 + 3*binary.MaxVarintLen64 + returnMACSize
)

// MessageID returns the left side of a Message-ID: the same on every try of the one mail that a
// subscriber gets in a slot, and of no other mail.
func (k *Keys) MessageID(edition, slot string, subscriber int64) string {
	return string(k.AppendMessageID(make([]byte, 0, 32), edition, slot, subscriber))
}

// AppendMessageID appends what MessageID returns to dst, without allocating if there is room.
func (k *Keys) AppendMessageID(dst []byte, edition, slot string, subscriber int64) []byte {
	s := k.messageID.get()
	defer k.messageID.put(s)
	s.buf = binary.AppendUvarint(s.buf[:0], uint64(len(edition))) // so that "ab"+"c" is not "a"+"bc"
	s.buf = append(s.buf, edition...)
	s.buf = binary.AppendUvarint(s.buf, uint64(len(slot)))
	s.buf = append(s.buf, slot...)
	s.buf = binary.AppendVarint(s.buf, subscriber)
	return lower.AppendEncode(dst, s.seal(k.messageID, s.buf, idSize))
}

// AddressHash returns the keyed hash of an address as [Fold] gives it. Without the key it
// cannot be tried out against a list of addresses.
func (k *Keys) AddressHash(folded string) Hash {
	s := k.address.get()
	defer k.address.put(s)
	s.buf = append(s.buf[:0], folded...)
	return Hash(s.seal(k.address, s.buf, idSize))
}

// Box is what an address is for that holds the token of a delivery. The numbers are in mails for
// ever: none is changed or used again.
type Box byte

const (
	Bounces Box = 0 // "bounce+TOKEN@…": the envelope sender
	Leaves  Box = 1 // "unsub+TOKEN@…": a mail to it leaves (RFC 2369)
	Answers Box = 2 // "reply+TOKEN@…": where answers go
	endBox  Box = 3
)

// Name is what the box's addresses begin with.
func (b Box) Name() string { return [...]string{"bounce", "unsub", "reply"}[b] }

// ReturnPath returns the token of a delivery for its envelope sender ("bounce+TOKEN@…"): lower
// case letters and digits, the same on every try. It has at most 50 characters as long as
// edition < 2^21, slot < 2^49 and subscriber < 2^56, and then "bounce+" and it fit a local part.
func (k *Keys) ReturnPath(edition, slot, subscriber int64) string {
	return string(k.AppendReturnPath(make([]byte, 0, 80), edition, slot, subscriber))
}

// AppendReturnPath appends what ReturnPath returns to dst, without allocating if there is room.
func (k *Keys) AppendReturnPath(dst []byte, edition, slot, subscriber int64) []byte {
	return k.AppendBox(dst, Bounces, edition, slot, subscriber)
}

// AppendBox appends the token of a delivery for an address of the box: as a return path's, and of
// no use for another box.
func (k *Keys) AppendBox(dst []byte, box Box, edition, slot, subscriber int64) []byte {
	s := k.returnPath.get()
	defer k.returnPath.put(s)
	s.buf = append(s.buf[:0], byte(box))
	for _, id := range [...]int64{edition, slot, subscriber} {
		s.buf = binary.AppendUvarint(s.buf, uint64(id))
	}
	s.buf = append(s.buf, s.seal(k.returnPath, s.buf, returnMACSize)...)
	return lower.AppendEncode(dst, s.buf)
}

// OpenReturnPath reads a token of ReturnPath, in any case. ok is false if it is not ours.
func (k *Keys) OpenReturnPath(token string) (edition, slot, subscriber int64, ok bool) {
	box, edition, slot, subscriber, ok := k.OpenBox(token)
	return edition, slot, subscriber, ok && box == Bounces
}

// OpenBox reads a token of AppendBox, in any case, and says whose address it is from. ok is false
// if it is not ours.
func (k *Keys) OpenBox(token string) (box Box, edition, slot, subscriber int64, ok bool) {
	if len(token) > lower.EncodedLen(maxReturnBytes) {
		return 0, 0, 0, 0, false
	}
	token = strings.ToLower(token)
	raw, err := lower.DecodeString(token)
	if err != nil || len(raw) < 1+3+returnMACSize || raw[0] >= byte(endBox) || lower.EncodeToString(raw) != token {
		return 0, 0, 0, 0, false
	}
	payload, mac := raw[:len(raw)-returnMACSize], raw[len(raw)-returnMACSize:]
	if !k.returnPath.verify(payload, mac) {
		return 0, 0, 0, 0, false
	}
	var ids [3]int64
	rest := payload[1:]
	for i := range ids {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > math.MaxInt64 {
			return 0, 0, 0, 0, false
		}
		ids[i], rest = int64(v), rest[n:]
	}
	return Box(raw[0]), ids[0], ids[1], ids[2], len(rest) == 0
}
