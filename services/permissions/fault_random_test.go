package permissions_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

// passage is a person at a door, who is let in and kept out again and again by one writer.
type passage struct {
	person, door string
	byGroup      string // the group whose membership lets the person in; empty: a grant of their own

	mu sync.Mutex // guards what follows
	// life counts the attempts to let the person in: an answer that began in another life says nothing about this one.
	life    int
	out     *typev1.ConsistencyToken // of the answered end; nil: may be in
	outFrom time.Time                // when the end was answered
}

// Random grants, revocations and memberships on two instances whose connections are cut at random, also while they commit.
// A checker remembers every answered end: nobody is let in behind its token, nor without it once the instance may not
// answer from memory any more; and whose letting in was answered gets in.
func TestNobodyGetsInBehindAnAnsweredEndWhateverIsCut(t *testing.T) {
	t.Parallel()
	const writers, lives, maxUnconfirmed = 4, 6, 250 * time.Millisecond
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	mesh := rpctest.New(t)
	direct := permissionstest.Start(t, mesh, central)
	p := permissions.Projection{Poll: 20 * time.Millisecond, MaxUnconfirmed: maxUnconfirmed}
	one, oneProxy := behind(t, mesh, central, direct.Database, p)
	two, twoProxy := behind(t, mesh, central, direct.Database, p)
	n := direct.Tenant(t, central)
	site := n.Site(t, "UTC")
	var passages []*passage
	for i := range writers {
		x := &passage{person: n.Person(t), door: n.Door(t, site)}
		if i%2 == 1 {
			x.byGroup = n.Group(t)
			n.Let(t, x.byGroup, x.door, "")
		}
		passages = append(passages, x)
	}
	at := func(r *rand.Rand) *permissionstest.Tenant {
		return []*permissionstest.Service{one, two}[r.IntN(2)].TenantOf(n.Org, central)
	}
	over, stop := context.WithCancel(t.Context())
	var load, cutting sync.WaitGroup
	for i, x := range passages {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		// Keys are of a caller: one client for each instance.
		both := [2]*permissionstest.Tenant{one.TenantOf(n.Org, central), nil}
		both[1] = two.TenantOf(n.Org, central)
		both[1].PermissionsServiceClient = two.Client(both[0].Credential)
		load.Go(func() {
			for range lives {
				x.live(t, both, r)
			}
		})
	}
	var asked, knew atomic.Int64
	for i := range 2 {
		r := rand.New(rand.NewPCG(seed, uint64(100+i)))
		cutting.Go(func() {
			for over.Err() == nil {
				asked.Add(1)
				if passages[r.IntN(len(passages))].check(t, at(r), r.IntN(2) == 0, maxUnconfirmed) {
					knew.Add(1)
				}
			}
		})
	}
	for i, proxy := range []*dbtest.Proxy{oneProxy, twoProxy} {
		r := rand.New(rand.NewPCG(seed, uint64(200+i)))
		cutting.Go(func() {
			for over.Err() == nil {
				disturb(proxy, r)
			}
		})
	}
	load.Wait()
	stop()
	cutting.Wait()
	t.Logf("%d checks, %d of them knew the end; %d commits", asked.Load(), knew.Load(), headOf(t, direct, n))
	if knew.Load() == 0 {
		t.Error("no check ever saw an end: this shows nothing")
	}
	if made, want := eventCount(t, direct, n, "grant_created"), writers/2*lives+writers/2; made != want {
		t.Errorf("%d grants were made, want %d", made, want)
	}
	if ended, want := eventCount(t, direct, n, "grant_revoked"), writers/2*lives; ended != want {
		t.Errorf("%d grants were ended, want %d", ended, want)
	}
	if left, want := eventCount(t, direct, n, "member_removed"), writers/2*lives; left != want {
		t.Errorf("%d memberships were ended, want %d", left, want)
	}
}

