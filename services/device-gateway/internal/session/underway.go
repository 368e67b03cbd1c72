package session

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// maxUnderway is how many commands of one lock may be without answer; the last ownRoom are for the gateway's own, so that no number of
// other commands keeps a lockdown from it.
const (
	maxUnderway = 64
	ownRoom     = 4
)

// underway is a command without answer.
type underway struct {
	command *lockwirev1.Command
	number  uint64 // in the order in which they were given
	// answered is called once.
	answered func(*lockwirev1.CommandResult)
}

func (u *underway) over(now time.Time) bool {
	return u.command.GetNotAfterMs() <= uint64(now.UnixMilli())
}

// orders are the commands of one lock that are under way; they outlive the connection. Safe for concurrent use.
type orders struct {
	mu    sync.Mutex // guards what follows
	byID  map[string]*underway
	given uint64
}

// add notes one; who is late is forgotten when room is needed. ErrBusy: there is none.
func (o *orders) add(u *underway, now time.Time) error {
	room := maxUnderway - ownRoom
	if strings.HasPrefix(u.command.GetCommandId(), ownCommand) {
		room = maxUnderway
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.byID) >= room {
		for id, old := range o.byID {
			if old.over(now.Add(-answerSlack)) {
				delete(o.byID, id)
			}
		}
	}
	if len(o.byID) >= room {
		return ErrBusy
	}
	o.given++
	u.number = o.given
	o.byID[u.command.GetCommandId()] = u
	return nil
}

func (o *orders) forget(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.byID, id)
}

func (o *orders) answer(m *lockwirev1.CommandResult) {
	o.mu.Lock()
	u := o.byID[m.GetCommandId()]
	delete(o.byID, m.GetCommandId())
	o.mu.Unlock()
	if u != nil {
		u.answered(m)
	}
}

// dropOwn forgets the gateway's own commands: when they were given, something may have held that does not any more. The lock says in
// Hello what it does, and is told the difference to what holds now.
func (o *orders) dropOwn() {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range o.byID {
		if strings.HasPrefix(id, ownCommand) {
			delete(o.byID, id)
		}
	}
}

// left are the commands that may still be carried out, in the order in which they were given.
func (o *orders) left(now time.Time) []*lockwirev1.Command {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []*underway
	for _, u := range o.byID {
		if !u.over(now) {
			all = append(all, u)
		}
	}
	slices.SortFunc(all, func(a, b *underway) int { return cmp.Compare(a.number, b.number) })
	commands := make([]*lockwirev1.Command, len(all))
	for i, u := range all {
		commands[i] = u.command
	}
	return commands
}
