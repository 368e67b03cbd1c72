package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// store is a broker whose buckets can be lost. It notes every head that comes into a bucket before what it speaks for.
type store struct {
	*broker
	lives map[region.Name]int
	away  map[region.Name]bool
	// whole is what each bucket had when it was lost.
	whole map[region.Name]map[string]*typev1.StateRecord
}

func newStore() *store {
	return &store{broker: newBroker(), lives: map[region.Name]int{}, away: map[region.Name]bool{}, whole: map[region.Name]map[string]*typev1.StateRecord{}}
}

func (s *store) BucketIncarnation(_ context.Context, target region.Name, bucket string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away[target] {
		return "", errBroker
	}
	return fmt.Sprint(bucket, s.lives[target]), nil
}

func (s *store) PutState(ctx context.Context, target region.Name, bucket, key string, rec *typev1.StateRecord) error {
	s.mu.Lock()
	if s.away[target] {
		s.mu.Unlock()
		return errBroker
	}
	org, _, isHead := strings.Cut(key, ".head.")
	for had := range s.whole[target] {
		if isHead && strings.HasPrefix(had, bucket+" "+org+".org.") && s.facts[had] == nil {
			s.wrong = append(s.wrong, fmt.Sprintf("the head of %s came before %s", org, had))
		}
	}
	s.mu.Unlock()
	return s.broker.PutState(ctx, target, bucket, key, rec)
}

func (s *store) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sends
}

// lose makes a region's bucket anew and returns what it had.
func (s *store) lose(target region.Name) map[string]*typev1.StateRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := map[string]*typev1.StateRecord{}
	for key, rec := range s.facts {
		if strings.HasPrefix(key, outbox.Bucket(target, 0)+" ") {
			had[key] = rec
			delete(s.facts, key)
		}
	}
	s.lives[target]++
	s.whole[target] = had
	return had
}

func (s *store) has(want map[string]*typev1.StateRecord) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, rec := range want {
		if got := s.facts[key]; got.GetVersion() < rec.GetVersion() || got.GetVersion() == rec.GetVersion() && !proto.Equal(stateOf(got), stateOf(rec)) {
			return false
		}
	}
	return true
}

// stateOf is a record without the trace of the commit that first sent it.
func stateOf(rec *typev1.StateRecord) *typev1.StateRecord {
	return &typev1.StateRecord{Version: rec.GetVersion(), Removed: rec.GetRemoved(), Body: rec.GetBody()}
}

func TestALostBucketIsFilledAgain(t *testing.T) {
	db, ob := newOutbox(t)
	s := newStore()
	cfg := outbox.RelayConfig{DB: db, Outbox: ob, Publisher: s, Caller: s, Look: 20 * time.Millisecond}
	startRelay(t, cfg)
	orgs := []region.ID{newOrg(), newOrg(), newOrg()}
	key := func(org region.ID, n int) string { return outbox.OrgKey(org, "door", region.ID(fmt.Sprint("door", n))) }
	for i := range 30 {
		commit(t, db, ob, central, orgs[i%3], func(c *outbox.Commit) {
			c.Put(key(c.Org, i%12), text(fmt.Sprint(i)))
			c.PutAt(int64(100+i), key(c.Org, 20), text(fmt.Sprint(i))) // of another home
			if i%5 == 0 {
				c.Remove(key(c.Org, (i+3)%12))
			}
		})
	}
	waitSent(t, db)
	for _, target := range []region.Name{west, central, west} {
		had := s.lose(target)
		if len(had) < 3*5 {
			t.Fatalf("the bucket of %s had only %d keys", target, len(had))
		}
		// What is written meanwhile must not come before what was lost.
		for _, org := range orgs {
			commit(t, db, ob, central, org, func(c *outbox.Commit) { c.Put(key(c.Org, 1), text("later")) })
		}
		wait(t, "everything to be back in "+string(target), func() bool { return s.has(had) })
		waitSent(t, db)
		if f := s.fact(target, key(orgs[0], 1)); f.GetVersion() < had[outbox.Bucket(target, 0)+" "+key(orgs[0], 1)].GetVersion()+1 {
			t.Fatalf("what was written later is gone: %v", f)
		}
	}
	s.check(t)
	before := s.sent()
	startRelay(t, cfg) // another process knows that the buckets are full
	commit(t, db, ob, central, orgs[0], func(*outbox.Commit) {})
	waitSent(t, db)
	if n := s.sent() - before; n > 8 {
		t.Errorf("%d sends for one commit: the buckets were filled again", n)
	}
}

