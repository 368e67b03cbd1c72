// Package offline is how a lock decides alone: it holds a bundle and answers from it. It knows nothing but the messages of the
// lock wire protocol, and is written to be read by whoever writes firmware. Numbers in the code are those of the rules below.
//
// # Holding a bundle
//
// The lock keeps in flash: the door's bytes, the entries by their hashes, issued_at, not_after, the content's hash, the version
// of the last Bundle (`bundle`), the highest version of a Bundle or Revocations that it applied (`latest`), the version of the last
// Revocations with `all` (`forgotten`), and tombstones: entry hashes, each with the version of the Revocations that took it out.
// All of it changes in one step, or not at all, before BundleAck is sent.
//
// A Bundle, in this order; the first that fails is BundleAck.problem:
//
//	H1  signed is at most 4,194,304 bytes: TOO_LARGE. The chain leads to a pinned root and is valid by the lock's clock, the signer
//	    has a P-256 key and the DNS name bundles.cardea, the signature is right, device_id is the lock's, and version is that of
//	    the Bundle and not 0: SIGNATURE.
//	H2  It is the last Bundle once more (same version, same hash): it counts as applied, nothing changes.
//	H3  version is above `bundle` and above `forgotten`: BASE.
//	H4  With base_version: the lock holds a bundle, and base_version is from `bundle` to `latest`: BASE.
//	H5  The door and all entries are messages without unknown fields, keys and digests have 32 bytes, removed hashes 16: UNKNOWN.
//	H6  The result is: of a difference the entries that are held (also those without bytes, see H8) without those whose tombstone's
//	    version is at most `version`, without the removed ones, and with the new ones; of a whole the new ones. It has at most
//	    20,000 entries, and they and the door at most 4,194,304 bytes: TOO_LARGE.
//	H7  SHA-256(SHA-256(door) ‖ the result's hashes in rising order) is the content's hash: BASE.
//	H8  The result replaces what was held. Tombstones of at most `version` are forgotten. An entry with a tombstone that is left
//	    loses its bytes: only its hash stays, so that the next difference can be checked.
//
// Revocations:
//
//	H9  Checked as in H1, with cardea-revocations/1; at most 2,000 hashes of 16 bytes: else TOO_LARGE, UNKNOWN.
//	H10 A version below `bundle` or `forgotten` changes nothing and counts as applied: what came after was made knowing it.
//	H11 With `all` the lock forgets door, entries, and tombstones up to this version; it holds no bundle.
//	H12 Each hash becomes a tombstone, whether it is held or not; one that is held loses its bytes. More than 8,000 tombstones:
//	    the lock does as with `all`.
//
// BundleAck.hash and Hello.bundle_hash are as in H7, but over the entries that have bytes; Hello.bundle_version is `latest`, or 0
// without a bundle.
//
// # Deciding
//
// The lock asks a gateway first. When it has no session, or no answer came while it counts, it decides alone:
//
//	D1  It holds no bundle: denied, without reason, and the event is not `offline`.
//	D2  BundleDoor.broken: denied, BROKEN_FACTS.
//	D3  Who: a card of format PKOC needs a KeyProof that verifies; of any card the digests of kind `card` and `mobile` under every
//	    key are looked for; digits without a card are an entry code, its digest of kind `entry_code`. None is found: denied,
//	    UNKNOWN_CREDENTIAL, also while the door stands open. After 10 wrong entry codes, until 10 minutes after the first of them,
//	    every one is unknown, unread.
//	D4  When: the clock is believed when it is set and not more than a minute before issued_at; before issued_at it is issued_at.
//	    The bundle is fresh when the clock is believed and before not_after. Otherwise it is stale:
//	    STAY_SECURE, or an unknown policy: denied, COPY_TOO_OLD.
//	    EMERGENCY_LIST: an entry without `emergency` is denied, COPY_TOO_OLD.
//	D5  A schedule holds, fresh: in its windows. Stale: of a right never, but always on the emergency list; of second_factor and
//	    first_person always; open_schedule never. With a clock that is not believed a right has begun when from_ms is at most
//	    issued_at, and one with to_ms has ended; every lockdown holds. (A lock without a clock has lost its power since it had the
//	    bundle: it cannot know how old it is.)
//	D6  L is the highest rank of the lockdowns that hold; 0: none.
//	D7  Each right says the first of these: now < from_ms: NOT_YET_VALID. now >= to_ms, with to_ms: EXPIRED. A schedule that the
//	    door does not have: BROKEN_FACTS. One that does not hold: OUTSIDE_SCHEDULE. limited: USES_EXHAUSTED. override_rank < L:
//	    LOCKDOWN. Else GRANT. R is what comes first in GRANT, LOCKDOWN, BROKEN_FACTS, USES_EXHAUSTED, OUTSIDE_SCHEDULE,
//	    NOT_YET_VALID, EXPIRED; of several rights that say it the first counts. No right: NO_GRANT.
//	D8  open: open_schedule holds and L is 0. waits: first_person, and its schedule holds (0: always). stands: open and not waits.
//	    asked: second_factor, and its schedule holds (0: always).
//	D9  The PIN is looked at whenever digits came with a card and the door has second_factor: right when its digest is one of the
//	    entry's pins. After 5 wrong ones of a person, until 10 minutes after the first of them, every one is wrong, unread; a right
//	    one forgets them.
//	D10 R is GRANT and stands: granted, GRANT. Another R and stands: granted, AUTO_UNLOCK.
//	D11 R is GRANT, and no zones, not two_person, and (not waits, or not first_person_holds_others, or the entry may_be_first), and
//	    (not asked, or the PIN is right): granted, GRANT.
//	D12 R is GRANT, not open, and asked: without a PIN denied, SECOND_FACTOR_NEEDED; with a wrong one denied, SECOND_FACTOR_WRONG.
//	D13 R is LOCKDOWN, or R is not GRANT, L is not 0 and open_schedule holds: denied, LOCKDOWN.
//	D14 R is neither GRANT nor is the door open: denied, R; STATE_UNKNOWN for USES_EXHAUSTED.
//	D15 What is left depends on passages that the lock does not know: allow_without_state and no zone is hard: granted, GRANT, or
//	    AUTO_UNLOCK for another R, with the warning STATE_UNKNOWN. Otherwise denied, STATE_UNKNOWN.
//
// In D10 and D11 the warning is STATE_UNKNOWN where a passage is lost that others need: there are zones, or the entry may_be_first
// by a grant, first_person_schedule is not 0, and it holds or there is a first_person_grace_ms.
//
// Between presentations, a lock that decides alone keeps its door unlocked while `stands` (a fresh bundle, not broken).
//
// A Holder is not safe for concurrent use.
package offline
