package permissions_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// beginning is the checkpoint before the first commit.
func beginning(org region.ID) *typev1.ConsistencyToken {
	return &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: string(org)}
}

func watchRequest(org region.ID, after *typev1.ConsistencyToken, wait time.Duration) *permissionsv1.WatchRequest {
	return &permissionsv1.WatchRequest{OrgId: string(org), Region: "eu-central", Checkpoint: after, Wait: durationpb.New(wait)}
}

// Three write, one watches from another instance, in small pieces, is cut again and again and resumes.
func TestAWatcherThatIsCutSeesEveryEventOnceInOrder(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	svc := permissionstest.Start(t, mesh, central)
	other := permissionstest.StartWith(t, mesh, central, permissionstest.Options{Database: svc.Database, Publisher: svc.Broker})
	org := svc.Tenant(t, central).Org
	var writing sync.WaitGroup
	for range 3 {
		writer := svc.TenantOf(org, central)
		writing.Go(func() {
			site := writer.Site(t, "UTC")
			for range 8 {
				writer.Zone(t, writer.Door(t, site))
				writer.Take(t, writer.Group(t, writer.Person(t)), writer.Person(t)) // a call that changes nothing
			}
		})
	}
	written := make(chan struct{})
	go func() {
		writing.Wait()
		close(written)
	}()

	watcher := other.TenantOf(org, central)
	at, cuts := beginning(org), 0
	var got []*typev1.Event
	for done := false; ; {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if rand.IntN(2) == 0 {
			time.AfterFunc(rand.N(20*time.Millisecond), cancel)
		}
		req := watchRequest(org, at, 300*time.Millisecond)
		req.MaxEvents = rand.Int32N(5) + 1
		out, err := watcher.Watch(ctx, req)
		cancel()
		switch {
		case connect.CodeOf(err) == connect.CodeCanceled:
			cuts++
			continue
		case err != nil:
			t.Fatal(err)
		}
		got, at = append(got, out.GetEvents()...), out.GetCheckpoint()
		if done && len(out.GetEvents()) == 0 && !out.GetMore() {
			break
		}
		select {
		case <-written:
			done = true
		default:
		}
	}
	want := publishedOf(t, svc, org)
	if !slices.EqualFunc(got, want, func(a, b *typev1.Event) bool { return proto.Equal(a, b) }) {
		t.Fatalf("watched %d events, %d were committed, or their order differs", len(got), len(want))
	}
	if cuts == 0 || len(want) < 3*(1+8*4) {
		t.Fatalf("cut %d times, %d events: this proves nothing", cuts, len(want))
	}
}

// publishedOf waits until all events were published and returns them in the order of commits.
func publishedOf(t *testing.T, svc *permissionstest.Service, org region.ID) []*typev1.Event {
	t.Helper()
	rows, err := svc.Database.DB.Pool().Query(t.Context(),
		`SELECT id FROM events WHERE region = 'eu-central' AND org = $1 ORDER BY org_version, id`, org)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var events []*typev1.Event
	svc.Broker.Wait(t, "all events", func() bool {
		events = slices.DeleteFunc(svc.Broker.Events(""), func(e *typev1.Event) bool { return e.GetOrgId() != string(org) })
		return len(events) >= len(ids)
	})
	for i, e := range events {
		if e.GetId() != ids[i] {
			t.Fatalf("event %d was published as %s, committed as %s", i, e.GetId(), ids[i])
		}
	}
	return events
}

func TestWatchWaitsForTheNextCommit(t *testing.T) {
	t.Parallel()
	mesh := rpctest.New(t)
	svc := permissionstest.Start(t, mesh, central)
	other := permissionstest.StartWith(t, mesh, central, permissionstest.Options{Database: svc.Database, Publisher: svc.Broker})
	for name, where := range map[string]*permissionstest.Service{"of this instance": svc, "of another instance": other} {
		t.Run(name, func(t *testing.T) {
			tenant := svc.Tenant(t, central)
			tenant.Site(t, "UTC")
			now, err := tenant.Watch(t.Context(), watchRequest(tenant.Org, nil, 0))
			if err != nil || len(now.GetEvents()) != 0 || !proto.Equal(now.GetCheckpoint(), tenant.Token) {
				t.Fatalf("without a checkpoint: %v, %v; the head is %v", now, err, tenant.Token)
			}
			type answer struct {
				out *permissionsv1.WatchResponse
				err error
			}
			answers := make(chan answer, 1)
			watcher := where.TenantOf(tenant.Org, central)
			go func() {
				req := watchRequest(tenant.Org, now.GetCheckpoint(), 20*time.Second)
				req.Kinds = []string{"group_created"}
				out, err := watcher.Watch(t.Context(), req)
				answers <- answer{out, err}
			}()
			tenant.Site(t, "UTC") // of another kind
			group := tenant.Group(t)
			a := <-answers
			if a.err != nil || len(a.out.GetEvents()) != 1 || a.out.GetEvents()[0].GetStream() != group {
				t.Fatalf("%v, %v", a.out, a.err)
			}
			if !proto.Equal(a.out.GetCheckpoint(), tenant.Token) || a.out.GetMore() {
				t.Errorf("checkpoint %v, more %v; the head is %v", a.out.GetCheckpoint(), a.out.GetMore(), tenant.Token)
			}
		})
	}
}