func TestABucketIsFilledWithWhatItsHomeDoesNotHaveYet(t *testing.T) {
	db, ob := newOutbox(t)
	s := newStore()
	org := newOrg()
	startRelay(t, outbox.RelayConfig{DB: db, Outbox: ob, Publisher: s, Caller: s, Look: 20 * time.Millisecond})
	commit(t, db, ob, central, org, func(c *outbox.Commit) { c.Put(outbox.OrgKey(org, "door", "a"), text("a")) })
	waitSent(t, db)
	s.mu.Lock()
	s.away[central] = true
	s.mu.Unlock()
	commit(t, db, ob, central, org, func(c *outbox.Commit) {
		c.Put(outbox.OrgKey(org, "door", "b"), text("b"))
		c.Remove(outbox.OrgKey(org, "door", "a"))
	})
	wait(t, "the neighbour to have it", func() bool { return s.fact(west, outbox.OrgKey(org, "door", "b")) != nil })
	had := s.lose(west)
	wait(t, "everything to be back", func() bool {
		return s.has(had) && s.fact(west, outbox.HeadKey(org, "permissions", central)).GetVersion() == 2
	})
	if !s.fact(west, outbox.OrgKey(org, "door", "a")).GetRemoved() {
		t.Fatal("a removal is missing: a late write would bring the fact back")
	}
	s.check(t)
}

func TestARealBucketThatIsGoneIsMadeAndFilled(t *testing.T) {
	db, ob := newOutbox(t)
	server := bustest.Start(t)
	broker := server.Connect(t)
	startRelay(t, outbox.RelayConfig{DB: db, Outbox: ob, Publisher: oneRegion{broker}, Caller: newBroker(), Look: 20 * time.Millisecond})
	org := newOrg()
	keys := map[string]bool{outbox.HeadKey(org, "permissions", central): true}
	for n := range 20 {
		key := outbox.OrgKey(org, "door", region.ID(fmt.Sprint("door", n)))
		keys[key] = true
		commit(t, db, ob, central, org, func(c *outbox.Commit) { c.Put(key, text("fact")) })
	}
	bucket := bus.AccessBucket(central, 0)
	missing := func() bool {
		left := maps.Clone(keys)
		for key := range keys {
			if v, err := broker.GetValue(t.Context(), central, bucket, key); err == nil && v.Revision > 0 {
				delete(left, key)
			}
		}
		return len(left) > 0
	}
	wait(t, "the facts", func() bool { return !missing() })
	server.Lose(t, bucket)
	wait(t, "the facts in the new bucket", func() bool { return !missing() })
}

// oneRegion is a broker that has no neighbours: what goes to them waits.
type oneRegion struct{ *bus.Bus }

func (o oneRegion) PutState(ctx context.Context, target region.Name, bucket, key string, rec *typev1.StateRecord) error {
	if target != o.Region() {
		return errors.New("no neighbours")
	}
	return o.Bus.PutState(ctx, target, bucket, key, rec)
}

func (o oneRegion) BucketIncarnation(ctx context.Context, target region.Name, bucket string) (string, error) {
	if target != o.Region() {
		return "", errors.New("no neighbours")
	}
	return o.Bus.BucketIncarnation(ctx, target, bucket)
}
