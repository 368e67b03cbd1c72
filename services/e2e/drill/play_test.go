package drill_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/e2e/drill"
	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/durationpb"
)

// patience is how long a step waits for an answer that may come later as well.
const patience = 1500 * time.Millisecond

// play is one history that is being played.
type play struct {
	w      *world
	record *drill.Record
	org    identitytest.Organization
	key    config.Secret // of permissions and gateways
	group  string
	zone   string
	people [drill.People]region.ID
	doors  [drill.Doors]string
	locks  [drill.Locks]*lock
	// byDevice finds a lock that an answer lists.
	byDevice map[string]int
	// lies records every revocation as enforced at once; to show that a drill can fail.
	lies bool

	mu        sync.Mutex // guards what follows
	members   sync.Mutex // one change of the group at a time: their order is what the record says
	calls     int
	cards     []*card
	grants    []*given
	lockdowns []*given
	pending   []taken
}

// card is one that a person carries.
type card struct {
	bits   *lockwirev1.Card
	person int
	given
}

// given is what can be taken away.
type given struct {
	fact drill.FactID
	id   string
	// whose cards open by it; none: everybody's do not.
	people []int
	gone   bool
}

// taken is something that was taken away and is not known to be enforced.
type taken struct {
	taking int
	token  *typev1.ConsistencyToken
	people []int
}

// once is a new idempotency key.
func (p *play) once() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	return fmt.Sprint("drill-", p.calls)
}

// ask calls permissions, at home and then at the neighbour, twice.
func ask[T any](p *play, call func(context.Context, *permissionstest.Tenant) (T, error)) (T, error) {
	var out T
	var failed error
	for attempt := range 4 {
		client, done := p.w.permissionsAt(attempt%2, p.key)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		var err error
		out, err = call(ctx, &permissionstest.Tenant{PermissionsServiceClient: client, Org: p.org.ID, Home: regions[0]})
		cancel()
		done()
		if err == nil {
			return out, nil
		}
		failed = errors.Join(failed, err)
	}
	return out, failed
}

// step does one thing. A call that fails leaves its outcome open, which the record allows for.
func (p *play) step(s drill.Step) {
	switch s.Do {
	case drill.Grant:
		p.grant(s.A%(drill.People+1), s.B%(drill.Doors+1))
	case drill.Revoke:
		p.revoke(s.A)
	case drill.Join:
		p.join(s.A % drill.People)
	case drill.Leave:
		p.leave(s.A % drill.People)
	case drill.Issue:
		p.issue(s.A % drill.People)
	case drill.RevokeCard:
		p.revokeCard(s.A)
	case drill.Lockdown:
		p.lockdown(s.A % (drill.Doors + 1))
	case drill.EndLockdown:
		p.endLockdown(s.A)
	case drill.WaitEnforced:
		p.enforceAll(patience)
	case drill.Swipe:
		p.swipe(s.A%drill.Locks, s.B, max(1, s.N))
	default:
		p.fate(s)
	}
}

func (p *play) fate(s drill.Step) {
	lock, at := p.locks[s.A%drill.Locks], s.A%drill.Regions
	switch s.Do {
	case drill.Reboot:
		lock.boot()
	case drill.Cut:
		p.w.exchange.set(&lock.uplink, cut)
	case drill.Blackhole:
		p.w.exchange.set(&lock.uplink, silent)
	case drill.Heal:
		p.w.exchange.set(&lock.uplink, whole)
	case drill.KillGateway:
		p.w.killGateway(at)
	case drill.FreezeGateway:
		p.w.freezeGateway(at)
	case drill.StartGateway:
		p.w.startGateway(at)
	case drill.StopBroker:
		p.w.stopBroker(at)
	case drill.StartBroker:
		p.w.startBroker(at)
	case drill.StopPermissions:
		p.w.stopPermissions(at)
	case drill.StartPermissions:
		p.w.startPermissions(at)
	case drill.Pass:
		p.w.ahead.Add(int64(time.Duration(s.A) * time.Minute))
	default:
		p.w.t.Errorf("no step is called %q", s.Do)
	}
}

func (p *play) swipe(at, card, times int) {
	p.mu.Lock()
	if len(p.cards) == 0 {
		p.mu.Unlock()
		return
	}
	number := card % len(p.cards)
	bits := p.cards[number].bits
	p.mu.Unlock()
	for range times {
		p.locks[at].present(bits, number)
	}
}

// enforce waits until a taking is enforced, notes the answer, and tries the cards that it concerns at every lock.
func (p *play) enforce(t taken, wait time.Duration) bool {
	if p.lies {
		p.record.Enforce(t.taking, nil)
		p.probe(t.people)
		return true
	}
	out, err := ask(p, func(ctx context.Context, n *permissionstest.Tenant) (*permissionsv1.WaitEnforcedResponse, error) {
		return n.WaitEnforced(ctx, &permissionsv1.WaitEnforcedRequest{
			OrgId: string(p.org.ID), Region: t.token.GetRegion(), Token: t.token, Timeout: durationpb.New(wait),
		})
	})
	if err != nil || !out.GetEnforced() {
		return false
	}
	exposed := map[int]time.Time{}
	for _, e := range out.GetExposures() {
		until := time.Time{}
		if e.GetUntil() != nil {
			until = e.GetUntil().AsTime()
		}
		if index, ok := p.byDevice[e.GetDeviceId()]; ok {
			exposed[index] = until
		}
	}
	p.record.Enforce(t.taking, exposed)
	p.probe(t.people)
	return true
}

// after is what follows a taking that was answered.
func (p *play) after(t taken) {
	if p.enforce(t, patience) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, t)
}

// enforceAll waits again for what is pending; false: some still is.
func (p *play) enforceAll(wait time.Duration) bool {
	p.mu.Lock()
	pending := p.pending
	p.pending = nil
	p.mu.Unlock()
	all := true
	for _, t := range pending {
		if !p.enforce(t, wait) {
			all = false
			p.mu.Lock()
			p.pending = append(p.pending, t)
			p.mu.Unlock()
		}
	}
	return all
}

// probe tries the first two cards of people at every lock, at once.
func (p *play) probe(people []int) {
	p.mu.Lock()
	var numbers []int
	for i, c := range p.cards {
		for _, one := range people {
			if c.person == one && len(numbers) < 2 {
				numbers = append(numbers, i)
			}
		}
	}
	p.mu.Unlock()
	var all sync.WaitGroup
	for at := range p.locks {
		all.Go(func() {
			for _, number := range numbers {
				p.swipe(at, number, 1)
			}
		})
	}
	all.Wait()
}
