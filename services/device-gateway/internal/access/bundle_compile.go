package access

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/proto"
)

// content works out what was gathered: the same facts and times give the same bytes.
func (g gathered) content(from, to time.Time) (bundle.Content, error) {
	encode := proto.MarshalOptions{Deterministic: true}
	door, err := encode.Marshal(g.bundleDoor(from, to))
	if err != nil {
		return bundle.Content{}, err
	}
	var entries [][]byte
	for _, c := range g.carriers {
		for _, m := range c.entries() {
			entry, err := encode.Marshal(m)
			if err != nil {
				return bundle.Content{}, err
			}
			entries = append(entries, entry)
		}
	}
	return bundle.NewContent(door, entries), nil
}

// entries is one for each credential of a person.
func (c carrier) entries() []*lockwirev1.BundleEntry {
	all := make([]*lockwirev1.BundleEntry, len(c.cards))
	pins := digests(c.pins)
	for i, card := range c.cards {
		all[i] = &lockwirev1.BundleEntry{
			CredentialId: card.credential, PersonId: c.person, Digests: digests(card.digests), Pins: pins, Rights: c.rights,
			Emergency: c.emergency, MayBeFirst: c.mayBeFirst,
		}
	}
	return all
}

func digests(list []presented) []*lockwirev1.BundleDigest {
	all := make([]*lockwirev1.BundleDigest, len(list))
	for i, d := range list {
		all[i] = &lockwirev1.BundleDigest{KeyId: d.keyID, Digest: d.digest[:]}
	}
	slices.SortFunc(all, func(a, b *lockwirev1.BundleDigest) int {
		return cmp.Or(strings.Compare(a.GetKeyId(), b.GetKeyId()), slices.Compare(a.GetDigest(), b.GetDigest()))
	})
	return all
}

// bundleDoor is what holds for everybody. Of a broken door it says only that.
func (g gathered) bundleDoor(from, to time.Time) *lockwirev1.BundleDoor {
	m := &lockwirev1.BundleDoor{
		DoorId: string(g.door.ID), UnlockMs: unlockMs(g.door.unlockFor), AfterBudget: afterBudget(g.door.offline), Broken: g.broken,
	}
	if g.broken {
		return m
	}
	for _, id := range slices.Sorted(maps.Keys(g.keys)) {
		key := g.keys[id]
		m.Keys = append(m.Keys, &lockwirev1.BundleKey{Id: id, Key: key[:]})
	}
	for _, ref := range slices.Sorted(maps.Keys(g.schedules)) {
		s := &lockwirev1.BundleSchedule{Ref: ref}
		for _, w := range g.schedules[ref].Windows(from, to) {
			s.Windows = append(s.Windows, &lockwirev1.BundleWindow{FromMs: uint64(w.From.UnixMilli()), ToMs: uint64(w.To.UnixMilli())})
		}
		m.Schedules = append(m.Schedules, s)
	}
	m.Lockdowns, m.Zones = g.bundleLockdowns(from), g.bundleZones()
	m.OpenSchedule, m.Rules = g.known(g.door.Rules.AutoUnlock), g.bundleRules()
	return m
}

// known is the ref of a schedule; 0 when there is no such schedule.
func (g gathered) known(id policy.ScheduleID) uint64 {
	ref := scheduleRef(id)
	if _, ok := g.schedules[ref]; !ok || id == "" {
		return 0
	}
	return ref
}

// bundleRules are the rules; nil: none. A schedule that is missing counts as one that always holds: a second factor is asked
// for, and a first person is waited for, at all times.
func (g gathered) bundleRules() *lockwirev1.BundleRules {
	r := g.door.Rules
	m := &lockwirev1.BundleRules{TwoPerson: r.TwoPersonWindow != 0, AllowWithoutState: g.door.allowWithoutState}
	if f := r.SecondFactor; f != nil {
		m.SecondFactor, m.SecondFactorSchedule = true, g.known(f.Schedule)
	}
	if f := r.FirstPerson; f != nil {
		m.FirstPerson, m.FirstPersonSchedule = true, g.known(cmp.Or(f.Schedule, r.AutoUnlock))
		m.FirstPersonHoldsOthers, m.FirstPersonGraceMs = f.HoldOthers, uint64(max(f.Grace.Milliseconds(), 0))
	}
	if proto.Size(m) == 0 {
		return nil
	}
	return m
}

// bundleLockdowns are those that have not ended.
func (g gathered) bundleLockdowns(from time.Time) []*lockwirev1.BundleLockdown {
	var all []*lockwirev1.BundleLockdown
	for _, l := range g.lockdowns {
		m := &lockwirev1.BundleLockdown{Rank: policy.MaxLockdownRank, FromMs: firstMilli(l.From)}
		if l.Rank >= 1 && l.Rank < policy.MaxLockdownRank {
			m.Rank = uint32(l.Rank)
		}
		if !l.Until.IsZero() {
			m.ToMs = max(firstMilli(l.Until), 1) // 0 is no end
		}
		if m.GetToMs() == 0 || m.GetToMs() > uint64(from.UnixMilli()) && m.GetToMs() > m.GetFromMs() {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *lockwirev1.BundleLockdown) int {
		return cmp.Or(cmp.Compare(b.GetRank(), a.GetRank()), cmp.Compare(a.GetFromMs(), b.GetFromMs()), cmp.Compare(a.GetToMs(), b.GetToMs()))
	})
	return slices.CompactFunc(all, func(a, b *lockwirev1.BundleLockdown) bool { return proto.Equal(a, b) })
}

func (g gathered) bundleZones() []*lockwirev1.BundleZone {
	var all []*lockwirev1.BundleZone
	for _, z := range g.zones {
		all = append(all, &lockwirev1.BundleZone{ZoneId: string(z.ID), Hard: z.AntiPassback.Mode != policy.AntiPassbackSoft})
	}
	slices.SortFunc(all, func(a, b *lockwirev1.BundleZone) int { return strings.Compare(a.GetZoneId(), b.GetZoneId()) })
	return slices.CompactFunc(all, func(a, b *lockwirev1.BundleZone) bool { return a.GetZoneId() == b.GetZoneId() })
}

// unlockMs is inside what a lock takes; 0: the door does not say, and the lock takes its own.
func unlockMs(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	return uint32(min(max(d, 500*time.Millisecond), time.Minute).Milliseconds())
}
