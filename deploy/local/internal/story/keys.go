package story

import (
	"context"
	"fmt"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// swipeVisitor has a host, who may pass their own grant on once, share it for an hour.
func (t *tenant) swipeVisitor(ctx context.Context) (string, error) {
	host, err := t.createPerson(ctx, "A host", "", newCard())
	if err != nil {
		return "", err
	}
	held, err := t.permissions(euCentral).Grant(ctx, &permissionsv1.GrantRequest{
		OrgId: t.org, TargetId: t.front, SubjectId: host, ShareDepth: 1, IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("grant to the host: %w", err)
	}
	until := time.Now().Add(time.Hour)
	shared, err := t.permissions(euCentral).ShareGrant(ctx, &permissionsv1.ShareGrantRequest{
		OrgId: t.org, GrantId: held.GetGrantId(), SharerId: host, RecipientId: t.visitor, ValidTo: timestamppb.New(until), IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("share the host's grant: %w", err)
	}
	if err := t.waitEnforced(ctx, euCentral, shared.GetToken()); err != nil {
		return "", err
	}
	got, err := t.expect(ctx, t.front, t.visitorCard.presented(), granted)
	return got + ", until " + until.UTC().Format(time.RFC3339), err
}

// swipeInLockdown locks the site down, tries, ends the lockdown and tries again.
func (t *tenant) swipeInLockdown(ctx context.Context) (string, error) {
	started, err := t.permissions(euCentral).StartLockdown(ctx, &permissionsv1.StartLockdownRequest{
		OrgId: t.org, TargetId: t.site, Rank: 5, Duration: durationpb.New(10 * time.Minute), Note: "drill", IdempotencyKey: key(),
	})
	if err != nil {
		return "", fmt.Errorf("start a lockdown: %w", err)
	}
	during, err := t.afterwards(ctx, started.GetToken(), locked)
	if err != nil {
		return "", err
	}
	ended, err := t.permissions(euCentral).EndLockdown(ctx, &permissionsv1.EndLockdownRequest{OrgId: t.org, LockdownId: started.GetLockdownId()})
	if err != nil {
		return "", fmt.Errorf("end the lockdown: %w", err)
	}
	after, err := t.afterwards(ctx, ended.GetToken(), granted)
	return during + "; when it had ended " + after, err
}

// afterwards presents the visitor's card once every gateway has applied a commit.
func (t *tenant) afterwards(ctx context.Context, token *typev1.ConsistencyToken, reason permissionsv1.DecisionReason) (string, error) {
	if err := t.waitEnforced(ctx, euCentral, token); err != nil {
		return "", err
	}
	return t.expect(ctx, t.front, t.visitorCard.presented(), reason)
}
