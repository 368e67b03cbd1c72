package cluster_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// A burst is so many writers, each making so many grants, one after the other.
const (
	burstWriters = 4
	burstGrants  = 12
)

// burst is writers that make grants at the same time. Each repeats a call with the same idempotency key until it is
// answered, now at the home region, now at its neighbour, as a careful client does.
type burst struct {
	n    *tenant
	name string
	end  context.CancelFunc

	mu       sync.Mutex
	progress chan struct{}     // closed and replaced with each answer; mu guards it
	made     map[string]string // id by key
	refusals map[string]int    // what was answered instead, for the log

	writers sync.WaitGroup
}

func (n *tenant) startBurst() *burst {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 60*time.Second)
	n.t.Cleanup(cancel)
	b := &burst{
		n: n, name: n.t.Name(), end: cancel, progress: make(chan struct{}), made: map[string]string{}, refusals: map[string]int{},
	}
	for w := range burstWriters {
		b.writers.Go(func() {
			for g := range burstGrants {
				b.make(ctx, b.key(w, g))
			}
		})
	}
	return b
}

func (b *burst) key(writer, grant int) string { return fmt.Sprintf("%s %d %d", b.name, writer, grant) }

func (b *burst) total() int { return burstWriters * burstGrants }

func (b *burst) make(ctx context.Context, key string) {
	for try := 0; ctx.Err() == nil; try++ {
		at := []region.Name{euCentral, euWest}[try%2]
		answer, err := b.n.permissions(at).Grant(ctx, grantRequest(b.n.org, b.n.door, b.n.person.id, key))
		b.mu.Lock()
		if err == nil {
			b.made[key] = answer.GrantId
			b.n.note(answer)
			close(b.progress)
			b.progress = make(chan struct{})
			b.mu.Unlock()
			return
		}
		b.refusals[err.Error()]++
		b.mu.Unlock()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// until waits until so many are answered.
func (b *burst) until(count int) {
	b.n.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		b.mu.Lock()
		made, progress := len(b.made), b.progress
		b.mu.Unlock()
		if made >= count {
			return
		}
		select {
		case <-progress:
		case <-timeout:
			b.n.t.Fatalf("only %d of %d grants are answered; refusals: %v", made, count, b.refusals)
		}
	}
}

// finish waits for the writers. Every acknowledged grant must be there, once: asked again with its key it is the same, it
// can be revoked, and the ledger has it once, and no other.
func (b *burst) finish() {
	n := b.n
	n.t.Helper()
	b.writers.Wait()
	b.end()
	n.t.Logf("answers other than a grant: %v", b.refusals)
	if len(b.made) != b.total() {
		n.t.Fatalf("%d of %d grants were made", len(b.made), b.total())
	}
	keys := map[string]string{}
	for key, id := range b.made {
		if other, doubled := keys[id]; doubled {
			n.t.Fatalf("%s is the grant of %q and of %q", id, other, key)
		}
		keys[id] = key
		again, err := n.permissions(euCentral).Grant(n.t.Context(), grantRequest(n.org, n.door, n.person.id, key))
		must(n.t, err)
		if again.GrantId != id {
			n.t.Fatalf("key %q: first %s, now %s", key, id, again.GrantId)
		}
		if _, err := n.permissions(euCentral).Revoke(n.t.Context(), &permissionsv1.RevokeRequest{OrgId: n.org, GrantId: id}); err != nil {
			n.t.Fatalf("the grant of key %q: %v", key, err)
		}
	}
	n.eventually(20*time.Second, "each grant once in the ledger", func() error {
		if held := n.grantsInLedger(); !maps.Equal(held, n.grants) {
			return fmt.Errorf("%d ids in the ledger, %d were made: %v", len(held), len(n.grants), held)
		}
		return nil
	})
}

// grantsInLedger counts the grants that the ledger of eu-central says were made, by id.
func (n *tenant) grantsInLedger() map[string]int {
	n.t.Helper()
	count := map[string]int{}
	for token := ""; ; {
		page, err := n.audit(euCentral).QueryEvents(n.t.Context(), &auditv1.QueryEventsRequest{
			OrgId: n.org, Region: string(euCentral), Kind: "grant_created", PageSize: 1000, PageToken: token,
		})
		must(n.t, err)
		for _, e := range page.Events {
			count[e.Event.Stream]++
		}
		if token = page.NextPageToken; token == "" {
			return count
		}
	}
}
