package registrar

import (
	"context"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/postgres"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// RevokeCredential ends a credential.
func (r *Registrar) RevokeCredential(ctx context.Context, tx pgx.Tx, org, id region.ID) (*Token, error) {
	home, err := r.regions.Home(id)
	if err != nil {
		return nil, err
	}
	row, err := postgres.Credential(ctx, tx, home.Name, org, id)
	if err != nil {
		return nil, err
	}
	if row.Status == registry.Revoked {
		return token(home.Name, org, row.RevokedVersion), nil
	}
	commit, err := r.begin(ctx, tx, home.Name, org)
	if err != nil {
		return nil, err
	}
	if err := r.revoke(ctx, tx, commit, home, row.Credential); err != nil {
		return nil, err
	}
	return commit.Flush(ctx)
}

// revoke ends an active credential within a commit.
func (r *Registrar) revoke(ctx context.Context, tx pgx.Tx, commit *outbox.Commit, home region.Region, c registry.Credential) error {
	if err := postgres.RevokeCredential(ctx, tx, home.Name, c.ID, commit.RecordedAt, commit.Version); err != nil {
		return err
	}
	commit.Event(outbox.Event{
		Stream: c.ID, Kind: "credential_revoked",
		Payload: &identityv1.CredentialRevoked{CredentialId: string(c.ID), PersonId: string(c.Person)},
	})
	commit.Remove(stateKey(c))
	c.Status = registry.Revoked
	return r.tellFollowers(ctx, tx, commit, home, c)
}

// Credential reads a credential without its number.
func (r *Registrar) Credential(ctx context.Context, tx pgx.Tx, org, id region.ID) (registry.Credential, error) {
	home, err := r.regions.Home(id)
	if err != nil {
		return registry.Credential{}, err
	}
	row, err := postgres.Credential(ctx, tx, home.Name, org, id)
	return row.Credential, err
}

// tellFollowers sends what a credential is now to the regions across the border that follow its person.
func (r *Registrar) tellFollowers(ctx context.Context, tx pgx.Tx, commit *outbox.Commit, home region.Region, c registry.Credential) error {
	followers, err := postgres.Followers(ctx, tx, home.Name, c.Person)
	if err != nil {
		return err
	}
	for _, follower := range followers {
		sendCredential(commit, home, follower, c, false)
	}
	return nil
}

// sendCredential hands a credential's opaque facts to a region across the border.
func sendCredential(commit *outbox.Commit, home region.Region, to region.Name, c registry.Credential, withdrawn bool) {
	commit.Call(to, identityv1connect.IdentityServiceReceiveCredentialProcedure, &identityv1.ReceiveCredentialRequest{
		OrgId: string(c.Org), Region: string(to), CredentialId: string(c.ID), PersonId: string(c.Person),
		Kind: KindToProto(c.Kind), Status: CredentialStatusToProto(c.Status), Digests: digestsToProto(c.Digests),
		Withdrawn: withdrawn, Source: token(home.Name, c.Org, commit.Version),
	})
}

func stateKey(c registry.Credential) string { return outbox.OrgKey(c.Org, "credential", c.ID) }

func stateOf(c registry.Credential) *identityv1.CredentialState {
	return &identityv1.CredentialState{PersonId: string(c.Person), Kind: KindToProto(c.Kind), Digests: digestsToProto(c.Digests)}
}
