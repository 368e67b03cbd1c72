package access

import (
	"fmt"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

type card struct {
	holder
	digests []presented
}

func credentialOf(k factKey, m *identityv1.CredentialState) (fact, error) {
	c := card{holder: holder{credential: k.id, person: m.GetPersonId()}}
	for _, d := range m.GetDigests() {
		if len(d.GetDigest()) != 32 {
			return nil, fmt.Errorf("a digest of %d bytes", len(d.GetDigest()))
		}
		c.digests = append(c.digests, presented{keyID: d.GetKeyId(), digest: [32]byte(d.GetDigest())})
	}
	if m.GetKind() == identityv1.CredentialKind_CREDENTIAL_KIND_PIN {
		return pin{person: c.person, digests: c.digests}, nil
	}
	return c, nil
}

func (c card) add(o *organization) {
	for _, d := range c.digests {
		o.holders[d] = c.holder
	}
	o.addCard(c)
}

func (c card) remove(o *organization) {
	for _, d := range c.digests {
		if o.holders[d] == c.holder {
			delete(o.holders, d)
		}
	}
	o.removeCard(c)
}

type digestKey struct {
	id  string
	key [32]byte
}

func (c *Copy) digestKeyOf(k factKey, m *identityv1.DigestKeyState) (fact, error) {
	plain, err := c.cfg.Ring.Open(m.GetWrappingKeyId(), m.GetWrapped(), credential.DigestKeyContext(k.org, k.id))
	if err != nil {
		return nil, err
	}
	if len(plain) != 32 {
		return nil, fmt.Errorf("a digest key of %d bytes", len(plain))
	}
	return digestKey{id: k.id, key: [32]byte(plain)}, nil
}

func (d digestKey) add(o *organization)    { o.keys[d.id] = d.key }
func (d digestKey) remove(o *organization) { delete(o.keys, d.id) }
