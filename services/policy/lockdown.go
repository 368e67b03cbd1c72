package policy

import "time"

// hardest is the lockdown of the highest rank that holds for one of the targets or the
// site; of several of that rank the one with the smallest id.
func hardest(facts Facts, site SiteID, targets []TargetID, at time.Time) (worst Lockdown, locked bool) {
	for _, target := range targets {
		worst, locked = harder(worst, locked, facts.Lockdowns(target), at)
	}
	if site != "" {
		worst, locked = harder(worst, locked, facts.Lockdowns(TargetID(site)), at)
	}
	return worst, locked
}

func harder(worst Lockdown, locked bool, all []Lockdown, at time.Time) (Lockdown, bool) {
	for _, l := range all {
		if !l.holds(at) {
			continue
		}
		l.Rank = l.rank()
		if !locked || l.Rank > worst.Rank || l.Rank == worst.Rank && l.ID < worst.ID {
			worst, locked = l, true
		}
	}
	return worst, locked
}

// holds tells whether at is in [From, Until).
func (l *Lockdown) holds(at time.Time) bool {
	return !at.Before(l.From) && (l.Until.IsZero() || at.Before(l.Until))
}

func (l *Lockdown) rank() int {
	if l.Rank < 1 || l.Rank > MaxLockdownRank {
		return MaxLockdownRank
	}
	return l.Rank
}
