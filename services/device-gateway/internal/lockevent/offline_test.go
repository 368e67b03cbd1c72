package lockevent

import (
	"testing"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// TestWhatALockDecidedAloneIsRecordedAsItSays, and only that: who was let in by a gateway is in the receipt.
func TestWhatALockDecidedAloneIsRecordedAsItSays(t *testing.T) {
	m := maker(t)
	person, credential := string(region.NewID(region.Person, "euc")), string(region.NewID(region.Credential, "euc"))
	said := func() *lockwirev1.Event {
		return &lockwirev1.Event{
			Outcome: lockwirev1.Outcome_OUTCOME_GRANTED, Reason: 1, Offline: true, PersonId: person, CredentialId: credential, BundleVersion: 7,
		}
	}
	e := entry(t, m, 3, 9, said())
	if !e.GetOffline() || e.GetPersonId() != person || e.GetCredentialId() != credential || e.GetBundleVersion() != 7 ||
		e.GetDecision().GetReason() != permissionsv1.DecisionReason_DECISION_REASON_GRANT {
		t.Errorf("%v", e)
	}
	named := said()
	named.PersonId, named.CredentialId = "Ximena Quintanilla", person
	if e := entry(t, m, 3, 9, named); e.GetPersonId() != "" || e.GetCredentialId() != "" || e.GetBundleVersion() != 7 {
		t.Errorf("a lock writes what is no id into the ledger: %v", e)
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
