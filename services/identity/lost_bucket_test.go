package identity_test

import (
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
)

func TestALostBucketGetsCredentialsAndDigestKeysBack(t *testing.T) {
	t.Parallel()
	eu := identitytest.Start(t, rpctest.New(t), "eu-central")
	before := watch(t, eu)
	acme := eu.Organization(t, "acme")
	ada := eu.Person(t, acme, identitytest.Ada)
	kept, gone := eu.Card(t, acme, ada, identitytest.Card(1)), eu.Card(t, acme, ada, identitytest.Card(2))
	token := eu.Revoke(t, acme, gone.ID)
	head := outbox.HeadKey(acme.ID, "identity", "eu-central")
	upToDate := func(r *recordOf) bool { return r.GetVersion() >= token.GetVersion() }
	before.record(t, head, upToDate)

	eu.Broker.Lose(t, bus.AccessBucket("eu-central", 0))
	after := watch(t, eu)
	after.record(t, head, upToDate)
	before.mu.Lock()
	defer before.mu.Unlock()
	after.mu.Lock()
	defer after.mu.Unlock()
	if len(before.records) < 4 || after.records[outbox.OrgKey(acme.ID, "credential", kept.ID)] == nil {
		t.Fatalf("%d facts before, the card after: %v", len(before.records), after.records)
	}
	for key, was := range before.records { // the revoked card's end, too: a late write must not bring it back
		is := after.records[key]
		if is.GetVersion() != was.GetVersion() || is.GetRemoved() != was.GetRemoved() || !proto.Equal(&recordOf{Body: is.GetBody()}, &recordOf{Body: was.GetBody()}) {
			t.Errorf("%s was %v, came back as %v", key, was, is)
		}
	}
}
