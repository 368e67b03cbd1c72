package policy_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
)

// model answers from lists and from the history of everything that happened, by looking
// through all of it each time. It shares nothing with policy but the types.
type model struct {
	world
	history []happened
}

// happened is an effect, with when, about whom and where.
type happened struct {
	at     time.Time
	person policy.PersonID
	door   policy.DoorID
	policy.Effect
}

// isIn walks the memberships downwards, the other way round than policy does.
func (w world) isIn(subject, person string, path []string) bool {
	if subject == person {
		return person != ""
	}
	if slices.Contains(path, subject) {
		return false
	}
	return slices.ContainsFunc(w.members, func(m [2]string) bool {
		return m[0] == subject && w.isIn(m[1], person, append(path, subject))
	})
}

// covers walks the zones downwards.
func (w world) covers(target policy.TargetID, door policy.Door, path []policy.TargetID) bool {
	if target == policy.TargetID(door.ID) || slices.Contains(door.Zones, policy.ZoneID(target)) {
		return true
	}
	if slices.Contains(path, target) {
		return false
	}
	return slices.ContainsFunc(w.zones, func(z policy.Zone) bool {
		return slices.Contains(z.Parents, policy.ZoneID(target)) && w.covers(policy.TargetID(z.ID), door, append(path, target))
	})
}

// minutes tells whether a schedule contains a moment; known: whether it is there.
func minutes(id policy.ScheduleID, at time.Time) (inside, known bool) {
	pieces, known := hours[id]
	minute := at.Hour()*60 + at.Minute()
	return slices.ContainsFunc(pieces, func(p [2]int) bool { return p[0] <= minute && minute < p[1] }), known
}

// question is what is asked of the model.
type asked struct {
	policy.Request
	door policy.Door
	at   time.Time
}

// last returns the latest entry of the history that fits.
func (m *model) last(fits func(happened) bool) (happened, bool) {
	for _, h := range slices.Backward(m.history) {
		if fits(h) {
			return h, true
		}
	}
	return happened{}, false
}

func (m *model) lockdown(q asked) (policy.Lockdown, bool) {
	var holding []policy.Lockdown
	for _, l := range m.lockdowns {
		if !(l.target == policy.TargetID(q.door.Site) && q.door.Site != "") && !m.covers(l.target, q.door, nil) {
			continue
		}
		if q.at.Before(l.From) || !l.Until.IsZero() && !q.at.Before(l.Until) {
			continue
		}
		if l.Rank < 1 || l.Rank > 10 {
			l.Rank = 10
		}
		holding = append(holding, l.Lockdown)
	}
	slices.SortFunc(holding, func(a, b policy.Lockdown) int {
		return cmp.Or(cmp.Compare(b.Rank, a.Rank), strings.Compare(string(a.ID), string(b.ID)))
	})
	if len(holding) == 0 {
		return policy.Lockdown{}, false
	}
	return holding[0], true
}

// chain is the grant and all above it; whole: it ends with one that is no share.
func (m *model) chain(g policy.Grant) (chain []policy.Grant, whole bool) {
	chain = []policy.Grant{g}
	for g.SharedFrom != "" && len(chain) < 5 {
		i := slices.IndexFunc(m.grants, func(p policy.Grant) bool { return p.ID == g.SharedFrom })
		if i < 0 {
			return chain, false
		}
		g = m.grants[i]
		chain = append(chain, g)
	}
	return chain, g.SharedFrom == ""
}

// says is what a grant says; the first test that it does not pass.
func (m *model) says(q asked, g policy.Grant) policy.Reason {
	chain, whole := m.chain(g)
	inside, known := minutes(g.Schedule, q.at)
	tests := []struct {
		fails  bool
		reason policy.Reason
	}{
		{q.at.Before(g.ValidFrom), policy.ReasonNotYetValid},
		{!g.ValidTo.IsZero() && !g.ValidTo.After(q.at), policy.ReasonExpired},
		{g.Schedule != "" && !known, policy.ReasonBrokenFacts},
		{g.Schedule != "" && !inside, policy.ReasonOutsideSchedule},
		{!whole || m.brokenOff(q, chain), policy.ReasonShareEnded},
		{slices.ContainsFunc(chain, func(c policy.Grant) bool { return m.usedUp(q, c) }), policy.ReasonUsesExhausted},
		{m.lockedOut(q, chain), policy.ReasonLockdown},
	}
	for _, test := range tests {
		if test.fails {
			return test.reason
		}
	}
	return policy.ReasonGrant
}

// brokenOff: some grant above does not hold for who shared it.
func (m *model) brokenOff(q asked, chain []policy.Grant) bool {
	for i, parent := range chain[1:] {
		inside, _ := minutes(parent.Schedule, q.at)
		valid := !q.at.Before(parent.ValidFrom) && (parent.ValidTo.IsZero() || parent.ValidTo.After(q.at))
		if !valid || parent.Schedule != "" && !inside || !m.covers(parent.Target, q.door, nil) ||
			!m.isIn(string(parent.Subject), string(chain[i].Sharer), nil) {
			return true
		}
	}
	return false
}

func (m *model) usedUp(q asked, g policy.Grant) bool {
	used := 0
	for _, h := range m.history {
		if h.Kind == policy.EffectUse && h.Grant == g.ID {
			used++
		}
	}
	return g.MaxUses < 0 || g.MaxUses > 0 && used >= g.MaxUses && !q.Entitled
}

func (m *model) lockedOut(q asked, chain []policy.Grant) bool {
	worst, locked := m.lockdown(q)
	return locked && slices.ContainsFunc(chain, func(g policy.Grant) bool { return g.OverrideRank < worst.Rank || g.OverrideRank > 9 })
}

func (m *model) limited(g policy.Grant) bool {
	chain, _ := m.chain(g)
	return slices.ContainsFunc(chain, func(c policy.Grant) bool { return c.MaxUses != 0 })
}
