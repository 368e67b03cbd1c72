package access

import (
	"context"
	"errors"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/doorstate"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// DefaultStateBound is how long a decision waits for shared door state by default: a quarter of what a lock waits.
const DefaultStateBound = 500 * time.Millisecond

// maxRounds is how often a decision is made anew because others changed what it had read. Each lost round means that another
// passage got through.
const maxRounds = 16

// States is the shared door state. doorstate.Store is one.
type States interface {
	View(doorstate.Passage) *doorstate.View
}

// question is what one request asks, from the facts of now.
type question struct {
	device Device
	org    *organization
	// proven: the presented public key has proven that it is there.
	proven   bool
	who      holder
	req      policy.Request
	at       time.Time
	needs    doorstate.Needs
	decision policy.Decision
	// revision and unlockFor are of the facts that decision was made from.
	revision  *typev1.ConsistencyToken
	unlockFor time.Duration
}

// settle is called with the Copy's mu held since the facts were read.
func (c *Copy) settle(q *question, d policy.Decision) {
	q.decision, q.revision = d, c.revision(q.device, q.org)
	if q.org != nil {
		q.unlockFor = q.org.doors[policy.DoorID(q.device.Door)].unlockFor
	}
}

// Decide answers whether what was presented opens the device's door at a moment by the gateway's clock. It reads memory only,
// unless the door or a grant has a rule about earlier passages: then what the passage changes is written into the shared door
// state before Decide returns. It waits for that no longer than the configured bound; without the state the rule decides by
// what the door's owner chose (see withoutState).
func (c *Copy) Decide(ctx context.Context, deviceID string, m *lockwirev1.AccessRequest, at time.Time) Verdict {
	q := question{at: at, proven: c.proven(ctx, deviceID, m)}
	c.mu.RLock()
	if c.identify(&q, deviceID, m) {
		c.askHeld(&q, policy.State{})
	}
	c.mu.RUnlock()
	if !q.needs.None() {
		c.pass(ctx, &q)
	}
	return q.verdict()
}

// identify finds out who asks for which door; false: that alone decides. mu is held.
func (c *Copy) identify(q *question, deviceID string, m *lockwirev1.AccessRequest) bool {
	dev, ok := c.devices.byID[deviceID]
	q.device, q.org = dev, c.organizations[dev.Org]
	if !ok || q.org == nil {
		c.settle(q, policy.Deny(policy.ReasonUnknownDoor))
		return false
	}
	q.who = c.who(q, m)
	if c.tooOld(q.at) || !c.complete(q) {
		c.settle(q, policy.Deny(policy.ReasonCopyTooOld))
		return false
	}
	fact := &policy.CredentialFact{}
	if q.who.credential != "" {
		fact.ID, fact.Status = policy.CredentialID(q.who.credential), policy.CredentialActive
	}
	q.req = policy.Request{
		Door: policy.DoorID(dev.Door), Person: policy.PersonID(q.who.person), Credential: fact,
		Direction: direction(m.GetDirection()), SecondFactor: c.factor(q, secondFactor(m)),
	}
	return true
}

// complete says whether everything is known that the door depends on: a head comes last, also into a bucket that is filled again.
// Before that a lockdown may be missing.
func (c *Copy) complete(q *question) bool {
	home, err := c.cfg.Regions.Home(region.ID(q.device.Door))
	return err == nil && q.org.heads[permissionsService+"."+string(home.Name)] > 0
}

// direction: a reader that does not say which way is one on the outside, as PROTOCOL.md has it.
func direction(d lockwirev1.Direction) policy.Direction {
	if d == lockwirev1.Direction_DIRECTION_OUT {
		return policy.DirectionExit
	}
	return policy.DirectionEntry
}

// ask decides from the facts of now and a state, and notes what else of the state it depends on.
func (c *Copy) ask(q *question, state policy.State) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.askHeld(q, state)
}

// askHeld is ask with mu held.
func (c *Copy) askHeld(q *question, state policy.State) {
	if q.org.inBrokenZone(q.req.Door) {
		q.needs = doorstate.Needs{}
		c.settle(q, policy.Deny(policy.ReasonBrokenFacts))
		return
	}
	facts := &asking{organization: q.org, req: q.req}
	c.settle(q, policy.Decide(q.req, facts, state, q.at))
	q.needs = facts.needs
}

// pass decides with the shared state and records the passage there; where it cannot, it decides without.
func (c *Copy) pass(ctx context.Context, q *question) {
	err := errNoStates
	if home, bad := c.cfg.Regions.Home(region.ID(q.device.Door)); c.cfg.States != nil && bad == nil {
		within, cancel := context.WithTimeout(ctx, c.cfg.StateBound)
		view := c.cfg.States.View(doorstate.Passage{Home: home.Name, Org: q.device.Org, Door: q.req.Door, Person: q.req.Person})
		err = c.record(within, q, view)
		if err != nil {
			view.Undo(ctx)
		}
		cancel()
	}
	if err != nil {
		c.cfg.Logger.WarnContext(ctx, "access: decided without the shared door state", "door", q.device.Door, "error", err)
		c.withoutState(q)
	}
}

// errNoStates: this gateway keeps no shared state for the door.
var errNoStates = errors.New("no shared door state")

// record decides from the state until what the decision changes is written over what it was made from.
func (c *Copy) record(ctx context.Context, q *question, view *doorstate.View) error {
	var err error
	for range maxRounds {
		if err = c.askWith(ctx, q, view); err != nil {
			return err
		}
		if err = view.Commit(ctx, q.decision.Effects, q.at); !errors.Is(err, doorstate.ErrConflict) {
			return err
		}
	}
	return err
}

// askWith decides from the state of now, reading more of it for as long as the decision turns out to depend on more.
func (c *Copy) askWith(ctx context.Context, q *question, view *doorstate.View) error {
	for asked := false; ; asked = true {
		more, err := view.Load(ctx, q.needs)
		if err != nil || asked && !more {
			return err
		}
		state, err := view.State()
		if err != nil {
			return err
		}
		c.ask(q, state)
	}
}
