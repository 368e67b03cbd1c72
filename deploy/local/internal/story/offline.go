package story

import (
	"context"
	"fmt"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// budget is how long the front door's lock may decide alone.
const budget = time.Hour

// cutFrontDoor lets the front door's lock decide alone for an hour, waits until it holds what it needs for that, and cuts its line.
func (t *tenant) cutFrontDoor(ctx context.Context) (string, error) {
	door, err := t.permissions(euCentral).GetDoor(ctx, &permissionsv1.GetDoorRequest{OrgId: t.org, DoorId: t.front})
	if err != nil {
		return "", fmt.Errorf("read the front door: %w", err)
	}
	if _, err := t.permissions(euCentral).UpdateDoor(ctx, &permissionsv1.UpdateDoorRequest{
		OrgId: t.org, DoorId: t.front, Etag: door.GetEtag(), Name: door.GetName(),
		Rules: &permissionsv1.DoorRules{Offline: &permissionsv1.OfflineRule{
			Budget: durationpb.New(budget), After: permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE,
		}},
	}); err != nil {
		return "", fmt.Errorf("allow the lock to decide alone: %w", err)
	}
	lock := t.locks[t.front]
	if err := eventually(ctx, "the lock holds no bundle", func() bool { return lock.sim.BundleVersion() > 0 }); err != nil {
		return "", err
	}
	if err := lock.cut(ctx); err != nil {
		return "", err
	}
	return t.alone(granted)
}

// alone presents the visitor's card at the front door's lock, whose line is cut.
func (t *tenant) alone(reason permissionsv1.DecisionReason) (string, error) {
	got := t.locks[t.front].ask(context.Background(), t.visitorCard.presented())
	t.swipes = append(t.swipes, swipe{eventID: got.eventID, in: euCentral, door: t.front, granted: got.opened})
	if !got.alone || got.opened != (reason == granted) || got.reason != reason {
		return "", want(answer{alone: true, opened: reason == granted, reason: reason}, got)
	}
	return got.String(), nil
}

// revokeWhileCut locks the site down. The lock that is cut off does not hear of it: it must be named, with the end of its budget. When
// it is back it is not named any more, and keeps to the lockdown.
func (t *tenant) revokeWhileCut(ctx context.Context) (string, error) {
	began := time.Now()
	started, err := t.permissions(euCentral).StartLockdown(ctx, &permissionsv1.StartLockdownRequest{
		OrgId: t.org, TargetId: t.front, Rank: 5, Duration: durationpb.New(10 * time.Minute), Note: "drill", IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("start a lockdown: %w", err)
	}
	exposed, err := t.exposures(ctx, started.GetToken())
	if err != nil {
		return "", err
	}
	if len(exposed) != 1 || exposed[0].GetDoorId() != t.front || exposed[0].GetUntil().AsTime().After(began.Add(budget)) {
		return "", want("the front door as exposed until its budget ends", exposed)
	}
	still, err := t.alone(granted)
	if err != nil {
		return "", err
	}
	if err := t.locks[t.front].mend(ctx); err != nil {
		return "", err
	}
	if err := t.nothingExposed(ctx, started.GetToken()); err != nil {
		return "", err
	}
	back, err := t.expect(ctx, t.front, t.visitorCard.presented(), locked)
	if err != nil {
		return "", err
	}
	ended, err := t.permissions(euCentral).EndLockdown(ctx, &permissionsv1.EndLockdownRequest{OrgId: t.org, LockdownId: started.GetLockdownId()})
	if err != nil {
		return "", fmt.Errorf("end the lockdown: %w", err)
	}
	until := exposed[0].GetUntil().AsTime().UTC().Format("15:04:05Z")
	return fmt.Sprintf("exposed until %s, still %s; line mended: %s", until, still, back), t.waitEnforced(ctx, euCentral, ended.GetToken())
}

// exposures are the locks that WaitEnforced names for a commit that all gateways have applied.
func (t *tenant) exposures(ctx context.Context, token *typev1.ConsistencyToken) ([]*permissionsv1.Exposure, error) {
	got, err := t.permissions(euCentral).WaitEnforced(ctx, &permissionsv1.WaitEnforcedRequest{OrgId: t.org, Region: token.GetRegion(), Token: token})
	if err != nil {
		return nil, fmt.Errorf("wait enforced: %w", err)
	}
	if !got.GetEnforced() {
		return nil, want("enforced", got)
	}
	return got.GetExposures(), nil
}

// nothingExposed waits until the lock has confirmed what it was told, which the list of exposures shows as well.
func (t *tenant) nothingExposed(ctx context.Context, token *typev1.ConsistencyToken) error {
	err := eventually(ctx, "the lock is exposed still", func() bool {
		exposed, err := t.exposures(ctx, token)
		return err == nil && len(exposed) == 0
	})
	if err != nil {
		return err
	}
	list, err := t.gateway(euCentral).ListExposures(ctx, &gatewayv1.ListExposuresRequest{OrgId: t.org, Region: string(euCentral)})
	if err == nil && len(list.GetExposures()) > 0 {
		err = want("no exposures", list)
	}
	return err
}

// eventually waits for what is on its way.
func eventually(ctx context.Context, otherwise string, is func() bool) error {
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s: %s", patience, otherwise)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
