package gateway_test

import (
	"slices"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestWithoutTheBrokerNothingIsGivenAndNothingIsSaidToBeEnforced(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	g := p.start("")
	l, wire := g.bundled()
	token := p.revoke()
	g.after(token)
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	version := l.BundleVersion()
	p.broker.Stop()
	out := g.wait(token, time.Second)
	if !slices.ContainsFunc(out.GetGateways(), func(s *gatewayv1.GatewayStatus) bool { return !s.GetApplied() }) {
		t.Fatalf("nobody can know what is exposed: %v", out)
	}
	wire.set(false)
	p.must(l.WaitOpen(p.soon()))
	if l.BundleVersion() != version {
		t.Fatal("something was given that nobody could note")
	}
	p.broker.Restart(t)
	p.eventually("it is known again", func() bool {
		out := g.wait(token, time.Second)
		return len(out.GetExposures()) == 0 && !slices.ContainsFunc(out.GetGateways(), func(s *gatewayv1.GatewayStatus) bool { return !s.GetApplied() })
	})
}

func TestWhatWasNotedIsNotedAgainWhenTheBucketIsLost(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	g := p.start("")
	l, _ := g.bundled()
	away, wire := g.bundled()
	wire.set(true)
	p.must(away.WaitClosed(p.soon()))
	version := l.BundleVersion()
	p.broker.Lose(t, bus.StateBucket(home))
	p.awaitBroker() // the bucket is made anew
	p.eventually("the connected lock is noted again, with a later version", func() bool { return l.BundleVersion() > version })
	// What the other one may hold nobody knows any more.
	got := g.after(p.revoke())
	latest := time.Now().Add(budget)
	if len(got) != 1 || got[0].GetDeviceId() != away.DeviceID() {
		t.Fatalf("exposed: %v", got)
	}
	if until := got[0].GetUntil().AsTime(); until.Before(latest.Add(-time.Minute)) {
		t.Fatalf("exposed until %v: what was given before the bucket was lost may hold until %v", until, latest)
	}
	wire.set(false)
	p.eventually("nothing is exposed", func() bool { return len(g.exposures()) == 0 })
	if away.BundleVersion() == 0 {
		t.Fatal("the lock that came back holds nothing")
	}
}

// TestHowLongARevocationTakes is no bound, since the machine is shared: it says what was measured.
func TestHowLongARevocationTakes(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	g := p.start("")
	g.bundled()
	client := g.service("permissions")
	key := outbox.SiteKey(p.org, p.site, "grant", p.grant)
	var took []time.Duration
	for range 50 {
		p.put(key, &permissionsv1.GrantState{SubjectId: string(p.person), TargetId: string(p.door)})
		p.eventually("nothing is exposed", func() bool { return len(g.exposures()) == 0 })
		began := time.Now()
		out, err := client.WaitApplied(p.soon(), &gatewayv1.WaitAppliedRequest{
			OrgId: string(p.org), Region: string(home), Token: p.revoke(), Timeout: durationpb.New(10 * time.Second),
		})
		p.must(err)
		took = append(took, time.Since(began))
		if len(out.GetExposures()) != 0 {
			t.Fatalf("exposed: %v", out)
		}
	}
	slices.Sort(took)
	t.Logf("from the write of a revocation until no lock is exposed: median %v, p99 %v", took[len(took)/2], took[len(took)-1])
}
