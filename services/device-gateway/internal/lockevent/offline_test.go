package lockevent

import (
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
)

// TestWhatALockDecidedAloneIsRecordedAsItSays, and only that: who was let in by a gateway is in the receipt.
func TestWhatALockDecidedAloneIsRecordedAsItSays(t *testing.T) {
	m := maker(t)
	said := func() *lockwirev1.Event {
		return &lockwirev1.Event{
			Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, Reason: 1, Offline: true, PersonId: "p", CredentialId: "c", BundleVersion: 7,
		}
	}
	e := entry(t, m, 3, 9, said())
	if !e.GetOffline() || e.GetPersonId() != "p" || e.GetCredentialId() != "c" || e.GetBundleVersion() != 7 ||
		e.GetDecision().GetReason() != permissionsv1.DecisionReason_DECISION_REASON_GRANT {
		t.Errorf("%v", e)
	}
	online := said()
	online.Offline = false
	if e := entry(t, m, 3, 9, online); e.GetPersonId() != "" || e.GetCredentialId() != "" || e.GetBundleVersion() != 0 {
		t.Errorf("a lock names people without having decided: %v", e)
	}
	answered := said()
	answered.Receipt = receipt(t, m, permissionsv1.Outcome_OUTCOME_GRANTED)
	if e := entry(t, m, 3, 9, answered); e.GetPersonId() != "person" || e.GetBundleVersion() != 0 {
		t.Errorf("the receipt does not go before what the lock says: %v", e)
	}
}
