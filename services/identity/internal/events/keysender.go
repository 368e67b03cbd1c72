package events

import (
	"context"
	"fmt"

	"github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1/identityv1connect"
	"github.com/cardea-mesh/cardea/services/identity/internal/registrar"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
)

// KeySender makes the calls of the outbox. It puts an organization's digest keys into ReceiveOrganization at the moment of
// sending: at rest, and so in the outbox, they are only wrapped. All other calls pass as they are.
type KeySender struct {
	db        *database.DB
	regions   *region.Map
	registrar *registrar.Registrar
	next      outbox.Caller
}

var _ outbox.Caller = (*KeySender)(nil)

// NewKeySender wraps the caller that sends.
func NewKeySender(db *database.DB, regions *region.Map, r *registrar.Registrar, next outbox.Caller) *KeySender {
	return &KeySender{db: db, regions: regions, registrar: r, next: next}
}

// Call completes and sends a request. The keys may be newer than the commit that the request names; a later commit sends
// them again.
func (s *KeySender) Call(ctx context.Context, target region.Name, procedure string, request []byte) error {
	if procedure == identityv1connect.IdentityServiceReceiveOrganizationProcedure {
		completed, err := s.withKeys(ctx, request)
		if err != nil {
			return err
		}
		request = completed
	}
	return s.next.Call(ctx, target, procedure, request)
}

func (s *KeySender) withKeys(ctx context.Context, request []byte) ([]byte, error) {
	var m identityv1.ReceiveOrganizationRequest
	if err := proto.Unmarshal(request, &m); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	home, err := s.regions.Lookup(region.Name(m.GetSource().GetRegion()))
	if err != nil {
		return nil, err
	}
	var keys []registry.DigestKey
	err = s.db.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		keys, err = s.registrar.DigestKeys(ctx, tx, region.ID(m.GetOrgId()), home)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("digest keys of %s: %w", m.GetOrgId(), err)
	}
	for _, key := range keys {
		m.Keys = append(m.Keys, &identityv1.DigestKey{Id: string(key.ID), Key: key.Key[:]})
	}
	return proto.Marshal(&m)
}
