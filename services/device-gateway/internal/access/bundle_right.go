package access

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/policy"
)

// right works a grant at the door out, with all that it was shared from. nil: it has ended at the moment, or what
// it was shared from does not admit whoever shared it. The Copy's mu is held.
func (o *organization) right(g policy.Grant, targets []policy.TargetID, from time.Time) *lockwirev1.BundleRight {
	r := &lockwirev1.BundleRight{GrantId: string(g.ID), OverrideRank: rankOf(g)}
	child := g
	for shares := 0; ; shares++ {
		narrow(r, child)
		if child.SharedFrom == "" {
			break
		}
		parent, ok := o.Grant(child.SharedFrom)
		if !ok || shares == policy.MaxShareDepth || !slices.Contains(targets, parent.Target) || !o.isIn(child.Sharer, parent.Subject) {
			return nil
		}
		if _, known := o.schedules[parent.Schedule]; parent.Schedule != "" && !known {
			return nil
		}
		child = parent
	}
	if r.GetToMs() != 0 && r.GetToMs() <= uint64(from.UnixMilli()) {
		return nil
	}
	slices.Sort(r.Schedules)
	r.Schedules = slices.Compact(r.Schedules)
	return r
}

// narrow makes a right hold only while a grant of its chain does, and override no more than that.
func narrow(r *lockwirev1.BundleRight, g policy.Grant) {
	r.FromMs = max(r.GetFromMs(), firstMilli(g.ValidFrom))
	if !g.ValidTo.IsZero() {
		to := max(firstMilli(g.ValidTo), 1) // 0 is no end
		if r.GetToMs() == 0 || to < r.GetToMs() {
			r.ToMs = to
		}
	}
	if g.Schedule != "" {
		r.Schedules = append(r.Schedules, scheduleRef(g.Schedule))
	}
	r.OverrideRank = min(r.GetOverrideRank(), rankOf(g))
	r.Limited = r.GetLimited() || g.MaxUses != 0
}

// rankOf is a grant's override rank; out of range it overrides nothing.
func rankOf(g policy.Grant) uint32 {
	if g.OverrideRank < 0 || g.OverrideRank > policy.MaxOverrideRank {
		return 0
	}
	return uint32(g.OverrideRank)
}

// firstMilli is the first whole millisecond since 1970 that is not before a moment; 0 for the zero time and all before 1970. A
// lock's clock shows whole milliseconds: for those, not before the moment and not before this are the same.
func firstMilli(at time.Time) uint64 {
	if at.IsZero() || at.Before(time.UnixMilli(0)) {
		return 0
	}
	return uint64(at.Add(time.Millisecond - 1).UnixMilli())
}

// scheduleRef is BundleSchedule.ref.
func scheduleRef(id policy.ScheduleID) uint64 {
	h := sha256.Sum256([]byte(id))
	return max(binary.BigEndian.Uint64(h[:]), 1)
}
