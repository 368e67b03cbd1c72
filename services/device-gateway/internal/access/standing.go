package access

import (
	"context"
	"time"

	"github.com/cardea-mesh/cardea/services/device-gateway/internal/doorstate"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

const (
	// lookWithin is how long what a door does by itself is taken as it is, even when nothing is to change: the copy may get too old.
	lookWithin = time.Hour
	// pauseWithin is how far ahead a pause in opening hours is looked for: a lock is told to stay open for no longer at once.
	pauseWithin = 25 * time.Hour
	// arrivalEvery is how often a door that waits for a first person is looked at: they may come through another gateway.
	arrivalEvery = 5 * time.Second
)

// Standing is what a door's rules make it do by itself, whoever comes.
type Standing struct {
	// OpenUntil is the end of the time in which it stands open for everybody; zero: it does not.
	OpenUntil time.Time
	// Nobody: a lockdown without override holders holds.
	Nobody bool
	// AwaitsFirst: it would stand open, had a first person arrived.
	AwaitsFirst bool
	// HeldOpenAfter is how long it may stand open after a passage; 0: the lock's own limit.
	HeldOpenAfter time.Duration
	// Look is when to ask again, if no rule of it changes before; zero: not before one does.
	Look time.Time
}

// DoorRule names a fact about what doors do by themselves: its kind is door, zone, lockdown or schedule.
type DoorRule struct{ Org, Site, Kind, ID string }

func (k factKey) isDoorRule() bool {
	return k.kind == "door" || k.kind == "zone" || k.kind == "lockdown" || k.kind == "schedule"
}

// HeldOpenAfter is how long a door may stand open after a passage; 0: it does not say, or is not known.
func (c *Copy) HeldOpenAfter(org, doorID string) time.Duration {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if o := c.organizations[org]; o != nil {
		return o.doors[policy.DoorID(doorID)].heldOpenAfter
	}
	return 0
}

// Standing tells what a device's door does by itself at a moment. It reads memory, and for a door that waits for a first person
// the shared door state, for as long as the configured bound; false: it is not known.
func (c *Copy) Standing(ctx context.Context, dev Device, at time.Time) (Standing, bool) {
	var state policy.State
	if c.firstPerson(dev) {
		var err error
		if state, err = c.doorState(ctx, dev); err != nil {
			return Standing{}, false
		}
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	q := question{device: dev, org: c.organizations[dev.Org], at: at}
	if q.org == nil || !c.complete(&q) {
		return Standing{}, false
	}
	d, known := q.org.doors[policy.DoorID(dev.Door)]
	if !known {
		return Standing{}, false
	}
	closed := policy.ClosedAt(q.org, d.ID, at)
	s := Standing{Nobody: closed.Nobody, HeldOpenAfter: d.heldOpenAfter, Look: closed.Next}
	if schedule := q.org.schedules[d.Rules.AutoUnlock]; schedule != nil {
		mayOpen := !c.tooOld(at) && !q.org.inBrokenZone(d.ID)
		s.follow(q.org, d.Door, schedule, state, at, mayOpen)
	}
	return s, true
}

// follow works out the auto-unlock rule.
func (s *Standing) follow(o *organization, d policy.Door, schedule *policy.Schedule, state policy.State, at time.Time, mayOpen bool) {
	_, open := policy.StandsOpen(o, d.ID, state, at)
	switch {
	case open && mayOpen:
		_, end, _ := schedule.Interval(at)
		s.OpenUntil = pauses(schedule, at, end)
		if f := d.Rules.FirstPerson; f != nil && f.Schedule != "" && f.Schedule != d.Rules.AutoUnlock {
			if next := begins(o.schedules[f.Schedule], at, s.OpenUntil); !next.IsZero() {
				s.OpenUntil = next // then somebody has to arrive again
			}
		}
		s.sooner(s.OpenUntil)
	case d.Rules.FirstPerson != nil && schedule.Contains(at):
		s.AwaitsFirst = true
		s.sooner(at.Add(arrivalEvery))
	default:
		s.sooner(begins(schedule, at, at.Add(lookWithin)))
	}
	s.sooner(at.Add(lookWithin))
}

// pauses is the end of a piece that contains `at`, or before it where the piece first pauses: in an hour that comes twice it may. It looks
// pauseWithin ahead.
func pauses(schedule *policy.Schedule, at, end time.Time) time.Time {
	ahead := at.Add(pauseWithin)
	if ahead.After(end) {
		ahead = end
	}
	if windows := schedule.Windows(at, ahead); len(windows) > 0 && windows[0].To.Before(ahead) {
		return windows[0].To
	}
	return end
}

func (s *Standing) sooner(at time.Time) {
	if !at.IsZero() && (s.Look.IsZero() || at.Before(s.Look)) {
		s.Look = at
	}
}

// begins is the next minute after `at` and before an end, at most a day later, with which a piece of a schedule begins; zero: none.
func begins(s *policy.Schedule, at, end time.Time) time.Time {
	if s == nil {
		return time.Time{}
	}
	if day := at.Add(24 * time.Hour); end.After(day) {
		end = day
	}
	inside := s.Contains(at)
	for minute := at.Truncate(time.Minute).Add(time.Minute); minute.Before(end); minute = minute.Add(time.Minute) {
		now := s.Contains(minute)
		if now && !inside {
			return minute
		}
		inside = now
	}
	return time.Time{}
}

// firstPerson says whether the device's door stands open by a rule that waits for a first person.
func (c *Copy) firstPerson(dev Device) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	o := c.organizations[dev.Org]
	if o == nil {
		return false
	}
	rules := o.doors[policy.DoorID(dev.Door)].Rules
	return rules.AutoUnlock != "" && rules.FirstPerson != nil
}

func (c *Copy) doorState(ctx context.Context, dev Device) (policy.State, error) {
	home, err := c.cfg.Regions.Home(region.ID(dev.Door))
	if err != nil {
		return policy.State{}, err
	}
	if c.cfg.States == nil {
		return policy.State{}, errNoStates
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StateBound)
	defer cancel()
	view := c.cfg.States.View(doorstate.Passage{Home: home.Name, Org: dev.Org, Door: policy.DoorID(dev.Door)})
	if _, err := view.Load(ctx, doorstate.Needs{Door: true}); err != nil {
		return policy.State{}, err
	}
	return view.State()
}
