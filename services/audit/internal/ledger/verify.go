package ledger

import (
	"crypto/sha256"
	"fmt"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"google.golang.org/protobuf/proto"
)

// Difference is what a Verifier found: where, and what is not as it must be.
type Difference struct {
	Position int64
	What     string
}

// Error says both.
func (d *Difference) Error() string { return fmt.Sprintf("position %d: %s", d.Position, d.What) }

// Verifier walks a ledger from position 0 and recomputes everything. It trusts nothing that it is given: neither the hashes,
// nor the order, nor the head. Its memory grows with the number of entries, about 100 bytes each, since it checks that
// no event is there twice.
type Verifier struct {
	id      ID
	head    Head
	seen    map[string]int64 // event id to its position
	noted   []Head
	removed int64
}

// NewVerifier starts a walk over a ledger. noted are heads that were seen earlier and must lie on the chain; with none
// the walk shows that the ledger agrees with itself, not that it is the same as before.
func NewVerifier(id ID, noted ...Head) *Verifier {
	return &Verifier{id: id, seen: map[string]int64{}, noted: noted}
}

// Add checks the next entry. After an error, always a *Difference, the walk is over.
func (v *Verifier) Add(e Entry) error {
	for _, check := range []func(Entry) error{v.place, v.hashes, v.once, v.body} {
		if err := check(e); err != nil {
			return err
		}
	}
	v.head = e.Head()
	v.seen[e.EventID] = e.Position
	if e.Body == nil {
		v.removed++
	}
	return v.atNoted()
}

// End checks that the ledger ends here: that the head it claims is the one that was computed, and that it reaches
// every head that was noted earlier.
func (v *Verifier) End(claimed Head) error {
	if claimed != v.head {
		return v.differ(v.head.Size, "the entries end here with hash %s, but the head says %d entries with hash %s",
			v.head.Hash, claimed.Size, claimed.Hash)
	}
	for _, noted := range v.noted {
		if noted.Size > v.head.Size {
			return v.differ(v.head.Size, "the ledger ends here, but it had %d entries before: it was cut", noted.Size)
		}
	}
	return nil
}

// Head is the head that was computed so far.
func (v *Verifier) Head() Head { return v.head }

// Removed is how many of the entries came without their body.
func (v *Verifier) Removed() int64 { return v.removed }

func (v *Verifier) place(e Entry) error {
	if e.Position != v.head.Size {
		return v.differ(v.head.Size, "the entry says that its position is %d", e.Position)
	}
	return nil
}

func (v *Verifier) hashes(e Entry) error {
	if e.Previous != v.head.Hash {
		return v.differ(e.Position, "previous hash is %s, the entry before has %s", e.Previous, v.head.Hash)
	}
	if at := e.AppendedAt; !at.Equal(at.Truncate(time.Microsecond)) {
		return v.differ(e.Position, "the time %s has parts of a microsecond, which its hash does not cover", at.Format(time.RFC3339Nano))
	}
	if want := v.id.HashOf(e); e.Hash != want {
		return v.differ(e.Position, "hash is %s, its fields give %s", e.Hash, want)
	}
	return nil
}

func (v *Verifier) once(e Entry) error {
	if at, twice := v.seen[e.EventID]; twice {
		return v.differ(e.Position, "event %q is already at position %d", e.EventID, at)
	}
	return nil
}

// body checks the body's digest, and that the event inside is the one that the entry says.
func (v *Verifier) body(e Entry) error {
	if e.Body == nil {
		return nil
	}
	if got := Hash(sha256.Sum256(e.Body)); got != e.BodySHA256 {
		return v.differ(e.Position, "SHA-256 of the body is %s, the entry says %s", got, e.BodySHA256)
	}
	event := new(typev1.Event)
	if err := proto.Unmarshal(e.Body, event); err != nil {
		return v.differ(e.Position, "the body is not an event: %v", err)
	}
	switch {
	case event.Id != e.EventID:
		return v.differ(e.Position, "the entry is of event %q, its body of %q", e.EventID, event.Id)
	case event.OrgId != string(v.id.Org):
		return v.differ(e.Position, "the body is an event of organization %q", event.OrgId)
	case event.Region != string(v.id.Region):
		return v.differ(e.Position, "the body is an event of region %q", event.Region)
	}
	return nil
}

func (v *Verifier) atNoted() error {
	for _, noted := range v.noted {
		if noted.Size == v.head.Size && noted.Hash != v.head.Hash {
			return v.differ(v.head.Size-1, "hash is %s, but when the ledger had %d entries it was %s: something up to here was rewritten",
				v.head.Hash, noted.Size, noted.Hash)
		}
	}
	return nil
}

func (v *Verifier) differ(position int64, format string, args ...any) error {
	return &Difference{Position: position, What: fmt.Sprintf(format, args...)}
}
