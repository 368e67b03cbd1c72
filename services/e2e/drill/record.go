package drill

import (
	"sync"
	"time"
)

// FactID names a fact of a Record.
type FactID int

// Kind is what a fact is.
type Kind int

// The kinds of facts.
const (
	CardFact     Kind = iota // a card of Person
	MemberFact               // Person is in the group
	GrantFact                // Subject may open Doors
	LockdownFact             // nobody may open Doors
)

// Fact is something that the administrator gave, or a lockdown that they began.
type Fact struct {
	Kind    Kind
	Person  int // of a card or a membership
	Subject int // of a grant: a person, or Group
	Card    int // of a card: its number
	Doors   []int
	// Began is when the call that gave it began. Given is when it answered that it did; zero: it never said so.
	Began, Given time.Time
}

// Taking is a call that ended facts, or began a lockdown.
type Taking struct {
	What string
	// Facts are what it ended, or the lockdown that it began.
	Facts []FactID
	Began time.Time
}

// Enforced is an answer that a taking is enforced.
type Enforced struct {
	Taking int
	At     time.Time
	// Exposed says for each lock that the answer listed until when, by the services' clock; zero: without an end.
	Exposed map[int]time.Time
}

// EventID names an event as its lock does.
type EventID struct {
	Lock            int
	Epoch, Sequence uint64
}

// Unlock is a door that opened for a card.
type Unlock struct {
	Lock, Door, Card int
	// Event is what the lock wrote about it.
	Event EventID
	// Began is when the card was presented, Ended when the door was open.
	Began, Ended time.Time
	// Clock is what the services' clock said when it began.
	Clock time.Time
	// Alone: no gateway said so.
	Alone bool
}

// Record is all that callers and locks saw in one history. All moments but those of the services' clock are of one real clock. Its
// methods are safe for concurrent use; read its fields when all is over.
type Record struct {
	mu        sync.Mutex // guards what follows while the history goes on
	Facts     []Fact
	Takings   []Taking
	Enforced  []Enforced
	Unlocks   []Unlock
	Lifted    map[FactID]time.Time // lockdowns: when the call that ended them began
	Presented int
	Refused   int // presented and not opened, with a gateway's answer
	// Durable are the events of which locks were told that they are durable.
	Durable []EventID
	// Ledger is what locks wrote, as the ledger has it in the end.
	Ledger []Entry
}

// Give notes that a call that gives a fact begins.
func (r *Record) Give(f Fact) FactID {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.Began = time.Now()
	r.Facts = append(r.Facts, f)
	return FactID(len(r.Facts) - 1)
}

// Gave notes that it answered.
func (r *Record) Gave(id FactID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Facts[id].Given = time.Now()
}

// Take notes that a call that ends facts begins.
func (r *Record) Take(what string, facts ...FactID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Takings = append(r.Takings, Taking{What: what, Facts: facts, Began: time.Now()})
	return len(r.Takings) - 1
}

// Memberships are the facts that a call to take a person out of the group ends: those that were given before it begins. One that
// is being given may come after.
func (r *Record) Memberships(person int) (ids []FactID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, f := range r.Facts {
		if f.Kind == MemberFact && f.Person == person && !f.Given.IsZero() {
			ids = append(ids, FactID(id))
		}
	}
	return ids
}

// Enforce notes an answer that a taking is enforced.
func (r *Record) Enforce(taking int, exposed map[int]time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Enforced = append(r.Enforced, Enforced{Taking: taking, At: time.Now(), Exposed: exposed})
}

// Lift notes that a call that ends a lockdown begins.
func (r *Record) Lift(id FactID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Lifted == nil {
		r.Lifted = map[FactID]time.Time{}
	}
	if _, before := r.Lifted[id]; !before {
		r.Lifted[id] = time.Now()
	}
}

// Present notes what a presented card came to; answered: a gateway decided.
func (r *Record) Present(u Unlock, opened, answered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u.Ended = time.Now()
	r.Presented++
	switch {
	case opened:
		r.Unlocks = append(r.Unlocks, u)
	case answered:
		r.Refused++
	}
}

// Kept notes that a lock was told that its events from first to last are durable.
func (r *Record) Kept(lock int, epoch, first, last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for sequence := first; sequence <= last; sequence++ {
		r.Durable = append(r.Durable, EventID{lock, epoch, sequence})
	}
}

// AllDurable is how many events locks were told to be durable.
func (r *Record) AllDurable() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.Durable)
}
