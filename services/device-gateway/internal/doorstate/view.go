package doorstate

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/proto"
)

// Passage is who wants to pass which door. Home is the door's region.
type Passage struct {
	Home   region.Name
	Org    string
	Door   policy.DoorID
	Person policy.PersonID
}

// Needs is what a decision depends on.
type Needs struct {
	// Zones are those with anti-passback that the door borders on.
	Zones []policy.ZoneID
	// Door: it has a rule about who came before.
	Door bool
	// Grants are the use-limited ones that may admit.
	Grants []policy.GrantID
}

// None says whether the decision depends on no state at all.
func (n Needs) None() bool { return len(n.Zones) == 0 && !n.Door && len(n.Grants) == 0 }

// slots are in the order in which they are written: a use, which is the hardest to give back, comes last.
func (n Needs) slots() []slot {
	var all []slot
	for _, zone := range n.Zones {
		all = append(all, presence{zone: zone})
	}
	if n.Door {
		all = append(all, atDoor{})
	}
	for _, grant := range n.Grants {
		all = append(all, uses{grant})
	}
	return all
}

// cell is a slot that was read.
type cell struct {
	slot
	name string
	// before is what was there before this View wrote.
	before []byte
	// over is the revision to write over: that of before, or of what this View wrote.
	over uint64
	// wrote is what this View wrote; nil: nothing. unsure: it is not known whether that got there.
	wrote  []byte
	unsure bool
}

// View is what one decision has read, and writes.
type View struct {
	store *Store
	of    Passage
	cells []*cell
}

// View of a passage; nothing is read yet.
func (s *Store) View(of Passage) *View { return &View{store: s, of: of} }

// Load reads what is needed and was not read yet, and says whether there was such. Errors: the broker's.
func (v *View) Load(ctx context.Context, needs Needs) (more bool, err error) {
	for _, s := range needs.slots() {
		c, err := v.load(ctx, s)
		if err != nil {
			return more, err
		}
		more = more || c
	}
	return more, nil
}

func (v *View) load(ctx context.Context, s slot) (more bool, err error) {
	name := s.key(v.of)
	if v.find(name) != nil {
		return false, nil
	}
	h, known := v.store.known(v.of.Home, name)
	if !known {
		if h, err = v.store.fetch(ctx, v.of.Home, name); err != nil {
			return false, err
		}
	}
	v.cells = append(v.cells, &cell{slot: s, name: name, before: h.body, over: h.revision})
	return true, nil
}

func (v *View) find(name string) *cell {
	if i := slices.IndexFunc(v.cells, func(c *cell) bool { return c.name == name }); i >= 0 {
		return v.cells[i]
	}
	return nil
}

// State is what was read, as it was before this View wrote. What cannot be understood is an error.
func (v *View) State() (policy.State, error) {
	state := policy.State{Presence: map[policy.ZoneID]policy.Presence{}, Uses: map[policy.GrantID]int{}}
	for _, c := range v.cells {
		if err := c.take(c.before, &state); err != nil {
			return policy.State{}, err
		}
	}
	return state, nil
}

// Commit writes the effects of a decision from State at the moment, and takes back what an earlier Commit wrote that is none of
// them. ErrConflict: something was changed by others, and was read again. After any other error, and when no Commit follows a
// conflict, call Undo.
func (v *View) Commit(ctx context.Context, effects []policy.Effect, at time.Time) error {
	now, err := v.State()
	if err != nil {
		return err
	}
	next := now.Apply(effects, v.of.Person, at)
	partners, err := v.partners(ctx, effects, at)
	if err != nil {
		return err
	}
	for _, c := range v.cells {
		want, was := encode(c.body(next)), encode(c.body(now))
		if p, ok := c.slot.(presence); ok && p.partner != "" {
			want, was = partners[c.name], nil
		}
		if bytes.Equal(want, was) {
			want = c.before
		}
		is := c.before
		if c.wrote != nil {
			is = c.wrote
		}
		if bytes.Equal(want, is) {
			continue
		}
		if err := v.write(ctx, c, want); err != nil {
			return err
		}
	}
	return nil
}

// partners are what is to be written about the presence of others than the passage's person, by key. Their keys are loaded.
func (v *View) partners(ctx context.Context, effects []policy.Effect, at time.Time) (map[string][]byte, error) {
	all := map[string][]byte{}
	for _, e := range effects {
		if e.Person == "" || e.Person == v.of.Person {
			continue
		}
		s := presence{zone: e.Zone, partner: e.Person}
		if _, err := v.load(ctx, s); err != nil {
			return nil, err
		}
		all[s.key(v.of)] = encode(presenceOf(policy.Presence{Inside: e.Kind == policy.EffectEnter, Since: at}))
	}
	return all, nil
}

// write sets one cell. A conflict reads it again: it is then as if this View had not written it.
func (v *View) write(ctx context.Context, c *cell, body []byte) error {
	if body == nil {
		body = []byte{} // nothing was there, and keys are not deleted
	}
	held := *c
	c.wrote, c.unsure = body, true
	revision, err := v.store.set(ctx, v.of.Home, c.name, body, c.over)
	switch {
	case err == nil:
		c.over, c.unsure = revision, false
		return nil
	case !errors.Is(err, ErrConflict):
		return err
	}
	*c = held
	h, fetched := v.store.fetch(ctx, v.of.Home, c.name)
	if fetched != nil {
		return fetched
	}
	c.before, c.over, c.wrote = h.body, h.revision, nil
	return err
}

// encode never fails: the messages have no required fields, and no text but ids.
func encode(m proto.Message) []byte {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	if body == nil {
		body = []byte{}
	}
	return body
}
