package cluster_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/deploy/local/internal/cluster"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

var (
	chaosRounds = flag.Int("chaos.rounds", 1, "how many `rounds` TestChaos plays, each of some seconds")
	chaosSeed   = flag.Uint64("chaos.seed", 0, "which parts TestChaos kills when; 0: chosen by the clock")
)

// victim is a program that is killed.
type victim struct {
	program string
	of      region.Name
}

func (v victim) String() string { return v.program + " of " + string(v.of) }

// TestChaos kills any programs of any regions together, and now and then PostgreSQL, while grants are made and cards are
// presented in two jurisdictions without a pause. When all are back, every acknowledged grant is there once, commits
// become enforced, and every swipe is once in its ledger.
func TestChaos(t *testing.T) {
	t.Parallel()
	state := newState(t)
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-chaos.seed=%d -chaos.rounds=%d", seed, *chaosRounds)
	var out bytes.Buffer
	c, err := cluster.Start(t.Context(), cluster.Options{State: state}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	defer c.Stop()
	n := newTenant(t, c)
	defer func() { n.lock.off(); n.usLock.off() }()
	stop := n.swipeOn()
	defer stop()
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range *chaosRounds {
		ok := t.Run(fmt.Sprint("round ", i+1), func(t *testing.T) {
			defer func(outer *testing.T) { n.t = outer }(n.t)
			n.t = t
			n.chaosRound(r)
		})
		if !ok {
			return
		}
	}
	stop()
	n.wait(30*time.Second, n.lock.WaitDurable)
	n.wait(30*time.Second, n.usLock.WaitDurable)
	n.everySwipeOnce()
	t.Logf("%d swipes in eu, %d opened; %d in us, %d opened",
		len(n.swipes[euCentral]), n.lock.Opened(), len(n.swipes[usEast]), n.usLock.Opened())
}

// swipeOn presents the person's card at both doors until it is stopped. A gateway may be gone, but one that answers opens.
func (n *tenant) swipeOn() (stop func()) {
	t, end, refused := n.t, make(chan struct{}), make(chan string, 100_000)
	var swiping sync.WaitGroup
	for _, l := range []*lock{n.lock, n.usLock} {
		swiping.Go(func() {
			for {
				select {
				case <-end:
					return
				case <-time.After(20 * time.Millisecond):
					if got := n.swipe(l, n.person); got.Answered && !got.Granted {
						refused <- fmt.Sprintf("%s refuses, reason %d", l.home, got.Reason)
					}
				}
			}
		})
	}
	return sync.OnceFunc(func() {
		close(end)
		swiping.Wait()
		close(refused)
		for why := range refused {
			t.Error(why)
		}
	})
}

func (n *tenant) chaosRound(r *rand.Rand) {
	b := n.startBurst()
	victims := someVictims(r)
	database, outage := r.IntN(3) == 0, time.Duration(r.IntN(3000))*time.Millisecond
	n.t.Logf("for %s: %v, database: %t", outage, victims, database)
	for _, v := range victims {
		n.kill(v.program, v.of)
	}
	if database {
		must(n.t, n.cluster.KillDatabase("eu"))
	}
	<-time.After(outage)
	if database { // first: a service is ready only with it
		must(n.t, n.cluster.StartDatabase(n.t.Context(), "eu"))
	}
	for _, v := range victims {
		n.restart(v.program, v.of)
	}
	b.finish()
	n.mustBeEnforced(n.grant(euCentral, n.door, n.person.id))
	n.mustBeEnforced(n.removeMember(n.leaver))
	n.mustBeEnforced(n.addMember(n.leaver))
}

// someVictims are one to four different programs.
func someVictims(r *rand.Rand) []victim {
	var all []victim
	for _, program := range []string{"identity", "permissions", "device-gateway", "audit", cluster.Broker} {
		for _, of := range []region.Name{euCentral, euWest, usEast} {
			all = append(all, victim{program, of})
		}
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+r.IntN(4)]
}
