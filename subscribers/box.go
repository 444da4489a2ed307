package subscribers

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// newBox is AES-256-GCM with random nonces.
func newBox(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic("aes refused a key of 32 bytes: " + err.Error()) // by its documentation only for other lengths
}

// Seal encrypts a secret that the database keeps and must be read again. It can be opened for the same
// use alone, so that nobody who writes into the database moves it to another place.
func (k *Keys) Seal(secret []byte, use string) []byte {
	return k.box.Seal(nil, nil, secret, []byte(use))
}

// Unseal opens what [Keys.Seal] made.
func (k *Keys) Unseal(sealed []byte, use string) ([]byte, error) {
	secret, err := k.box.Open(nil, nil, sealed, []byte(use))
	if err != nil {
		return nil, errors.New("a sealed secret cannot be opened: it was changed, or belongs to another key")
	}
	return secret, nil
}
