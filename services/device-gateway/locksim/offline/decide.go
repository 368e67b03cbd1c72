package offline

import (
	"slices"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
)

// Presented is what a person does at the lock. The direction is of no account: a lock alone knows no earlier passages.
type Presented struct {
	// Card is nil when only digits were typed: an entry code.
	Card *lockwirev1.Card
	// PIN is the digits that were typed; empty: none.
	PIN string
	// Proof is the key's answer to the lock's challenge; only with a PKOC card.
	Proof *lockwirev1.KeyProof
}

// Clock is what the lock's clocks show at one moment.
type Clock struct {
	// UnixMs is milliseconds since 1970 UTC; of no account unless Set.
	UnixMs uint64
	// Set: the clock was set since power was lost.
	Set bool
	// UptimeMs is milliseconds since boot.
	UptimeMs uint64
}

// Reason is a number of cardea.permissions.v1.DecisionReason.
type Reason = permissionsv1.DecisionReason

// The reasons that a lock gives.
const (
	grant         = permissionsv1.DecisionReason_DECISION_REASON_GRANT
	noGrant       = permissionsv1.DecisionReason_DECISION_REASON_NO_GRANT
	outside       = permissionsv1.DecisionReason_DECISION_REASON_OUTSIDE_SCHEDULE
	notYet        = permissionsv1.DecisionReason_DECISION_REASON_NOT_YET_VALID
	expired       = permissionsv1.DecisionReason_DECISION_REASON_EXPIRED
	unknown       = permissionsv1.DecisionReason_DECISION_REASON_UNKNOWN_CREDENTIAL
	lockdown      = permissionsv1.DecisionReason_DECISION_REASON_LOCKDOWN
	tooOld        = permissionsv1.DecisionReason_DECISION_REASON_COPY_TOO_OLD
	brokenFacts   = permissionsv1.DecisionReason_DECISION_REASON_BROKEN_FACTS
	autoUnlock    = permissionsv1.DecisionReason_DECISION_REASON_AUTO_UNLOCK
	usesExhausted = permissionsv1.DecisionReason_DECISION_REASON_USES_EXHAUSTED
	factorNeeded  = permissionsv1.DecisionReason_DECISION_REASON_SECOND_FACTOR_NEEDED
	factorWrong   = permissionsv1.DecisionReason_DECISION_REASON_SECOND_FACTOR_WRONG
	stateUnknown  = permissionsv1.DecisionReason_DECISION_REASON_STATE_UNKNOWN
)

// Decision is what a lock decided alone.
type Decision struct {
	Outcome lockwirev1.Outcome
	Reason  Reason
	// Warning is STATE_UNKNOWN where the door opened without what a rule needs; else 0.
	Warning Reason
	// UnlockMs is how long; 0 when denied, and when the bundle does not say: then it is the lock's own.
	UnlockMs uint32
	// CredentialID and PersonID are of the entry that was found; GrantID is of the right that decided.
	CredentialID, PersonID, GrantID string
	// BundleVersion is Holder.Version.
	BundleVersion uint64
}

// Granted says whether the door opens.
func (d Decision) Granted() bool { return d.Outcome == lockwirev1.Outcome_OUTCOME_GRANTED }

// Decide answers from the bundle. false: there is none, and nothing opens (D1).
func (h *Holder) Decide(clock Clock, p Presented) (Decision, bool) {
	if !h.Holds() {
		return Decision{}, false
	}
	d := Decision{Outcome: lockwirev1.Outcome_OUTCOME_DENIED, BundleVersion: h.Version()}
	if broken(h.content.door) { // D2
		d.Reason = brokenFacts
		return d, true
	}
	entry := h.recognise(p, clock.UptimeMs)
	if entry == nil { // D3
		d.Reason = unknown
		return d, true
	}
	d.CredentialID, d.PersonID = entry.GetCredentialId(), entry.GetPersonId()
	t := h.time(clock)
	q := question{time: t, door: h.content.door, entry: entry, pin: h.pin(entry, p, clock.UptimeMs)}
	if !t.allows(entry) { // D4
		d.Reason = tooOld
		return d, true
	}
	d.Outcome, d.Reason, d.Warning, d.GrantID = q.decide()
	if d.Granted() && h.content.door.GetUnlockMs() != 0 {
		d.UnlockMs = min(max(h.content.door.GetUnlockMs(), 500), 60_000)
	}
	return d, true
}

// broken says whether a door opens for nobody: its gateway says so, or a rule of it names a schedule that it does not have.
func broken(door *lockwirev1.BundleDoor) bool {
	rules := door.GetRules()
	for _, named := range []uint64{door.GetOpenSchedule(), rules.GetSecondFactorSchedule(), rules.GetFirstPersonSchedule()} {
		if named != 0 && !slices.ContainsFunc(door.GetSchedules(), func(s *lockwirev1.BundleSchedule) bool { return s.GetRef() == named }) {
			return true
		}
	}
	return door.GetBroken()
}

// factor is what became of a second factor.
type factor int

const (
	factorNone factor = iota
	factorRight
	factorBad
)

// pin looks at the digits that came with a card (D9).
func (h *Holder) pin(entry *lockwirev1.BundleEntry, p Presented, uptime uint64) factor {
	if p.Card == nil || p.PIN == "" || !h.content.door.GetRules().GetSecondFactor() {
		return factorNone
	}
	if h.attempts.try(entry.GetPersonId(), maxWrongPINs, uptime, func() bool { return h.hasPIN(entry, p.PIN) }) {
		return factorRight
	}
	return factorBad
}
