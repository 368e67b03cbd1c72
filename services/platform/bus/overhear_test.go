package bus_test

import (
	"context"
	"slices"
	"testing"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
)

// overhear collects what a service of eu-central overhears of its own kind.
func overhear(t *testing.T, b *bus.Bus) *inbox {
	heard := &inbox{}
	background(t, func(ctx context.Context) error {
		return b.Overhear(ctx, bus.ServiceEvents("eu-central", "permissions"), heard.add)
	})
	return heard
}

// hears publishes event after event until one is heard, and returns the number of the next.
func hears(t *testing.T, from *bus.Bus, n int, all ...*inbox) int {
	t.Helper()
	eventually(t, "an event is heard", func() bool {
		ev := event(n)
		n++
		if err := from.PublishEvent(testContext(t), bus.Subject(ev), ev); err != nil {
			return false // the broker is on its way back
		}
		return !slices.ContainsFunc(all, func(i *inbox) bool { return !slices.Contains(i.all(), ev.GetId()) })
	})
	return n
}

func TestEveryInstanceOverhearsWhatComesAndNothingFromBefore(t *testing.T) {
	t.Parallel()
	regions := threeRegions(t)
	relay := ready(t, regions)["eu-central"]
	if err := relay.PublishEvent(testContext(t), bus.Subject(event(0)), event(0)); err != nil {
		t.Fatal(err)
	}
	one, two := overhear(t, regions.Connect(t, "eu-central", "permissions")), overhear(t, regions.Connect(t, "eu-central", "permissions"))
	n := hears(t, relay, 1, one, two)
	for _, heard := range [][]string{one.all(), two.all()} {
		if slices.Contains(heard, event(0).GetId()) {
			t.Errorf("heard of what came before: %v", heard)
		}
	}
	foreign := &typev1.Event{Id: "event_euc_x", Region: "eu-central", OrgId: "org_euc_1", Service: "identity", Kind: "person_created"}
	identity := regions.Connect(t, "eu-central", "identity")
	if err := identity.PublishEvent(testContext(t), bus.Subject(foreign), foreign); err != nil {
		t.Fatal(err)
	}
	regions.Restart(t, "eu-central")
	hears(t, relay, n, one, two)
	if slices.Contains(one.all(), foreign.GetId()) {
		t.Error("heard of another service")
	}
}
