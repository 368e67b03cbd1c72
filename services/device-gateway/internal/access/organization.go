package access

import (
	"slices"

	"github.com/cardea-mesh/cardea/services/policy"
)

// holder is who carries a credential.
type holder struct {
	credential, person string
}

// presented is a credential's digest under one digest key.
type presented struct {
	keyID  string
	digest [32]byte
}

type pair struct {
	subject policy.SubjectID
	target  policy.TargetID
}

// organization is all facts of one organization, ready to be asked: policy.Facts and the credentials.
type organization struct {
	doors map[policy.DoorID]door
	zones map[policy.ZoneID]policy.Zone
	// broken are the zones that could not be read.
	broken    map[policy.ZoneID]bool
	lockdowns map[policy.TargetID][]policy.Lockdown
	groups    map[policy.SubjectID][]policy.GroupID
	grants    map[pair][]policy.Grant
	// grantAt says where in grants a grant is.
	grantAt   map[policy.GrantID]pair
	schedules map[policy.ScheduleID]*policy.Schedule
	holders   map[presented]holder
	// pins are the digests of each person's PINs.
	pins map[string][]presented
	keys map[string][32]byte
	reverse
	// heads are the versions that were applied, by `<service>.<region>`.
	heads map[string]int64
	// links and touches are for who follows changes: see reach.
	links   links
	touches touches
}

var _ policy.Facts = (*organization)(nil)

func newOrganization() *organization {
	return &organization{
		doors: map[policy.DoorID]door{}, zones: map[policy.ZoneID]policy.Zone{}, broken: map[policy.ZoneID]bool{},
		lockdowns: map[policy.TargetID][]policy.Lockdown{}, groups: map[policy.SubjectID][]policy.GroupID{},
		grants: map[pair][]policy.Grant{}, grantAt: map[policy.GrantID]pair{}, schedules: map[policy.ScheduleID]*policy.Schedule{},
		holders: map[presented]holder{}, pins: map[string][]presented{}, keys: map[string][32]byte{}, heads: map[string]int64{},
		links: newLinks(), touches: newTouches(),
		reverse: newReverse(),
	}
}

// Door implements policy.Facts.
func (o *organization) Door(id policy.DoorID) (policy.Door, bool) {
	d, ok := o.doors[id]
	return d.Door, ok
}

// GroupsOf implements policy.Facts.
func (o *organization) GroupsOf(member policy.SubjectID) []policy.GroupID { return o.groups[member] }

// Grants implements policy.Facts.
func (o *organization) Grants(subject policy.SubjectID, target policy.TargetID) []policy.Grant {
	return o.grants[pair{subject, target}]
}

// Schedule implements policy.Facts.
func (o *organization) Schedule(id policy.ScheduleID) (*policy.Schedule, bool) {
	s, ok := o.schedules[id]
	return s, ok
}

// Zone implements policy.Facts.
func (o *organization) Zone(id policy.ZoneID) (policy.Zone, bool) {
	z, ok := o.zones[id]
	return z, ok
}

// Grant implements policy.Facts.
func (o *organization) Grant(id policy.GrantID) (policy.Grant, bool) {
	at, ok := o.grantAt[id]
	if !ok {
		return policy.Grant{}, false
	}
	for _, g := range o.grants[at] {
		if g.ID == id {
			return g, true
		}
	}
	return policy.Grant{}, false
}

// Lockdowns implements policy.Facts.
func (o *organization) Lockdowns(target policy.TargetID) []policy.Lockdown {
	return o.lockdowns[target]
}

// addTo and removeFrom change a list in a map; the list is copied, because readers may hold the old one no longer than
// the lock, but its backing array could be shared with an append.
func addTo[K comparable, V any](m map[K][]V, key K, value V) {
	m[key] = append(slices.Clone(m[key]), value)
}

func removeFrom[K comparable, V any](m map[K][]V, key K, gone func(V) bool) {
	rest := slices.DeleteFunc(slices.Clone(m[key]), gone)
	if len(rest) == 0 {
		delete(m, key)
		return
	}
	m[key] = rest
}
