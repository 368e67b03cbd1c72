package session

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// notes keeps the record of one device.
type notes struct{ BundleStates }

func (notes) Write(_ context.Context, _ bundlestate.Device, over bundlestate.Record, next *gatewayv1.BundleState) (bundlestate.Record, error) {
	return bundlestate.Record{State: next, Revision: over.Revision + 1}, nil
}

func newVisit(record *gatewayv1.BundleState) *visit {
	b := &bundler{hub: &Hub{cfg: Config{Logger: slog.New(slog.DiscardHandler)}}, Bundles: Bundles{States: notes{}, Home: func(string) (region.Name, error) { return "eu-central", nil }}}
	l := &lane{capable: true, known: true, record: bundlestate.Record{State: record, Revision: 1}}
	return &visit{bundler: b, session: &session{lane: l}, lane: l, now: time.Now()}
}

// A lock may answer in another order than it was told. What it holds last counts.
func TestALateAnswerToRevocationsDoesNotHideALaterBundle(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Minute)
	later := bundlestate.Content{Hash: [32]byte{1}, Issued: now, NotAfter: now.Add(time.Hour), Heads: map[string]int64{"permissions.eu-central": 7}}
	v := newVisit(bundlestate.Give(&gatewayv1.BundleState{Version: 6}, 7, later, "gateway", "door"))
	v.lane.revoked = []*given{{all: true, held: held{version: 6}}}
	v.lane.bundle = &given{held: held{version: 7, Content: later}}
	for _, ack := range []*lockwirev1.BundleAck{
		{Version: 7, Applied: true, Hash: later.Hash[:]}, {Version: 6, Applied: true, Hash: later.Hash[:]},
	} {
		if err := v.acked(t.Context(), ack); err != nil {
			t.Fatal(err)
		}
	}
	if s := v.lane.record.State; !bundlestate.Holds(s, now) || v.lane.held == nil {
		t.Fatalf("the lock holds a bundle, and the record says: %v", s)
	}
}

func TestAWholeBundleWaitsForTheAnswerToRevocations(t *testing.T) {
	t.Parallel()
	v := newVisit(&gatewayv1.BundleState{Version: 6})
	v.lane.revoked = []*given{{all: true, held: held{version: 6}}}
	if err := v.giveWhole(t.Context(), access.OfflineBundle{Allowed: true}); err != nil || v.lane.record.State.GetVersion() != 6 {
		t.Fatalf("%v, %v", err, v.lane.record.State)
	}
}

type unsigned struct{ BundleSigner }

func (unsigned) Revocations(m *lockwirev1.RevocationsContent) (*lockwirev1.Revocations, error) {
	return &lockwirev1.Revocations{Version: m.GetVersion()}, nil
}

// send lets it send, to a lock that has left.
func (v *visit) send(t *testing.T) {
	v.Signer = unsigned{}
	one, other := net.Pipe()
	t.Cleanup(func() { other.Close() })
	v.session.conn, v.session.closing = tls.Client(one, &tls.Config{ServerName: "a lock that has left"}), true
}

// What cannot be given whole, to a lock of which nobody knows what it holds, leaves it with nothing: nothing could be revoked there.
func TestALockWhoseBundleIsTooLargeForgetsWhatNobodyKnows(t *testing.T) {
	t.Parallel()
	huge := access.OfflineBundle{Allowed: true, IssuedAt: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	huge.Content.Entries = make([][]byte, bundle.MaxEntries+1)
	for name, known := range map[string]*held{"not known": nil, "known": {version: 5}} {
		v := newVisit(&gatewayv1.BundleState{Version: 6})
		v.send(t)
		v.lane.had, v.lane.held = 5, known
		if err := v.giveBundle(t.Context(), huge, known); err != nil {
			t.Fatal(err)
		}
		all := len(v.lane.revoked) == 1 && v.lane.revoked[0].all
		if all != (known == nil) || v.lane.bundle != nil || !v.lane.resume.After(v.now) {
			t.Errorf("what it holds is %s: told to forget all: %v, given: %v, again at %v", name, all, v.lane.bundle, v.lane.resume)
		}
	}
}

func TestALockThatDoesNotAnswerIsNotSentEverMoreRevocations(t *testing.T) {
	t.Parallel()
	v := newVisit(&gatewayv1.BundleState{Version: 6})
	v.send(t)
	for n := range byte(100) {
		if err := v.revokeFrom(t.Context(), access.OfflineBundle{}, []entryHash{{n}}, true); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(v.lane.revoked); n != maxRevocationsOut || v.lane.record.State.GetVersion() != 6+maxRevocationsOut {
		t.Fatalf("%d are without answer, version %d", n, v.lane.record.State.GetVersion())
	}
}
