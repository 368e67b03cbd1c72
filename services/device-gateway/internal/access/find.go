package access

import (
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// who turns what was presented into who carries it; the zero holder: nobody known. mu is held.
func (c *Copy) who(q *question, m *lockwirev1.AccessRequest) holder {
	switch {
	case m.GetCard() == nil:
		return c.enters(q, m.GetPin())
	case m.GetCard().GetFormat() == lockwirev1.CardFormat_CARD_FORMAT_PKOC && !q.proven:
		return holder{}
	default:
		return q.org.find(m.GetCard())
	}
}

// enters is who carries an entry code. The wrong ones of a door are counted, and limited.
func (c *Copy) enters(q *question, digits string) (who holder) {
	if digits == "" {
		return holder{}
	}
	c.attempts.try(attempt{door: q.device.Door}, q.at, func() bool {
		who = q.org.findCode(digits)
		return who.credential != ""
	})
	return who
}

// secondFactor is the digits that were typed besides a card; without a card they are an entry code, and prove nothing more.
func secondFactor(m *lockwirev1.AccessRequest) string {
	if m.GetCard() == nil {
		return ""
	}
	return m.GetPin()
}

// find turns a card into who carries it. A reader cannot tell a plastic card from one in a phone, so both kinds are tried.
func (o *organization) find(card *lockwirev1.Card) holder {
	format := formats(card.GetFormat())
	if format == "" {
		return holder{}
	}
	for id, key := range o.keys {
		for _, kind := range []string{credential.KindCard, credential.KindMobile} {
			digest := credential.Digest(key, kind, format, card.GetBitLength(), card.GetBits())
			if who, ok := o.holders[presented{keyID: id, digest: digest}]; ok {
				return who
			}
		}
	}
	return holder{}
}

func (o *organization) findCode(digits string) holder {
	for id, key := range o.keys {
		if who, ok := o.holders[presented{keyID: id, digest: credential.EntryCodeDigest(key, digits)}]; ok {
			return who
		}
	}
	return holder{}
}

func formats(f lockwirev1.CardFormat) string {
	switch f {
	case lockwirev1.CardFormat_CARD_FORMAT_WIEGAND26:
		return credential.FormatWiegand26
	case lockwirev1.CardFormat_CARD_FORMAT_WIEGAND34:
		return credential.FormatWiegand34
	case lockwirev1.CardFormat_CARD_FORMAT_WIEGAND37:
		return credential.FormatWiegand37
	case lockwirev1.CardFormat_CARD_FORMAT_UID:
		return credential.FormatUID
	case lockwirev1.CardFormat_CARD_FORMAT_PKOC:
		return credential.FormatPKOC
	default:
		return ""
	}
}
