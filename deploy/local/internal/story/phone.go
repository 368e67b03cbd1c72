package story

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"time"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// presentPhone gives the visitor a mobile key. The phone answers the lock's challenge; who copied its public key cannot.
func (t *tenant) presentPhone(ctx context.Context) (string, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	phone, err := locksim.Phone(private)
	if err != nil {
		return "", err
	}
	if _, err := t.issue(ctx, &identityv1.IssueCredentialRequest{
		PersonId: t.visitor, Kind: identityv1.CredentialKind_CREDENTIAL_KIND_MOBILE,
		Card: &identityv1.CardNumber{Format: "pkoc", BitLength: uint32(8 * len(phone.PublicKey())), Bits: phone.PublicKey()},
	}); err != nil {
		return "", err
	}
	opened, err := t.expect(ctx, t.front, locksim.Presented{Key: phone}, granted)
	if err != nil {
		return "", err
	}
	copied, err := t.expect(ctx, t.front, locksim.Presented{Card: locksim.CardOf(phone.PublicKey())}, unknown)
	return opened + "; a copy of its public key " + copied, err
}

// presentWithPIN makes the archive ask for a second factor, and lets the visitor in there.
func (t *tenant) presentWithPIN(ctx context.Context) (string, error) {
	pin, err := t.issue(ctx, &identityv1.IssueCredentialRequest{PersonId: t.visitor, Kind: identityv1.CredentialKind_CREDENTIAL_KIND_PIN})
	if err != nil {
		return "", err
	}
	door, err := t.permissions(euCentral).GetDoor(ctx, &permissionsv1.GetDoorRequest{OrgId: t.org, DoorId: t.archive})
	if err != nil {
		return "", fmt.Errorf("read the archive's door: %w", err)
	}
	if _, err := t.permissions(euCentral).UpdateDoor(ctx, &permissionsv1.UpdateDoorRequest{
		OrgId: t.org, DoorId: t.archive, Etag: door.GetEtag(), Name: door.GetName(),
		Rules: &permissionsv1.DoorRules{SecondFactor: &permissionsv1.SecondFactorRule{}},
	}); err != nil {
		return "", fmt.Errorf("ask for a second factor: %w", err)
	}
	onArchive, err := t.grant(ctx, euCentral, t.archive, t.visitor, "", time.Time{})
	if err != nil {
		return "", err
	}
	if err := t.enforced(ctx, euCentral, onArchive); err != nil {
		return "", err
	}
	alone, err := t.expect(ctx, t.archive, t.visitorCard.presented(), needsPIN)
	if err != nil {
		return "", err
	}
	both := t.visitorCard.presented()
	both.PIN = pin.GetDigits()
	with, err := t.expect(ctx, t.archive, both, granted)
	return "alone " + alone + "; with the PIN " + with, err
}

// issue gives somebody a credential and waits until every gateway knows it.
func (t *tenant) issue(ctx context.Context, request *identityv1.IssueCredentialRequest) (*identityv1.IssueCredentialResponse, error) {
	request.OrgId, request.IdempotencyKey = t.org, key()
	issued, err := t.identity(euCentral).IssueCredential(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("issue a credential: %w", err)
	}
	return issued, t.waitEnforced(ctx, euCentral, issued.GetToken())
}
