package access

import (
	"sync"
	"time"
)

// How many wrong digits are taken in wrongWindow, counted from the first; after that every one is wrong, unread. A person's
// PINs at a door are counted by themselves. For entry codes the door is counted: whoever types one has not said who they are.
const (
	maxWrongPINs  = 5
	maxWrongCodes = 10
	wrongWindow   = 10 * time.Minute
)

// pruneAbove is how many people and doors are remembered before those whose window is over are forgotten, pruneEvery how often that is
// looked for: it goes through all of them while others wait.
const (
	pruneAbove = 10_000
	pruneEvery = time.Minute
)

// attempts counts wrong digits, in this gateway's memory: another gateway counts for itself.
type attempts struct {
	mu     sync.Mutex // guards what follows
	wrong  map[attempt]wrong
	pruned time.Time
}

// attempt is who tries where; nobody: entry codes.
type attempt struct{ person, door string }

// most is how many may be wrong.
func (a attempt) most() int {
	if a.person == "" {
		return maxWrongCodes
	}
	return maxWrongPINs
}

type wrong struct {
	count int
	since time.Time
}

func newAttempts() *attempts { return &attempts{wrong: map[attempt]wrong{}} }

// try says whether the digits are right. check is not asked when there were too many wrong ones. Right digits forget the
// wrong ones of the same person. They do not forget a door's: else somebody with a code of their own could guess without end.
func (a *attempts) try(of attempt, at time.Time, check func() bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.wrong[of]
	if at.Sub(w.since) >= wrongWindow {
		w = wrong{since: at}
	}
	if w.count >= of.most() {
		return false
	}
	if check() {
		if of.person != "" {
			delete(a.wrong, of)
		}
		return true
	}
	w.count++
	a.wrong[of] = w
	if len(a.wrong) > pruneAbove && at.Sub(a.pruned).Abs() >= pruneEvery {
		a.pruned = at
		a.prune(at)
	}
	return false
}

// prune is called with mu held.
func (a *attempts) prune(at time.Time) {
	for of, w := range a.wrong {
		if at.Sub(w.since) >= wrongWindow {
			delete(a.wrong, of)
		}
	}
}
