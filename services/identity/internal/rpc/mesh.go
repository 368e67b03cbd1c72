package rpc

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/jackc/pgx/v5"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

// FollowOrganization sends an organization's digest keys to a region across the border.
func (h *Handler) FollowOrganization(ctx context.Context, req *identityv1.FollowOrganizationRequest) (*identityv1.FollowResponse, error) {
	org, err := h.regions.Parse(req.GetOrgId(), region.Organization)
	if err != nil {
		return nil, err
	}
	follower, err := h.regions.Lookup(region.Name(req.GetFollowerRegion()))
	if err != nil {
		return nil, err
	}
	home, err := h.regions.Home(org)
	if err != nil {
		return nil, err
	}
	if err := h.checkPeer(ctx, follower.Name, home.Name); err != nil {
		return nil, err
	}
	var token *registrar.Token
	err = h.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		token, err = h.registrar.FollowOrganization(ctx, tx, org, follower)
		return err
	})
	return &identityv1.FollowResponse{Token: token}, err
}

// ReceiveOrganization takes an organization's digest keys.
func (h *Handler) ReceiveOrganization(ctx context.Context, req *identityv1.ReceiveOrganizationRequest) (*identityv1.ReceiveResponse, error) {
	org, err := h.regions.Parse(req.GetOrgId(), region.Organization)
	if err != nil {
		return nil, err
	}
	keys := make([]registry.DigestKey, len(req.GetKeys()))
	for i, key := range req.GetKeys() {
		id, err := h.regions.Parse(key.GetId(), region.DigestKey)
		if err != nil {
			return nil, err
		}
		keys[i] = registry.DigestKey{ID: id, Key: [32]byte(key.GetKey())}
	}
	return h.receive(ctx, req.GetRegion(), req.GetOrgId(), req.GetSource(),
		func(ctx context.Context, tx pgx.Tx, here region.Region, source registry.Source) (*registrar.Token, error) {
			return h.registrar.ReceiveOrganization(ctx, tx, org, here, keys, source)
		})
}

// ReceiveCredential takes a credential's opaque facts.
func (h *Handler) ReceiveCredential(ctx context.Context, req *identityv1.ReceiveCredentialRequest) (*identityv1.ReceiveResponse, error) {
	c, err := h.receivedCredential(req)
	if err != nil {
		return nil, err
	}
	return h.receive(ctx, req.GetRegion(), req.GetOrgId(), req.GetSource(),
		func(ctx context.Context, tx pgx.Tx, here region.Region, source registry.Source) (*registrar.Token, error) {
			return h.registrar.ReceiveCredential(ctx, tx, here, c, req.GetWithdrawn(), source)
		})
}

func (h *Handler) receivedCredential(req *identityv1.ReceiveCredentialRequest) (c registry.Credential, err error) {
	if c.Org, c.ID, err = h.parse(req.GetOrgId(), req.GetCredentialId(), region.Credential); err != nil {
		return c, err
	}
	if c.Person, err = h.regions.Parse(req.GetPersonId(), region.Person); err != nil {
		return c, err
	}
	c.Kind, c.Status = registrar.KindFromProto(req.GetKind()), registry.Revoked
	if req.GetStatus() == identityv1.CredentialStatus_CREDENTIAL_STATUS_ACTIVE {
		c.Status = registry.Active
	}
	for i, d := range req.GetDigests() {
		id, err := h.regions.Parse(d.GetKeyId(), region.DigestKey)
		if err != nil {
			return c, err
		}
		if len(d.GetDigest()) != 32 {
			return c, fault.New(connect.CodeInvalidArgument, faultv1.Reason_REASON_INVALID_FIELD, "digests[%d].digest must have 32 bytes", i)
		}
		c.Digests = append(c.Digests, registry.Digest{KeyID: id, Sum: d.GetDigest()})
	}
	return c, nil
}

// receive runs what a message from across the border asks for, in the region that it names.
func (h *Handler) receive(ctx context.Context, to, org string, from *typev1.ConsistencyToken,
	do func(context.Context, pgx.Tx, region.Region, registry.Source) (*registrar.Token, error),
) (*identityv1.ReceiveResponse, error) {
	here, err := h.regions.Lookup(region.Name(to))
	if err != nil {
		return nil, err
	}
	source := registry.Source{Region: region.Name(from.GetRegion()), Version: from.GetVersion()}
	if from.GetOrgId() != org || from.GetService() != registrar.Service || source.Version < 1 {
		return nil, fmt.Errorf("%w: its token is of another organization or service", registry.ErrForeignSource)
	}
	if err := h.checkPeer(ctx, source.Region, here.Name); err != nil {
		return nil, err
	}
	var token *registrar.Token
	err = h.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		token, err = do(ctx, tx, here, source)
		return err
	})
	return &identityv1.ReceiveResponse{Token: token}, err
}

// checkPeer refuses a service of a third jurisdiction: only `of`'s own services may speak for it, or a neighbour of `here`
// that forwarded the call.
func (h *Handler) checkPeer(ctx context.Context, of, here region.Name) error {
	peer := rpc.CallerFrom(ctx).Region
	if h.regions.Together(peer, of) || h.regions.Together(peer, here) {
		return nil
	}
	return fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION,
		"a service of region %s may not speak for region %s", peer, of)
}
