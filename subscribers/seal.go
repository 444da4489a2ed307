package subscribers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"sync"
)

// sealer makes MACs under one key: HMAC-SHA-256 (RFC 2104). What the key comes to is computed
// once; a MAC of a short payload then takes one block of SHA-256 for the payload and one for the
// result. A mail takes some forty of them, and hmac.Hash spends as long again around its blocks.
type sealer struct {
	inner, outer []byte    // states of SHA-256 behind the padded key
	states       sync.Pool // of *sealState
}

func newSealer(secret []byte, label string) *sealer {
	k := derive(secret, label)
	s := &sealer{states: sync.Pool{New: func() any { return newSealState() }}}
	for pad, state := range map[byte]*[]byte{0x36: &s.inner, 0x5c: &s.outer} {
		var block [sha256.BlockSize]byte
		copy(block[:], k)
		for i := range block {
			block[i] ^= pad
		}
		h := newHash()
		h.Write(block[:])
		*state, _ = h.AppendBinary(nil)
	}
	return s
}

func (s *sealer) get() *sealState  { return s.states.Get().(*sealState) }
func (s *sealer) put(t *sealState) { s.states.Put(t) }

// verify compares in constant time.
func (s *sealer) verify(payload, mac []byte) bool {
	t := s.get()
	defer s.put(t)
	return hmac.Equal(t.seal(s, payload, len(mac)), mac)
}

// stateHash is what the standard library's hashes can do beside hashing.
type stateHash interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

func newHash() stateHash { return sha256.New().(stateHash) }

// sealState is what the making of a MAC needs. Not safe for concurrent use.
type sealState struct {
	h     stateHash
	buf   []byte // for the payload
	block [sha256.BlockSize]byte
	last  [sha256.BlockSize]byte // as block, for the result
	state []byte
	sum   []byte
}

// Room for a payload in one block beside the end mark and the length (FIPS 180-4 section 5.1.1).
const shortPayload = sha256.BlockSize - 1 - 8

func newSealState() *sealState {
	t := &sealState{h: newHash()}
	endBlock(&t.last, sha256.Size)
	return t
}

// endBlock makes block the last one of a message of which n octets, those at its beginning, stand
// in it, and one block before it.
func endBlock(block *[sha256.BlockSize]byte, n int) {
	block[n] = 0x80
	clear(block[n+1 : sha256.BlockSize-8])
	binary.BigEndian.PutUint64(block[sha256.BlockSize-8:], uint64(sha256.BlockSize+n)*8)
}

// seal returns the first n octets of the MAC of payload under s; they are valid until the next call.
func (t *sealState) seal(s *sealer, payload []byte, n int) []byte {
	var inner []byte
	if len(payload) <= shortPayload {
		endBlock(&t.block, copy(t.block[:], payload))
		inner = t.run(s.inner, &t.block, len(payload))
	} else {
		t.restore(s.inner)
		t.h.Write(payload)
		t.sum = t.h.Sum(t.sum[:0])
		inner = t.sum
	}
	copy(t.last[:], inner)
	return t.run(s.outer, &t.last, sha256.Size)[:n]
}

// run gives the hash of what led to state and of a block that ends the message, n octets of which
// are the message's own. After such a block the state is the hash: its first words are read.
func (t *sealState) run(state []byte, block *[sha256.BlockSize]byte, n int) []byte {
	t.restore(state)
	if !readable() {
		t.h.Write(block[:n])
		t.sum = t.h.Sum(t.sum[:0])
		return t.sum
	}
	t.h.Write(block[:])
	t.state, _ = t.h.AppendBinary(t.state[:0]) // it cannot fail
	return t.state[stateAt:][:sha256.Size]
}

func (t *sealState) restore(state []byte) {
	if err := t.h.UnmarshalBinary(state); err != nil {
		panic("sha256 refused its own state: " + err.Error())
	}
}

// stateAt is where the words stand in a state.
const stateAt = 4

// readable reports whether they stand there, which the standard library does not promise.
var readable = sync.OnceValue(func() bool {
	var block [sha256.BlockSize]byte
	binary.BigEndian.PutUint16(block[:], 0x6180) // "a" and the end mark
	block[sha256.BlockSize-1] = 8
	h := newHash()
	h.Write(block[:])
	state, err := h.AppendBinary(nil)
	want := sha256.Sum256([]byte("a"))
	return err == nil && len(state) >= stateAt+sha256.Size && string(state[stateAt:][:sha256.Size]) == string(want[:])
})
