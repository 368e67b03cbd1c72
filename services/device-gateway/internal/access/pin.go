package access

import (
	"crypto/subtle"

	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// pin is a person's PIN: it opens nothing alone.
type pin struct {
	person  string
	digests []presented
}

func (p pin) add(o *organization) {
	for _, d := range p.digests {
		addTo(o.pins, p.person, d)
	}
}

func (p pin) remove(o *organization) {
	for _, d := range p.digests {
		removeFrom(o.pins, p.person, func(other presented) bool { return other == d })
	}
}

// hasPIN says whether the digits are a PIN of the person.
func (o *organization) hasPIN(person, digits string) bool {
	right := 0
	for _, p := range o.pins[person] {
		key, ok := o.keys[p.keyID]
		if !ok {
			continue
		}
		digest := credential.PINDigest(key, person, digits)
		right |= subtle.ConstantTimeCompare(digest[:], p.digest[:])
	}
	return right == 1
}

// factor is what became of the typed digits; those of nobody prove nothing.
func (c *Copy) factor(q *question, digits string) policy.Factor {
	if digits == "" || q.who.person == "" {
		return policy.FactorNone
	}
	of := attempt{person: q.who.person, door: q.device.Door}
	if c.attempts.try(of, q.at, func() bool { return q.org.hasPIN(q.who.person, digits) }) {
		return policy.FactorRight
	}
	return policy.FactorWrong
}
