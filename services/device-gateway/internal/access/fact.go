package access

import (
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// fact puts one fact into the copy, and takes it out again. A copy holds one for each key, so that the old fact can be
// taken out before the new one goes in.
type fact interface {
	add(o *organization)
	remove(o *organization)
}

// decode makes the fact of a key; nil for a kind that this build does not know. old is what the key held until now. With an
// error the fact is what takes the place of one that cannot be read: nil, or for what forbids something a fact that forbids.
func (c *Copy) decode(k factKey, body []byte, old fact) (fact, error) {
	switch k.kind {
	case "door":
		return decodeInto(body, new(permissionsv1.DoorState), func(m *permissionsv1.DoorState) (fact, error) { return doorOf(k, m), nil })
	case "zone":
		next, err := decodeInto(body, new(permissionsv1.ZoneState), func(m *permissionsv1.ZoneState) (fact, error) { return zoneOf(k, m), nil })
		if err != nil {
			next = brokenZone(k.id)
		}
		return next, err
	case "lockdown":
		next, err := decodeInto(body, new(permissionsv1.LockdownState), func(m *permissionsv1.LockdownState) (fact, error) { return lockdownOf(k, m) })
		if err != nil {
			next = brokenLockdown(k, old)
		}
		return next, err
	case "membership":
		return decodeInto(body, new(permissionsv1.MembershipState), func(m *permissionsv1.MembershipState) (fact, error) {
			return membership{policy.GroupID(m.GetGroupId()), policy.SubjectID(m.GetMemberId())}, nil
		})
	case "grant":
		return decodeInto(body, new(permissionsv1.GrantState), func(m *permissionsv1.GrantState) (fact, error) { return grantOf(k, m), nil })
	case "schedule":
		return decodeInto(body, new(permissionsv1.ScheduleState), func(m *permissionsv1.ScheduleState) (fact, error) { return scheduleOf(k, m) })
	case "credential":
		return decodeInto(body, new(identityv1.CredentialState), func(m *identityv1.CredentialState) (fact, error) { return credentialOf(k, m) })
	case "digest_key":
		return decodeInto(body, new(identityv1.DigestKeyState), func(m *identityv1.DigestKeyState) (fact, error) { return c.digestKeyOf(k, m) })
	case "device":
		return decodeInto(body, new(gatewayv1.DeviceState), func(m *gatewayv1.DeviceState) (fact, error) { return c.deviceOf(k, m), nil })
	default:
		return nil, nil
	}
}

// decodeInto returns no fact with an error.
func decodeInto[M proto.Message](body []byte, m M, then func(M) (fact, error)) (fact, error) {
	if err := proto.Unmarshal(body, m); err != nil {
		return nil, err
	}
	f, err := then(m)
	if err != nil {
		return nil, err
	}
	return f, nil
}

type membership struct {
	group  policy.GroupID
	member policy.SubjectID
}

func (m membership) add(o *organization) {
	addTo(o.groups, m.member, m.group)
	o.addMember(m)
}

func (m membership) remove(o *organization) {
	removeFrom(o.groups, m.member, func(g policy.GroupID) bool { return g == m.group })
	o.removeMember(m)
}

// moment is the zero time for an unset timestamp.
func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