func TestWatchNeverSplitsACommit(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	store := storeOf(svc)
	for range 2 {
		err := store.Write(t.Context(), grants.Plan{Org: tenant.Org, Home: central}, func(ctx context.Context, tx grants.Tx) error {
			c, err := tx.Commit(ctx, central, tenant.Org)
			for range 3 {
				id := region.NewID(region.Group, "euc")
				err = first(err, c.Record(grants.GroupCreated{Group: grants.Group{ID: id, Org: tenant.Org, Name: "Group"}}))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	req := watchRequest(tenant.Org, beginning(tenant.Org), 0)
	for _, c := range []struct {
		max  int32
		want int
		more bool
	}{{1, 3, true}, {3, 3, true}, {4, 6, false}, {0, 6, false}} {
		req.MaxEvents = c.max
		out, err := tenant.Watch(t.Context(), req)
		if err != nil || len(out.GetEvents()) != c.want || out.GetMore() != c.more || out.GetCheckpoint().GetVersion() != int64(c.want/3) {
			t.Errorf("at most %d: %d events, more %v, checkpoint %v, %v", c.max, len(out.GetEvents()), out.GetMore(), out.GetCheckpoint(), err)
		}
	}
}

func TestWatchFiltersKinds(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	group := tenant.Group(t)
	tenant.Let(t, group, tenant.Door(t, tenant.Site(t, "UTC")), "")
	req := watchRequest(tenant.Org, beginning(tenant.Org), 0)
	req.Kinds, req.MaxEvents = []string{"group_created", "grant_created"}, 1
	first, err := tenant.Watch(t.Context(), req)
	if err != nil || len(first.GetEvents()) != 1 || !first.GetMore() || first.GetCheckpoint().GetVersion() != first.GetEvents()[0].GetOrgVersion() {
		t.Fatalf("%v, %v", first, err)
	}
	req.Checkpoint = first.GetCheckpoint()
	second, err := tenant.Watch(t.Context(), req)
	if err != nil || len(second.GetEvents()) != 1 || second.GetEvents()[0].GetKind() != "grant_created" || second.GetMore() {
		t.Fatalf("%v, %v", second, err)
	}
	req.Checkpoint = second.GetCheckpoint()
	if last, err := tenant.Watch(t.Context(), req); err != nil || len(last.GetEvents()) != 0 || !proto.Equal(last.GetCheckpoint(), tenant.Token) {
		t.Fatalf("%v, %v", last, err)
	}
}

func TestCheckpointsThatCannotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant, stranger := svc.Tenant(t, central), svc.Tenant(t, central)
	tenant.Site(t, "UTC")
	stranger.Site(t, "UTC")
	with := func(change func(*typev1.ConsistencyToken)) *typev1.ConsistencyToken {
		token := proto.CloneOf(tenant.Token)
		change(token)
		return token
	}
	for name, c := range map[string]struct {
		at   *typev1.ConsistencyToken
		want faultv1.Reason
	}{
		"ahead of the head":       {with(func(c *typev1.ConsistencyToken) { c.Version++ }), faultv1.Reason_REASON_NOT_FRESH_ENOUGH},
		"another organization's":  {stranger.Token, faultv1.Reason_REASON_INVALID_FIELD},
		"another region's":        {with(func(c *typev1.ConsistencyToken) { c.Region = "eu-west" }), faultv1.Reason_REASON_INVALID_FIELD},
		"another service's":       {with(func(c *typev1.ConsistencyToken) { c.Service = "identity" }), faultv1.Reason_REASON_INVALID_FIELD},
		"before the first commit": {with(func(c *typev1.ConsistencyToken) { c.Version = -1 }), faultv1.Reason_REASON_INVALID_FIELD},
	} {
		if _, err := tenant.Watch(t.Context(), watchRequest(tenant.Org, c.at, time.Second)); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
