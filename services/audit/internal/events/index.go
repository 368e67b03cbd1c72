package events

import (
	"math"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// subjects are the ids that a payload names: which door and which person the event is about, and which device's lock reported it
// as its how manieth. An id of another kind than asked for (a grant's target may be a zone) is left out by the caller.
type subjects struct {
	door, person, device string
	epoch, sequence      uint64
}

type kindKey struct{ service, kind string }

// payloads says how to read the payloads that name a door or a person. Every other kind has neither.
//
//nolint:gochecknoglobals // a constant in all but the language's sense
var payloads = map[kindKey]func([]byte) (subjects, error){
	{"device-gateway", "access"}:          of(lockEvent),
	{"device-gateway", "lock"}:            of(lockEvent),
	{"device-gateway", "device_created"}:  of(func(m *gatewayv1.DeviceCreated) subjects { return subjects{door: m.DoorId} }),
	{"device-gateway", "command_ordered"}: of(func(m *gatewayv1.CommandOrdered) subjects { return subjects{door: m.DoorId} }),

	{"permissions", "door_created"}: of(func(m *permissionsv1.DoorCreated) subjects { return subjects{door: m.GetDoor().GetId()} }),
	{"permissions", "grant_created"}: of(func(m *permissionsv1.GrantCreated) subjects {
		return subjects{door: m.TargetId, person: m.SubjectId}
	}),
	{"permissions", "grant_revoked"}: of(func(m *permissionsv1.GrantRevoked) subjects {
		return subjects{door: m.TargetId, person: m.SubjectId}
	}),
	{"permissions", "member_added"}:      of(func(m *permissionsv1.MemberAdded) subjects { return subjects{person: m.MemberId} }),
	{"permissions", "member_removed"}:    of(func(m *permissionsv1.MemberRemoved) subjects { return subjects{person: m.MemberId} }),
	{"permissions", "person_followed"}:   of(func(m *permissionsv1.PersonFollowed) subjects { return subjects{person: m.PersonId} }),
	{"permissions", "person_unfollowed"}: of(func(m *permissionsv1.PersonUnfollowed) subjects { return subjects{person: m.PersonId} }),

	{"identity", "person_created"}:     of(func(m *identityv1.PersonCreated) subjects { return subjects{person: m.PersonId} }),
	{"identity", "person_read"}:        of(func(m *identityv1.PersonRead) subjects { return subjects{person: m.PersonId} }),
	{"identity", "person_erased"}:      of(func(m *identityv1.PersonErased) subjects { return subjects{person: m.PersonId} }),
	{"identity", "credential_issued"}:  of(func(m *identityv1.CredentialIssued) subjects { return subjects{person: m.PersonId} }),
	{"identity", "credential_revoked"}: of(func(m *identityv1.CredentialRevoked) subjects { return subjects{person: m.PersonId} }),
	{"identity", "follower_added"}:     of(func(m *identityv1.FollowerAdded) subjects { return subjects{person: m.SubjectId} }),
	{"identity", "follower_removed"}:   of(func(m *identityv1.FollowerRemoved) subjects { return subjects{person: m.SubjectId} }),
}

func lockEvent(m *gatewayv1.LockEvent) subjects {
	return subjects{door: m.DoorId, person: m.PersonId, device: m.DeviceId, epoch: m.BootEpoch, sequence: m.Sequence}
}

// of reads a payload of one message type.
func of[T any, M interface {
	*T
	proto.Message
}](read func(M) subjects) func([]byte) (subjects, error) {
	return func(payload []byte) (subjects, error) {
		m := M(new(T))
		if err := proto.Unmarshal(payload, m); err != nil {
			return subjects{}, err
		}
		return read(m), nil
	}
}

// index fills in what an event is about; what there is not stays empty. An error says that the payload of a known kind is not
// readable.
func index(regions *region.Map, e *ledger.Event, payload []byte) error {
	read, known := payloads[kindKey{e.Service, e.Kind}]
	if !known {
		return nil
	}
	about, err := read(payload)
	if err != nil {
		return err
	}
	e.Door, e.Person = idOf(regions, about.door, region.Door), idOf(regions, about.person, region.Person)
	// What a gateway says of a lock has no number.
	if n := max(about.epoch, about.sequence); min(about.epoch, about.sequence) > 0 && n <= math.MaxInt64 {
		if e.Device = idOf(regions, about.device, region.Device); e.Device != "" {
			e.Lock = ledger.Place{Epoch: int64(about.epoch), Sequence: int64(about.sequence)}
		}
	}
	return nil
}

func idOf(regions *region.Map, s string, kind region.Kind) region.ID {
	id, err := regions.Parse(s, kind)
	if err != nil {
		return ""
	}
	return id
}
