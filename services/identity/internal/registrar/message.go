package registrar

import (
	"fmt"

	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"google.golang.org/protobuf/proto"
)

// marshal and unmarshal never repeat what they work on in an error: it may be personal.

func marshal(m proto.Message) ([]byte, error) {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("serialize %s", m.ProtoReflect().Descriptor().Name())
	}
	return b, nil
}

func unmarshal(b []byte, m proto.Message) error {
	if proto.Unmarshal(b, m) != nil {
		return fmt.Errorf("not a %s", m.ProtoReflect().Descriptor().Name())
	}
	return nil
}

var roles = map[registry.Role]identityv1.Role{
	registry.OrgAdmin:    identityv1.Role_ROLE_ORG_ADMIN,
	registry.SiteManager: identityv1.Role_ROLE_SITE_MANAGER,
	registry.Installer:   identityv1.Role_ROLE_INSTALLER,
	registry.Auditor:     identityv1.Role_ROLE_AUDITOR,
	registry.Viewer:      identityv1.Role_ROLE_VIEWER,
}

// RoleToProto is a role on the wire.
func RoleToProto(r registry.Role) identityv1.Role { return roles[r] }

// RoleFromProto is the role of a request; empty, which may do nothing, for an unknown one.
func RoleFromProto(p identityv1.Role) registry.Role {
	for role, wire := range roles {
		if wire == p {
			return role
		}
	}
	return ""
}

var kinds = map[string]identityv1.CredentialKind{
	credential.KindCard:      identityv1.CredentialKind_CREDENTIAL_KIND_CARD,
	credential.KindMobile:    identityv1.CredentialKind_CREDENTIAL_KIND_MOBILE,
	credential.KindPIN:       identityv1.CredentialKind_CREDENTIAL_KIND_PIN,
	credential.KindEntryCode: identityv1.CredentialKind_CREDENTIAL_KIND_ENTRY_CODE,
}

// KindToProto is a credential's kind on the wire.
func KindToProto(kind string) identityv1.CredentialKind { return kinds[kind] }

// KindFromProto is a kind of the wire; empty for one that this version does not know. No door opens for that: its digests are
// like no other's.
func KindFromProto(p identityv1.CredentialKind) string {
	for kind, wire := range kinds {
		if wire == p {
			return kind
		}
	}
	return ""
}

// CredentialStatusToProto is a credential's status on the wire.
func CredentialStatusToProto(s registry.Status) identityv1.CredentialStatus {
	switch s {
	case registry.Active:
		return identityv1.CredentialStatus_CREDENTIAL_STATUS_ACTIVE
	case registry.Revoked:
		return identityv1.CredentialStatus_CREDENTIAL_STATUS_REVOKED
	}
	return identityv1.CredentialStatus_CREDENTIAL_STATUS_UNSPECIFIED
}

func digestsToProto(digests []registry.Digest) []*identityv1.CredentialDigest {
	out := make([]*identityv1.CredentialDigest, len(digests))
	for i, d := range digests {
		out[i] = &identityv1.CredentialDigest{KeyId: string(d.KeyID), Digest: d.Sum}
	}
	return out
}
