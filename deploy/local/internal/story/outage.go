package story

import (
	"context"
	"fmt"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
)

func (t *tenant) revokeAndWait(ctx context.Context) (string, error) {
	t.beforeRevoke = time.Now()
	revoked, err := t.permissions(euCentral).Revoke(ctx, &permissionsv1.RevokeRequest{OrgId: t.org, GrantId: t.groupGrant})
	if err != nil {
		return "", fmt.Errorf("revoke: %w", err)
	}
	wait, err := t.permissions(euCentral).WaitEnforced(ctx, &permissionsv1.WaitEnforcedRequest{
		OrgId: t.org, Region: revoked.Token.Region, Token: revoked.Token,
	})
	if err != nil {
		return "", fmt.Errorf("wait enforced: %w", err)
	}
	regions := map[string]int64{}
	for _, g := range wait.Applied {
		regions[g.Region] = g.Version
	}
	central, west := regions[string(euCentral)], regions[string(euWest)]
	if !wait.Enforced || len(wait.Exposures) > 0 || central < revoked.Token.Version || west < revoked.Token.Version {
		return "", want(fmt.Sprintf("enforced at revision %d by both EU gateways, no exposure", revoked.Token.Version), wait)
	}
	t.afterRevoke = time.Now()
	return fmt.Sprintf("revision %d; eu-central's gateway at %d, eu-west's at %d", revoked.Token.Version, central, west), nil
}

func (t *tenant) swipeRevoked(ctx context.Context) (string, error) {
	return t.expect(ctx, t.front, t.personCard.presented(), noGrant)
}

func (t *tenant) swipeWithoutDatabase(ctx context.Context) (string, error) {
	if err := t.system.StopDatabase(ctx, "eu"); err != nil {
		return "", fmt.Errorf("stop the database: %w", err)
	}
	if _, err := t.grant(ctx, euCentral, t.front, t.person, "", time.Time{}); err == nil {
		return "", want("an admin write to be refused while the database is down", "accepted")
	}
	return t.expect(ctx, t.front, t.visitorCard.presented(), granted)
}

func (t *tenant) eventAfterRestart(ctx context.Context) (string, error) {
	last := t.swipes[len(t.swipes)-1]
	if err := t.system.StartDatabase(ctx, "eu"); err != nil {
		return "", fmt.Errorf("start the database: %w", err)
	}
	began := time.Now()
	for {
		held, err := t.accessEvents(ctx, last.in)
		if err == nil && held[last.eventID] == 1 {
			return fmt.Sprintf("%s, %s after the start", last.eventID, short(time.Since(began))), nil
		}
		if time.Since(began) > 30*time.Second {
			return "", want(last.eventID+" once in the ledger within 30s", fmt.Sprintf("%d times (%v)", held[last.eventID], err))
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return "", err
		}
	}
}
