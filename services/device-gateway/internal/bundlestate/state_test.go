package bundlestate

import (
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

const source = "permissions.eu-central"

func content(issued time.Time, version int64) Content {
	return Content{Issued: issued, NotAfter: issued.Add(time.Hour), Heads: map[string]int64{source: version}}
}

// What a record says is never better than the worst that the lock may hold.
func TestARecordCoversAllThatTheLockMayHold(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Minute)
	s := Give(new(gatewayv1.BundleState), 1, content(now, 5), "g", "d")
	if s.GetAsOf()[source] != 5 || Confirmed(s) || !Holds(s, now) {
		t.Fatalf("given to a lock that holds nothing: %v", s)
	}
	s = Confirm(s, 1, content(now, 5))
	later := content(now.Add(time.Minute), 9)
	s = Give(s, 2, later, "g", "d")
	if s.GetAsOf()[source] != 5 || !Until(s).Equal(later.NotAfter) {
		t.Fatalf("it may hold the old one, until the end of the new one: %v", s)
	}
	s = Give(s, 3, content(now, 7), "other", "d")
	if late := Confirm(s, 2, later); late.GetAsOf()[source] != 5 || Confirmed(late) {
		t.Fatalf("a third one is on its way: %v", late)
	}
	if s = Confirm(s, 3, content(now, 7)); s.GetAsOf()[source] != 7 || !Until(s).Equal(now.Add(time.Hour)) {
		t.Fatalf("confirmed: %v", s)
	}
	s = GiveRevocations(s, 4, "g")
	if raised := Raise(s, map[string]int64{source: 99}); raised.GetAsOf()[source] != 7 {
		t.Fatalf("raised while revocations are on their way: %v", raised)
	}
	if s = ConfirmNone(s, 4); Holds(s, now) || !Confirmed(s) {
		t.Fatalf("it forgot all: %v", s)
	}
}

func TestWhatIsNotNotedCountsAsHeldByWhoIsOlderThanTheBucket(t *testing.T) {
	t.Parallel()
	rule := Rule{Budget: 2 * time.Hour}
	device := string(region.NewID(region.Device, "euc"))
	if s := Missing(device, time.Now().Add(-time.Hour), rule); Holds(s, time.Now()) {
		t.Fatalf("a device that is younger than the bucket: %v", s)
	}
	began := time.Now().Add(time.Hour)
	s := Missing(device, began, rule)
	if !Holds(s, began.Add(rule.Budget)) || Holds(s, began.Add(rule.Budget+time.Hour)) {
		t.Fatalf("a device that is older: %v", s)
	}
	if s := Missing(device, began, Rule{}); Holds(s, time.Now()) {
		t.Fatalf("at a door that allows nothing: %v", s)
	}
	if s := Forgotten(s, 57, began); s.GetVersion() != 57 || !Holds(s, began.Add(29*24*time.Hour)) {
		t.Fatalf("a lock that holds what nobody noted: %v", s)
	}
}
