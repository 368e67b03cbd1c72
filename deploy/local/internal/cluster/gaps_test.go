package cluster_test

import (
	"time"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// What is promised and not kept yet. Each is tried and told in the log, and does not fail the test; who closes a gap makes
// its lines errors.

// gap tells one.
func (n *tenant) gap(format string, args ...any) {
	n.t.Helper()
	n.t.Logf("KNOWN GAP: "+format, args...)
}

// gapAbroad: a commit counts as enforced when the other jurisdiction has it in its database; its gateways are not asked.
func (n *tenant) gapAbroad(token *typev1.ConsistencyToken, p person) {
	n.t.Helper()
	if wait := n.enforced(euCentral, token, time.Second); wait.Enforced && n.swipe(n.usLock, p).Granted {
		n.gap("a membership ended, reported as enforced, and the door in us-east opens")
	}
}

// gapOfIdentity: permissions does not know what identity still has to send over the border. To be called while us-east's
// identity is down.
func (n *tenant) gapOfIdentity() {
	n.t.Helper()
	revoked, err := n.identity(euCentral).RevokeCredential(n.t.Context(), &identityv1.RevokeCredentialRequest{
		OrgId: n.org, CredentialId: n.leaver.credential,
	})
	must(n.t, err)
	if wait := n.enforced(euCentral, revoked.Token, time.Second); wait.Enforced && n.swipe(n.usLock, n.leaver).Granted {
		n.gap("a card revoked, reported as enforced with no region pending, and the door in us-east opens")
	}
}
