package commands

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"broadsheet/mailer"
)

// dkim is how a publication's mails are signed. The zero value leaves it to the relays.
type dkim struct {
	keys    *mailer.DKIMKeys
	records []mailer.DKIMRecord
	signers map[string]mailer.Signer // by a relay's profile
}

// loadDKIM reads the environment's DKIM keys, which sign for domain, that of From.
func loadDKIM(getenv func(string) string, domain string) (dkim, error) {
	keys, err := mailer.LoadDKIMKeys(getenv)
	if err != nil || keys == nil {
		return dkim{}, usage(err)
	}
	d := dkim{keys: keys, signers: map[string]mailer.Signer{}}
	if d.records, err = keys.Records(domain); err != nil {
		return dkim{}, usage(err)
	}
	for _, profile := range []string{"plain", "ses"} {
		if d.signers[profile], err = mailer.NewDKIM(keys, domain, profile); err != nil {
			return dkim{}, usage(err)
		}
	}
	return d, nil
}

// signer signs what goes to relays of a profile ("" = plain); nil: they sign.
func (d dkim) signer(profile string) mailer.Signer { return d.signers[cmp.Or(profile, "plain")] }

// sign signs a delivery's mail as its first copy was or will be signed.
func (d dkim) sign(m mailer.Message, v *mailer.Delivery, profile string) (mailer.Message, error) {
	signed, err := mailer.Signed(nil, m, d.signer(profile), v.Selector, v.Date)
	if errors.Is(err, mailer.ErrNoSelector) {
		return signed, usage(err)
	}
	return signed, err
}

// String says who signs, for check.
func (d dkim) String() string {
	if d.keys == nil {
		return "DKIM: no keys are set, the relay signs"
	}
	var now, others []string
	for _, r := range d.records {
		text := fmt.Sprintf("%s (%s, %d bits)", r.Selector, r.Algorithm, r.Bits)
		if r.Signs {
			now = append(now, text)
		} else {
			others = append(others, r.Selector)
		}
	}
	text := "DKIM: selector " + strings.Join(now, " and ") + " signs"
	if len(others) > 0 {
		text += "; for second copies also " + strings.Join(others, ", ")
	}
	return text
}

// warnings says what about the keys is allowed and not good.
func (d dkim) warnings() []string {
	if d.keys == nil {
		return nil
	}
	return d.keys.Warnings()
}
