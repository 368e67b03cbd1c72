package doorstate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/proto"
)

// undoTimeout bounds how long a write of a decision that ended otherwise is tried to be taken back.
const undoTimeout = 10 * time.Second

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

// slots are in the order in which they are written: what costs most to take back comes last.
func (n Needs) slots() []slot {
	var all []slot
	for _, zone := range n.Zones {
		all = append(all, presence{zone})
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
	// rank orders writing.
	rank int
	// before is what was there before this View wrote.
	before []byte
	// over is the revision to write over: that of before, or of what this View wrote.
	over uint64
	// wrote is what this View wrote, perhaps without knowing whether it got there; nil: nothing.
	wrote []byte
	// unsure: whether wrote got there is not known.
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
	for rank, s := range needs.slots() {
		name := s.key(v.of)
		if slices.ContainsFunc(v.cells, func(c *cell) bool { return c.name == name }) {
			continue
		}
		h, known := v.store.known(v.of.Home, name)
		if !known {
			if h, err = v.store.fetch(ctx, v.of.Home, name); err != nil {
				return more, err
			}
		}
		v.cells = append(v.cells, &cell{slot: s, name: name, rank: rank, before: h.body, over: h.revision})
		more = true
	}
	return more, nil
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

// Commit makes the bucket say next, of all that was read. ErrConflict: it was changed by others and read again. After any other
// error, and when no Commit follows a conflict, call Undo.
func (v *View) Commit(ctx context.Context, next policy.State) error {
	now, err := v.State()
	if err != nil {
		return err
	}
	slices.SortStableFunc(v.cells, func(a, b *cell) int { return cmp.Compare(a.rank, b.rank) })
	for _, c := range v.cells {
		want, is := encode(c.body(next)), c.wrote
		if is == nil {
			is = encode(c.body(now))
		}
		if bytes.Equal(want, is) {
			continue
		}
		if bytes.Equal(want, encode(c.body(now))) {
			want = c.before
		}
		if err := v.write(ctx, c, want); err != nil {
			return err
		}
	}
	return nil
}

// write sets one cell. A conflict reads it again: it is then as if this View had not written it.
func (v *View) write(ctx context.Context, c *cell, body []byte) error {
	c.wrote, c.unsure = body, true
	revision, err := v.store.set(ctx, v.of.Home, c.name, body, c.over)
	if err == nil {
		c.over, c.unsure = revision, false
		return nil
	}
	if !errors.Is(err, ErrConflict) {
		return err
	}
	h, fetched := v.store.fetch(ctx, v.of.Home, c.name)
	if fetched != nil {
		return fetched
	}
	c.before, c.over, c.wrote, c.unsure = h.body, h.revision, nil, false
	return err
}

// Undo takes back what this View wrote, as far as nobody has written over it. It does not wait.
func (v *View) Undo(ctx context.Context) {
	for _, c := range v.cells {
		if c.wrote == nil || bytes.Equal(c.wrote, c.before) && !c.unsure {
			continue
		}
		v.store.undoing.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
			defer cancel()
			if err := v.takeBack(ctx, c); err != nil && !errors.Is(err, ErrConflict) {
				v.store.logger.WarnContext(ctx, "door state of a passage that did not take place stays", "key", c.name, "error", err)
			}
		})
	}
}

func (v *View) takeBack(ctx context.Context, c *cell) error {
	over := c.over
	if c.unsure {
		h, err := v.store.fetch(ctx, v.of.Home, c.name)
		if err != nil {
			return err
		}
		if h.revision == 0 || h.revision == c.over || !bytes.Equal(h.body, c.wrote) {
			return nil // it did not get there, or others wrote since
		}
		over = h.revision
	}
	_, err := v.store.set(ctx, v.of.Home, c.name, c.before, over)
	return err
}

// encode never fails: the messages have no required fields and no text but ids.
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
