package rpc

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// twoLocks is a door with two locks.
type twoLocks struct{ Doors }

func (twoLocks) DevicesOf(string, string) []access.Device {
	return []access.Device{{ID: "first"}, {ID: "second"}}
}

func (twoLocks) UnlockFor(string, string) (time.Duration, bool) { return 5 * time.Second, true }

// answering has locks connected that answer so.
type answering struct {
	nobody
	outcomes map[string]lockwirev1.CommandOutcome
	told     []string
}

func (a *answering) Connected(device string) bool { _, ok := a.outcomes[device]; return ok }

func (a *answering) Command(_ context.Context, o session.Order) (*lockwirev1.CommandResult, error) {
	a.told = append(a.told, o.Device)
	return &lockwirev1.CommandResult{CommandId: o.CommandID, Outcome: a.outcomes[o.Device]}, nil
}

// Some locks of a door cannot unlock, or are away: another one does it.
func TestALockOfTheDoorThatCanIsTold(t *testing.T) {
	regions, err := region.NewMap(map[region.Name]region.Spec{"eu-central": {Code: "euc", Jurisdiction: "eu"}})
	if err != nil {
		t.Fatal(err)
	}
	own, _ := regions.Get("eu-central")
	const (
		done        = lockwirev1.CommandOutcome_COMMAND_OUTCOME_DONE
		failed      = lockwirev1.CommandOutcome_COMMAND_OUTCOME_FAILED
		unsupported = lockwirev1.CommandOutcome_COMMAND_OUTCOME_UNSUPPORTED
	)
	for name, c := range map[string]struct {
		outcomes map[string]lockwirev1.CommandOutcome
		told     []string
		want     gatewayv1.CommandOutcome
	}{
		"the first does it":                      {map[string]lockwirev1.CommandOutcome{"first": done, "second": done}, []string{"first"}, gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE},
		"the first only watches":                 {map[string]lockwirev1.CommandOutcome{"first": unsupported, "second": done}, []string{"first", "second"}, gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE},
		"the first is away":                      {map[string]lockwirev1.CommandOutcome{"second": done}, []string{"second"}, gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE},
		"none can":                               {map[string]lockwirev1.CommandOutcome{"first": unsupported, "second": failed}, []string{"first", "second"}, gatewayv1.CommandOutcome_COMMAND_OUTCOME_FAILED},
		"the first cannot, and no other is here": {map[string]lockwirev1.CommandOutcome{"first": failed}, []string{"first"}, gatewayv1.CommandOutcome_COMMAND_OUTCOME_FAILED},
	} {
		sessions := &answering{outcomes: c.outcomes}
		h := &Handler{
			Doors: twoLocks{}, Sessions: sessions, Neighbours: mesh{"eu-central": nil}, Orders: new(orders), Regions: regions, Own: own,
			Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		}
		out, err := h.Unlock(t.Context(), &gatewayv1.UnlockRequest{
			OrgId: string(region.NewID(region.Organization, "euc")), DoorId: string(region.NewID(region.Door, "euc")),
		})
		if err != nil || out.GetOutcome() != c.want || !slices.Equal(sessions.told, c.told) {
			t.Errorf("%s: %v, %v; told: %v", name, out, err, sessions.told)
		}
	}
}
