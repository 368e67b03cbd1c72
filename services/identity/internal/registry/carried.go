package registry

import (
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// Carried is what a credential opens with: a card's number, a phone's public key, or digits that a person knows.
type Carried struct {
	Kind   string     // of package credential
	Card   CardNumber // of a card or mobile key
	Digits Digits     // of a PIN or entry code; empty: they are to be drawn
}

// Typed says whether it is digits.
func (c Carried) Typed() bool {
	return c.Kind == credential.KindPIN || c.Kind == credential.KindEntryCode
}

// Check says whether it can be issued: else ErrParts, ErrDigits or credential.ErrMalformed.
func (c Carried) Check() error {
	hasCard := c.Card.Format != "" || c.Card.BitLength != 0 || len(c.Card.Bits) > 0
	switch {
	case c.Typed() && hasCard:
		return fmt.Errorf("%w: a PIN or entry code has digits and no card number", ErrParts)
	case c.Typed() && c.Digits == "":
		return nil
	case c.Typed():
		return c.Digits.check(c.Kind)
	case c.Kind != credential.KindCard && c.Kind != credential.KindMobile:
		return fmt.Errorf("%w: unknown kind", ErrParts)
	case !hasCard || c.Digits != "":
		return fmt.Errorf("%w: a card or mobile key has a card number and no digits", ErrParts)
	case c.Kind == credential.KindMobile && c.Card.Format != credential.FormatPKOC:
		return fmt.Errorf("%w: a mobile key is a public key, in format %s", ErrParts, credential.FormatPKOC)
	}
	return c.Card.Check()
}

// Digests is one digest for each key, in the keys' order. A PIN's are its person's own.
func (c Carried) Digests(person region.ID, keys []DigestKey) []Digest {
	return c.digests(c.Kind, person, keys)
}

// Rivals are the digests that no other active credential of the organization may have: its own, and for a public key also those
// that it has as the other kind. A door cannot tell a card from a phone, and would not know whose the key is.
func (c Carried) Rivals(person region.ID, keys []DigestKey) []Digest {
	rivals := c.Digests(person, keys)
	if c.Card.Format == credential.FormatPKOC {
		other := credential.KindCard
		if c.Kind == credential.KindCard {
			other = credential.KindMobile
		}
		rivals = append(rivals, c.digests(other, person, keys)...)
	}
	return rivals
}

func (c Carried) digests(kind string, person region.ID, keys []DigestKey) []Digest {
	digests := make([]Digest, len(keys))
	for i, key := range keys {
		var sum [32]byte
		switch kind {
		case credential.KindPIN:
			sum = credential.PINDigest(key.Key, string(person), string(c.Digits))
		case credential.KindEntryCode:
			sum = credential.EntryCodeDigest(key.Key, string(c.Digits))
		default:
			sum = credential.Digest(key.Key, kind, c.Card.Format, c.Card.BitLength, c.Card.Bits)
		}
		digests[i] = Digest{KeyID: key.ID, Sum: sum[:]}
	}
	return digests
}
