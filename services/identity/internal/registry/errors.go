package registry

import "errors"

// What the registry refuses. The RPC layer gives each a code and a reason; texts never repeat personal fields.
var (
	// ErrNotFound: no such thing in this organization. A thing of another organization is not found either.
	ErrNotFound = errors.New("no such thing in this organization")
	// ErrSlugTaken: the jurisdiction has an organization of this slug.
	ErrSlugTaken = errors.New("an organization of this jurisdiction has this slug")
	// ErrCardTaken: the organization has an active credential with the same number in this jurisdiction.
	ErrCardTaken = errors.New("an active credential of the organization has this card number")
	// ErrDigitsTaken: an active PIN of the person, or entry code of the organization, has these digits. It does not say whose.
	ErrDigitsTaken = errors.New("these digits are in use; choose others, or leave them out to have some drawn")
	// ErrParts: a credential without what its kind is made of, or with what it is not.
	ErrParts = errors.New("not what a credential of this kind is made of")
	// ErrDigits: digits that are too few, too many or too easily guessed.
	ErrDigits = errors.New("digits that cannot be used")
	// ErrErased: the person's record was erased; nothing can be added to it.
	ErrErased = errors.New("the person was erased")
	// ErrNoDigestKeys: the person's home is outside the organization's jurisdiction, and the organization's digest keys
	// have not arrived there. They are asked for when a person or a site is made there.
	ErrNoDigestKeys = errors.New("the organization's digest keys have not arrived in this jurisdiction yet")
	// ErrBadKey: an API key that is unknown, wrong, revoked or expired; one error for all, so that nothing is learnt.
	ErrBadKey = errors.New("unknown, wrong, revoked or expired key")
	// ErrExpiresInPast: a key that would never work.
	ErrExpiresInPast = errors.New("expires_at is not in the future")
	// ErrNoTime: a time outside the years 1 to 9999.
	ErrNoTime = errors.New("expires_at is not within the years 1 to 9999")
	// ErrSameJurisdiction: a region needs not follow what lives in its own jurisdiction.
	ErrSameJurisdiction = errors.New("the follower is in the jurisdiction of what it would follow")
	// ErrForeignSource: facts of a home are taken only from that home's jurisdiction.
	ErrForeignSource = errors.New("the source is not the home of what it sends")
)
