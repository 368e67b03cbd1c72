package bundlestate

import (
	"maps"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// Content is what a bundle has, as far as it concerns its record.
type Content struct {
	Hash             [32]byte
	Issued, NotAfter time.Time
	// KeepsGoing: somebody may open by it after NotAfter.
	KeepsGoing bool
	// Heads are the commits that it has, by `<service>.<region>`.
	Heads map[string]int64
}

// Rule is what a door allows its locks, where that is asked for a device without a record; the zero value: nothing.
type Rule struct {
	Budget time.Duration
	// KeepsGoing: somebody may open after the budget.
	KeepsGoing bool
}

// clockMargin is how far the clocks of a broker, a gateway and whoever made a device's id may be apart.
const clockMargin = 5 * time.Minute

// Missing is what a device of which the bucket has no record may hold. The bucket may have been lost with what was noted in it: until it
// began any gateway may have given the device a bundle for the whole of its budget. A device that was made after that was given
// nothing, since nothing is given without a record.
func Missing(device string, began time.Time, rule Rule) *gatewayv1.BundleState {
	made := region.ID(device).MadeAt()
	if rule == (Rule{}) || made.After(began.Add(clockMargin)) {
		return new(gatewayv1.BundleState)
	}
	return &gatewayv1.BundleState{ExposedUntilMs: ms(began.Add(clockMargin + rule.Budget)), KeepsGoing: rule.KeepsGoing}
}

// Holds says whether the device may hold anything by which it opens a door at a moment.
func Holds(s *gatewayv1.BundleState, at time.Time) bool {
	return s.GetKeepsGoing() || s.GetExposedUntilMs() > ms(at)
}

// Give notes, before it is sent, that a bundle is given out with a version. What the lock may hold besides counts on.
func Give(s *gatewayv1.BundleState, version uint64, c Content, gateway, door string) *gatewayv1.BundleState {
	next := GiveRevocations(s, version, gateway)
	next.DoorId = door
	if s.GetExposedUntilMs() == 0 && !s.GetKeepsGoing() { // it holds nothing
		next.AsOf = maps.Clone(c.Heads)
	} else {
		next.AsOf = least(s.GetAsOf(), c.Heads)
	}
	next.ExposedUntilMs = max(next.GetExposedUntilMs(), ms(c.NotAfter))
	next.KeepsGoing = next.GetKeepsGoing() || c.KeepsGoing
	return next
}

// GiveRevocations notes, before they are sent, that revocations are given out with a version. They take nothing from the record: the lock
// may never get them.
func GiveRevocations(s *gatewayv1.BundleState, version uint64, gateway string) *gatewayv1.BundleState {
	next := proto.CloneOf(s)
	next.Version, next.GatewayId = version, gateway
	return next
}

// Confirm notes that the lock holds a content, by a bundle of a version, or by revocations that leave it so. Where something later was given out
// the lock may hold that as well.
func Confirm(s *gatewayv1.BundleState, version uint64, c Content) *gatewayv1.BundleState {
	next := proto.CloneOf(s)
	next.Acknowledged, next.Hash = max(s.GetAcknowledged(), version), c.Hash[:]
	next.IssuedAtMs, next.NotAfterMs = ms(c.Issued), ms(c.NotAfter)
	if next.GetAcknowledged() == next.GetVersion() {
		next.ExposedUntilMs, next.KeepsGoing, next.AsOf = ms(c.NotAfter), c.KeepsGoing, maps.Clone(c.Heads)
	}
	return next
}

// ConfirmNone notes that the lock has forgotten its bundle, by revocations of a version.
func ConfirmNone(s *gatewayv1.BundleState, version uint64) *gatewayv1.BundleState {
	next := proto.CloneOf(s)
	next.Acknowledged, next.Hash, next.IssuedAtMs, next.NotAfterMs = max(s.GetAcknowledged(), version), nil, 0, 0
	if next.GetAcknowledged() == next.GetVersion() {
		next.ExposedUntilMs, next.KeepsGoing, next.AsOf = 0, false, nil
	}
	return next
}

// Raise notes that what the lock confirmed is as if it had been made from the heads.
func Raise(s *gatewayv1.BundleState, heads map[string]int64) *gatewayv1.BundleState {
	next := proto.CloneOf(s)
	if s.GetAcknowledged() == s.GetVersion() {
		next.AsOf = maps.Clone(heads)
	}
	return next
}

// Confirmed says whether the lock holds exactly what it acknowledged last, since nothing was given out after that.
func Confirmed(s *gatewayv1.BundleState) bool {
	return s.GetVersion() > 0 && s.GetAcknowledged() == s.GetVersion()
}

// least is the lower version of each source; what one of them does not have, none has.
func least(a, b map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for source, version := range a {
		if other, ok := b[source]; ok {
			out[source] = min(version, other)
		}
	}
	return out
}

func ms(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(max(0, t.UnixMilli()))
}

// Until is when the exposure of what the device may hold ends; the zero time: it does not.
func Until(s *gatewayv1.BundleState) time.Time {
	if s.GetKeepsGoing() {
		return time.Time{}
	}
	return time.UnixMilli(int64(min(s.GetExposedUntilMs(), 1<<53)))
}

// RuleOf is what a door's rule allows; nil: nothing.
func RuleOf(rule *permissionsv1.OfflineRule) Rule {
	if rule == nil {
		return Rule{}
	}
	goesOn := rule.GetAfter() == permissionsv1.OfflineAfter_OFFLINE_AFTER_KEEP_GOING ||
		rule.GetAfter() == permissionsv1.OfflineAfter_OFFLINE_AFTER_EMERGENCY_LIST
	return Rule{Budget: rule.GetBudget().AsDuration(), KeepsGoing: goesOn}
}

// maxBudget is the longest staleness budget that there is.
const maxBudget = 30 * 24 * time.Hour

// Forgotten is what is to be thought of a lock that says at a moment that it holds a version of which nothing is noted: the notes are of
// before, since a bucket was restored. When that was given, and for how long, nobody knows.
func Forgotten(s *gatewayv1.BundleState, version uint64, at time.Time) *gatewayv1.BundleState {
	next := proto.CloneOf(s)
	next.Version, next.AsOf = version, nil
	next.ExposedUntilMs = max(s.GetExposedUntilMs(), ms(at.Add(maxBudget)))
	return next
}
