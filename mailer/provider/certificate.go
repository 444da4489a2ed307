package provider

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	certificatesKept  = 32
	certificateAgain  = time.Minute     // what could not be had is not asked for sooner
	certificateWithin = 8 * time.Second // SNS waits 15 s for an answer
)

// Certificates fetches and keeps the certificates that SNS signs with. Any number of goroutines may
// use it.
type Certificates struct {
	// Fetch returns what lies at an https address, of public servers alone and without following
	// redirects.
	Fetch func(ctx context.Context, url string) ([]byte, error)

	mu    sync.Mutex
	known map[string]*certificate
}

// certificate is one that was asked for.
type certificate struct {
	asked       time.Time
	done        chan struct{} // closed once the rest is there
	key         *rsa.PublicKey
	from, until time.Time
	err         error
}

// key returns the key of the certificate at url, which is known to be an address of SNS.
func (c *Certificates) key(ctx context.Context, url string, now time.Time) (*rsa.PublicKey, error) {
	found, first, err := c.find(url, now)
	if err != nil {
		return nil, err
	}
	if first {
		found.fetch(ctx, c.Fetch, url)
		close(found.done)
	}
	select {
	case <-found.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	switch {
	case found.err != nil:
		return nil, fmt.Errorf("%w: fetch certificate: %w", ErrBusy, found.err)
	case found.key == nil || now.Before(found.from) || now.After(found.until):
		return nil, ErrForged
	}
	return found.key, nil
}

// find looks for a certificate among those known; first says that it is for the caller to fetch it.
func (c *Certificates) find(url string, now time.Time) (found *certificate, first bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found = c.known[url]; found != nil && (!found.failed() || now.Sub(found.asked) < certificateAgain) {
		return found, false, nil
	}
	for other, y := range c.known {
		if len(c.known) >= certificatesKept && y.failed() && now.Sub(y.asked) >= certificateAgain {
			delete(c.known, other)
		}
	}
	if len(c.known) >= certificatesKept && found == nil { // somebody makes up addresses
		return nil, false, fmt.Errorf("%w: too many certificates", ErrBusy)
	}
	if c.known == nil {
		c.known = make(map[string]*certificate)
	}
	found = &certificate{asked: now, done: make(chan struct{})}
	c.known[url] = found
	return found, true, nil
}

// failed reports whether the certificate was asked for and is of no use.
func (c *certificate) failed() bool {
	select {
	case <-c.done:
		return c.key == nil
	default:
		return false
	}
}

// fetch fills in the certificate. One that is no certificate leaves key nil.
func (c *certificate) fetch(ctx context.Context, get func(context.Context, string) ([]byte, error), url string) {
	// Others may wait for it too: it is fetched though the first who asked goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), certificateWithin)
	defer cancel()
	text, err := get(ctx, url)
	if err != nil {
		c.err = err
		return
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok {
		c.key, c.from, c.until = key, cert.NotBefore, cert.NotAfter
	}
}

// Confirm tells SNS that we want to hear what it asks about in a [Report]'s Confirm.
func (c *Certificates) Confirm(ctx context.Context, url string) error {
	if _, ok := atSNS(url); !ok {
		return errors.New("confirm subscription: the address is not one of SNS")
	}
	ctx, cancel := context.WithTimeout(ctx, certificateWithin)
	defer cancel()
	if _, err := c.Fetch(ctx, url); err != nil {
		return fmt.Errorf("confirm subscription: %w", err)
	}
	return nil
}