// live lets the person in, sees that they get in, ends it, and notes the end; every call is repeated at either instance
// until it is answered.
func (x *passage) live(t *testing.T, both [2]*permissionstest.Tenant, r *rand.Rand) {
	x.mu.Lock()
	x.life++
	x.out = nil
	x.mu.Unlock()
	key, org := both[0].Once(), string(both[0].Org)
	var grant string
	in := repeat(t, both, r, func(n *permissionstest.Tenant) (receipt, error) {
		if x.byGroup != "" {
			return n.AddMember(t.Context(), &permissionsv1.AddMemberRequest{OrgId: org, GroupId: x.byGroup, MemberId: x.person})
		}
		out, err := n.Grant(t.Context(), &permissionsv1.GrantRequest{OrgId: org, SubjectId: x.person, TargetId: x.door, IdempotencyKey: key})
		grant = out.GetGrantId()
		return out, err
	})
	for tries := 0; tries < 5; tries++ {
		if got, ok := answered(t, both[r.IntN(2)], x.person, x.door, in); ok {
			if got != granted {
				t.Errorf("let in by %v: %v", in, got)
			}
			break
		}
	}
	out := repeat(t, both, r, func(n *permissionstest.Tenant) (receipt, error) {
		if x.byGroup != "" {
			return n.RemoveMember(t.Context(), &permissionsv1.RemoveMemberRequest{OrgId: org, GroupId: x.byGroup, MemberId: x.person})
		}
		return n.Revoke(t.Context(), &permissionsv1.RevokeRequest{OrgId: org, GrantId: grant})
	})
	x.mu.Lock()
	x.out, x.outFrom = out, time.Now()
	x.mu.Unlock()
	for tries := r.IntN(8); tries > 0; tries-- { // some time for the others to ask
		x.check(t, both[r.IntN(2)], true, time.Hour)
	}
}

// check asks, with the token of an answered end or without it, and says whether the answer was to show that end.
func (x *passage) check(t *testing.T, n *permissionstest.Tenant, withToken bool, maxUnconfirmed time.Duration) bool {
	x.mu.Lock()
	life, out, since := x.life, x.out, time.Since(x.outFrom)
	x.mu.Unlock()
	var atLeast []*typev1.ConsistencyToken
	if out != nil && withToken {
		atLeast = append(atLeast, out)
	}
	got, ok := answered(t, n, x.person, x.door, atLeast...)
	x.mu.Lock()
	defer x.mu.Unlock()
	if !ok || out == nil || x.life != life || !withToken && since < maxUnconfirmed {
		return false
	}
	if got == granted {
		t.Errorf("%s after the end of version %d was answered, with its token %v: let in", since, out.GetVersion(), withToken)
	}
	return true
}

// repeat says a command until it is answered, each time to either instance.
func repeat(t *testing.T, both [2]*permissionstest.Tenant, r *rand.Rand, do func(*permissionstest.Tenant) (receipt, error)) *typev1.ConsistencyToken {
	for deadline := time.Now().Add(30 * time.Second); ; {
		out, err := do(both[r.IntN(2)])
		if err == nil {
			return out.GetToken()
		}
		if !unavailable(err) || time.Now().After(deadline) {
			t.Errorf("a command: %v", err)
			return nil
		}
	}
}

// disturb leaves an instance alone for a while, then takes its database away, or the answers of commits, or the commits.
func disturb(proxy *dbtest.Proxy, r *rand.Rand) {
	time.Sleep(time.Duration(10+r.IntN(40)) * time.Millisecond) // the length of a fault, not a sign of anything
	switch r.IntN(4) {
	case 0:
		proxy.Cut()
	case 1:
		proxy.SetDelay(20 * time.Millisecond)
	default:
		arrives := r.IntN(2) == 0
		proxy.SetTap(func(sent []byte) ([]byte, bool) {
			if !bytes.Contains(bytes.ToLower(sent), []byte("commit")) {
				return sent, false
			}
			if arrives {
				return sent, true
			}
			return nil, true
		})
	}
	time.Sleep(time.Duration(5+r.IntN(30)) * time.Millisecond)
	proxy.SetTap(nil)
	proxy.SetDelay(0)
	proxy.Restore()
}
