package story

import (
	"context"
	"fmt"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

const (
	granted = permissionsv1.DecisionReason_DECISION_REASON_GRANT
	noGrant = permissionsv1.DecisionReason_DECISION_REASON_NO_GRANT
	closed  = permissionsv1.DecisionReason_DECISION_REASON_OUTSIDE_SCHEDULE
	locked  = permissionsv1.DecisionReason_DECISION_REASON_LOCKDOWN
	unknown = permissionsv1.DecisionReason_DECISION_REASON_UNKNOWN_CREDENTIAL
	// needsPIN: the card is right, and the door asks for more.
	needsPIN = permissionsv1.DecisionReason_DECISION_REASON_SECOND_FACTOR_NEEDED
)

func (t *tenant) createDoors(ctx context.Context) (string, error) {
	var err error
	if t.front, err = t.createDoor(ctx, euCentral, t.site, "front"); err != nil {
		return "", err
	}
	if t.archive, err = t.createDoor(ctx, euCentral, t.site, "archive"); err != nil {
		return "", err
	}
	return "front = " + t.front + ", archive = " + t.archive, nil
}

// createDoor makes a door and its lock's claim code.
func (t *tenant) createDoor(ctx context.Context, in region.Name, site, name string) (string, error) {
	door, err := t.permissions(in).CreateDoor(ctx, &permissionsv1.CreateDoorRequest{
		OrgId: t.org, SiteId: site, Name: name, IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("create door %s: %w", name, err)
	}
	device, err := t.gateway(in).CreateDevice(ctx, &gatewayv1.CreateDeviceRequest{
		OrgId: t.org, DoorId: door.DoorId, IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("create device for %s: %w", name, err)
	}
	t.claims[door.DoorId] = device.ClaimCode
	return door.DoorId, nil
}

func (t *tenant) enrolLocks(ctx context.Context) (string, error) {
	for _, door := range []string{t.front, t.archive} {
		if err := t.enrol(ctx, euCentral, door); err != nil {
			return "", err
		}
	}
	return t.locks[t.front].id() + ", " + t.locks[t.archive].id(), nil
}

func (t *tenant) enrol(ctx context.Context, in region.Name, door string) error {
	l, err := enrol(ctx, t.system.LockEndpoint(in), t.claims[door], t.system.LockDir(door), t.system.Tracer())
	if err != nil {
		return fmt.Errorf("enrol the lock of %s: %w", door, err)
	}
	t.locks[door] = l
	return nil
}

// swipe is something presented that the ledger must hold once.
type swipe struct {
	eventID string
	in      region.Name
	door    string
	granted bool
}

// present presents something at a door, and remembers the event.
func (t *tenant) present(ctx context.Context, in region.Name, door string, what locksim.Presented) (answer, error) {
	got, err := t.locks[door].present(ctx, what)
	if err != nil {
		return got, fmt.Errorf("present at %s: %w", door, err)
	}
	t.swipes = append(t.swipes, swipe{eventID: got.eventID, in: in, door: door, granted: got.opened})
	return got, nil
}

// expect presents in eu-central and compares the decision.
func (t *tenant) expect(ctx context.Context, door string, what locksim.Presented, reason permissionsv1.DecisionReason) (string, error) {
	got, err := t.present(ctx, euCentral, door, what)
	if err != nil {
		return "", err
	}
	if got.opened != (reason == granted) || got.reason != reason {
		return "", want(answer{opened: reason == granted, reason: reason}, got)
	}
	return got.String(), nil
}

func (t *tenant) swipeInsideHours(ctx context.Context) (string, error) {
	return t.expect(ctx, t.front, t.personCard.presented(), granted)
}

func (t *tenant) swipeOutsideHours(ctx context.Context) (string, error) {
	return t.expect(ctx, t.archive, t.personCard.presented(), closed)
}

func (t *tenant) swipeWithoutGrant(ctx context.Context) (string, error) {
	return t.expect(ctx, t.front, t.visitorCard.presented(), noGrant)
}

func (t *tenant) remoteUnlock(ctx context.Context) (string, error) {
	did, err := t.gateway(euCentral).Unlock(ctx, &gatewayv1.UnlockRequest{OrgId: t.org, DoorId: t.front})
	if err != nil {
		return "", fmt.Errorf("unlock: %w", err)
	}
	if did.Outcome != gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE {
		return "", want("DONE", did)
	}
	return did.CommandId + " done", nil
}
