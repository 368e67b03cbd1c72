package access

import (
	"errors"
	"slices"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/policy"
)

// door is a door with what only the gateway needs of it.
type door struct {
	policy.Door
	site      string
	unlockFor time.Duration
	// allowWithoutState: where the shared door state cannot be reached, rules that the owner chose to waive count as met.
	allowWithoutState bool
	// offline is what its locks may decide alone; nil: nothing.
	offline *permissionsv1.OfflineRule
}

func doorOf(k factKey, m *permissionsv1.DoorState) fact {
	d := door{
		Door:              policy.Door{ID: policy.DoorID(k.id), Site: policy.SiteID(k.site), Rules: rulesOf(m.GetRules())},
		site:              k.site,
		unlockFor:         m.GetUnlockFor().AsDuration(),
		allowWithoutState: m.GetRules().GetOnStateLoss() == permissionsv1.StateLoss_STATE_LOSS_ALLOW_AND_RECORD,
		offline:           m.GetRules().GetOffline(),
	}
	for _, zone := range m.GetZoneIds() {
		d.Zones = append(d.Zones, policy.ZoneID(zone))
	}
	return d
}

func rulesOf(m *permissionsv1.DoorRules) policy.DoorRules {
	r := policy.DoorRules{
		AutoUnlock: policy.ScheduleID(m.GetAutoUnlockScheduleId()), TwoPersonWindow: m.GetTwoPersonWindow().AsDuration(),
	}
	if f := m.GetFirstPerson(); f != nil {
		r.FirstPerson = &policy.FirstPerson{
			Subject: policy.SubjectID(f.GetSubjectId()), Schedule: policy.ScheduleID(f.GetScheduleId()),
			Grace: f.GetGrace().AsDuration(), HoldOthers: f.GetHoldOthers(),
		}
	}
	if f := m.GetSecondFactor(); f != nil {
		r.SecondFactor = &policy.SecondFactor{Schedule: policy.ScheduleID(f.GetScheduleId())}
	}
	return r
}

func (d door) add(o *organization)    { o.doors[d.ID] = d }
func (d door) remove(o *organization) { delete(o.doors, d.ID) }

type zone struct{ policy.Zone }

func zoneOf(k factKey, m *permissionsv1.ZoneState) fact {
	z := policy.Zone{ID: policy.ZoneID(k.id)}
	for _, parent := range m.GetParentIds() {
		z.Parents = append(z.Parents, policy.ZoneID(parent))
	}
	if a := m.GetAntiPassback(); a != nil {
		z.AntiPassback = &policy.AntiPassback{Mode: policy.AntiPassbackMode(a.GetMode()), ResetAfter: a.GetResetAfter().AsDuration()}
	}
	return zone{z}
}

func (z zone) add(o *organization)    { o.zones[z.ID] = z.Zone }
func (z zone) remove(o *organization) { delete(o.zones, z.ID) }

// brokenZone is one that cannot be read: what it and the zones around it forbid is not known, so its doors open for nobody.
type brokenZone policy.ZoneID

func (z brokenZone) add(o *organization)    { o.broken[policy.ZoneID(z)] = true }
func (z brokenZone) remove(o *organization) { delete(o.broken, policy.ZoneID(z)) }

type lockdown struct {
	policy.Lockdown
	target policy.TargetID
}

// errNoTarget: a lockdown that does not say of what.
var errNoTarget = errors.New("a lockdown without a target")

func lockdownOf(k factKey, m *permissionsv1.LockdownState) (fact, error) {
	if m.GetTargetId() == "" {
		return nil, errNoTarget
	}
	return lockdown{target: policy.TargetID(m.GetTargetId()), Lockdown: policy.Lockdown{
		ID: policy.LockdownID(k.id), Rank: int(m.GetRank()), From: moment(m.GetStartsAt()), Until: moment(m.GetEndsAt()),
	}}, nil
}

// brokenLockdown is one that cannot be read: nobody opens what it closed as far as is known, else anything of its site.
func brokenLockdown(k factKey, old fact) fact {
	target := policy.TargetID(k.site)
	if before, ok := old.(lockdown); ok {
		target = before.target
	}
	return lockdown{target: target, Lockdown: policy.Lockdown{ID: policy.LockdownID(k.id), Rank: policy.MaxLockdownRank}}
}

func (l lockdown) add(o *organization) { addTo(o.lockdowns, l.target, l.Lockdown) }
func (l lockdown) remove(o *organization) {
	removeFrom(o.lockdowns, l.target, func(other policy.Lockdown) bool { return other.ID == l.ID })
}

// inBrokenZone says whether a zone around the door could not be read.
func (o *organization) inBrokenZone(id policy.DoorID) bool {
	if len(o.broken) == 0 {
		return false
	}
	met := slices.Clone(o.doors[id].Zones)
	for next := 0; next < len(met); next++ {
		if o.broken[met[next]] {
			return true
		}
		for _, parent := range o.zones[met[next]].Parents {
			if !slices.Contains(met, parent) {
				met = append(met, parent)
			}
		}
	}
	return false
}
