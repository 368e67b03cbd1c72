package access

import (
	"fmt"
	"slices"
	"strings"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// fact puts one fact into the copy, and takes it out again. A copy holds one for each key, so that the old fact can be
// taken out before the new one goes in.
type fact interface {
	add(o *organization)
	remove(o *organization)
}

// decode makes the fact of a key; nil for a kind that this build does not know.
func (c *Copy) decode(k factKey, body []byte) (fact, error) {
	switch k.kind {
	case "door":
		return decodeInto(body, new(permissionsv1.DoorState), func(m *permissionsv1.DoorState) (fact, error) { return doorOf(k, m), nil })
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

func decodeInto[M proto.Message](body []byte, m M, then func(M) (fact, error)) (fact, error) {
	if err := proto.Unmarshal(body, m); err != nil {
		return nil, err
	}
	return then(m)
}

func doorOf(k factKey, m *permissionsv1.DoorState) fact {
	d := door{Door: policy.Door{ID: policy.DoorID(k.id)}, site: k.site, unlockFor: m.GetUnlockFor().AsDuration()}
	for _, zone := range m.GetZoneIds() {
		d.Zones = append(d.Zones, policy.ZoneID(zone))
	}
	return d
}

func (d door) add(o *organization)    { o.doors[d.ID] = d }
func (d door) remove(o *organization) { delete(o.doors, d.ID) }

type membership struct {
	group  policy.GroupID
	member policy.SubjectID
}

func (m membership) add(o *organization) { addTo(o.groups, m.member, m.group) }
func (m membership) remove(o *organization) {
	removeFrom(o.groups, m.member, func(g policy.GroupID) bool { return g == m.group })
}

type grant struct{ policy.Grant }

func grantOf(k factKey, m *permissionsv1.GrantState) fact {
	return grant{policy.Grant{
		ID: policy.GrantID(k.id), Subject: policy.SubjectID(m.GetSubjectId()), Target: policy.TargetID(m.GetTargetId()),
		Schedule: policy.ScheduleID(m.GetScheduleId()), ValidFrom: moment(m.GetValidFrom()), ValidTo: moment(m.GetValidTo()),
	}}
}

// moment is the zero time for an unset timestamp.
func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func (g grant) add(o *organization) { addTo(o.grants, pair{g.Subject, g.Target}, g.Grant) }
func (g grant) remove(o *organization) {
	removeFrom(o.grants, pair{g.Subject, g.Target}, func(other policy.Grant) bool { return other.ID == g.ID })
}

type schedule struct {
	id       policy.ScheduleID
	schedule *policy.Schedule
}

func scheduleOf(k factKey, m *permissionsv1.ScheduleState) (fact, error) {
	spec := policy.ScheduleSpec{Weekly: intervals(m.GetSpec().GetWeekly())}
	for _, e := range m.GetSpec().GetExceptions() {
		spec.Exceptions = append(spec.Exceptions, policy.DatedException{
			Date: e.GetDate(), EveryYear: e.GetEveryYear(), Intervals: intervals(e.GetIntervals()),
		})
	}
	s, err := policy.NewSchedule(m.GetTimeZone(), spec)
	return schedule{policy.ScheduleID(k.id), s}, err
}

func intervals(list []*permissionsv1.WeeklyInterval) []policy.WeeklyInterval {
	var out []policy.WeeklyInterval
	for _, w := range list {
		out = append(out, policy.WeeklyInterval{
			Weekday: int(w.GetWeekday()), StartMinute: int(w.GetStartMinute()), EndMinute: int(w.GetEndMinute()),
		})
	}
	return out
}

func (s schedule) add(o *organization)    { o.schedules[s.id] = s.schedule }
func (s schedule) remove(o *organization) { delete(o.schedules, s.id) }

type card struct {
	holder
	digests []presented
}

func credentialOf(k factKey, m *identityv1.CredentialState) (fact, error) {
	c := card{holder: holder{credential: k.id, person: m.GetPersonId()}}
	for _, d := range m.GetDigests() {
		if len(d.GetDigest()) != 32 {
			return nil, fmt.Errorf("a digest of %d bytes", len(d.GetDigest()))
		}
		c.digests = append(c.digests, presented{keyID: d.GetKeyId(), digest: [32]byte(d.GetDigest())})
	}
	return c, nil
}

func (c card) add(o *organization) {
	for _, d := range c.digests {
		o.holders[d] = c.holder
	}
}

func (c card) remove(o *organization) {
	for _, d := range c.digests {
		if o.holders[d] == c.holder {
			delete(o.holders, d)
		}
	}
}

type digestKey struct {
	id  string
	key [32]byte
}

func (c *Copy) digestKeyOf(k factKey, m *identityv1.DigestKeyState) (fact, error) {
	plain, err := c.cfg.Ring.Open(m.GetWrappingKeyId(), m.GetWrapped(), credential.DigestKeyContext(k.org, k.id))
	if err != nil {
		return nil, err
	}
	if len(plain) != 32 {
		return nil, fmt.Errorf("a digest key of %d bytes", len(plain))
	}
	return digestKey{id: k.id, key: [32]byte(plain)}, nil
}

func (d digestKey) add(o *organization)    { o.keys[d.id] = d.key }
func (d digestKey) remove(o *organization) { delete(o.keys, d.id) }

// Device is an enrolled device.
type Device struct {
	ID, Org, Site, Door string
	// KeyHash is SHA-256 of its certificate's public key.
	KeyHash []byte
}

// device is a Device in the copy's index, which spans organizations.
type device struct {
	Device
	index *devices
}

func (c *Copy) deviceOf(k factKey, m *gatewayv1.DeviceState) fact {
	return device{Device{ID: k.id, Org: k.org, Site: k.site, Door: m.GetDoorId(), KeyHash: slices.Clone(m.GetPublicKeySha256())}, c.devices}
}

func (d device) add(*organization)    { d.index.add(d.Device) }
func (d device) remove(*organization) { d.index.remove(d.Device) }

// isDevice says whether a key is a device's.
func (k factKey) isDevice() bool { return k.kind == "device" && strings.HasPrefix(k.id, "device_") }
