package access

import (
	"crypto/subtle"
	"sync"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

// maxWrongPINs is how many wrong PINs of a person a door takes in pinWindow; after that every one is wrong, unread.
const (
	maxWrongPINs = 5
	pinWindow    = 10 * time.Minute
)

// pinPruneAbove is how many people and doors are remembered before those whose window is over are forgotten.
const pinPruneAbove = 10_000

// pin is a person's PIN: it opens nothing alone.
type pin struct {
	person  string
	digests []presented
}

func (p pin) add(o *organization) {
	for _, d := range p.digests {
		addTo(o.pins, p.person, d)
	}
}

func (p pin) remove(o *organization) {
	for _, d := range p.digests {
		removeFrom(o.pins, p.person, func(other presented) bool { return other == d })
	}
}

// hasPIN says whether the digits are a PIN of the person.
func (o *organization) hasPIN(person, digits string) bool {
	right := 0
	for _, p := range o.pins[person] {
		key, ok := o.keys[p.keyID]
		if !ok {
			continue
		}
		digest := credential.PINDigest(key, person, digits)
		right |= subtle.ConstantTimeCompare(digest[:], p.digest[:])
	}
	return right == 1
}

// attempts counts wrong PINs, in this gateway's memory.
type attempts struct {
	mu    sync.Mutex
	wrong map[attempt]wrong // guarded by mu
}

type attempt struct{ person, door string }

type wrong struct {
	count int
	since time.Time
}

func newAttempts() *attempts { return &attempts{wrong: map[attempt]wrong{}} }

// try says what became of a second factor. check is not asked when there were too many wrong ones.
func (a *attempts) try(of attempt, at time.Time, check func() bool) policy.Factor {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.wrong[of]
	if at.Sub(w.since) >= pinWindow {
		w = wrong{since: at}
	}
	if w.count >= maxWrongPINs {
		return policy.FactorWrong
	}
	if check() {
		delete(a.wrong, of)
		return policy.FactorRight
	}
	w.count++
	a.wrong[of] = w
	if len(a.wrong) > pinPruneAbove {
		a.prune(at)
	}
	return policy.FactorWrong
}

// prune is called with mu held.
func (a *attempts) prune(at time.Time) {
	for of, w := range a.wrong {
		if at.Sub(w.since) >= pinWindow {
			delete(a.wrong, of)
		}
	}
}
