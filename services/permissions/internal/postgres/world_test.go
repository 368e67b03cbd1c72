package postgres_test

import (
	"context"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/events"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

const (
	central region.Name = "eu-central"
	west    region.Name = "eu-west"
	us      region.Name = "us-east"
)

// world is a store and one organization in it, asked as the RPC layer asks.
type world struct {
	*postgres.Store
	grants.Commands
	direct *database.DB // to look at the rows, past everything that a test does to the store's connections
	org    region.ID
	site   region.ID
	// ran, if any, is called whenever a command of grant, revoke or member runs.
	ran func()
}

func (w *world) runs() {
	if w.ran != nil {
		w.ran()
	}
}

func newWorld(t testing.TB, db *database.DB) *world {
	w := &world{Commands: grants.Commands{Regions: dbtest.Regions(t)}, direct: db, org: region.NewID(region.Organization, "euc")}
	w.Store = newStore(t, db, nil)
	err := w.Write(t.Context(), w.plan(), func(ctx context.Context, tx grants.Tx) error {
		made, err := w.CreateSite(ctx, tx, central, grants.Site{Org: w.org, Name: "Site", TimeZone: "UTC"})
		w.site = made.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newStore(t testing.TB, db *database.DB, committed func(region.ID, region.Name, int64)) *postgres.Store {
	ring, err := keyring.New([]keyring.Key{{ID: "2026", Secret: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	regions := dbtest.Regions(t)
	return postgres.New(postgres.Config{
		DB: db, Regions: regions, Record: events.Record, Keeper: idempotency.New(ring, nil), Committed: committed,
		Outbox: outbox.New(outbox.Config{Service: postgres.Service, Region: central, Regions: regions, AccessState: true}),
	})
}

func (w *world) plan(reads ...region.ID) grants.Plan {
	return grants.Plan{Org: w.org, Home: central, Reads: reads}
}

func (w *world) door(t testing.TB) (id region.ID) {
	t.Helper()
	err := w.Write(t.Context(), w.plan(w.site), func(ctx context.Context, tx grants.Tx) error {
		made, err := w.CreateDoor(ctx, tx, grants.Door{Org: w.org, Site: w.site, Name: "Door"})
		id = made.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (w *world) group(t testing.TB, home region.Name) (id region.ID) {
	t.Helper()
	err := w.Write(t.Context(), grants.Plan{Org: w.org, Home: home}, func(ctx context.Context, tx grants.Tx) error {
		made, err := w.CreateGroup(ctx, tx, home, grants.Group{Org: w.org, Name: "Group"})
		id = made.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// grant is Grant; an empty key is none.
func (w *world) grant(ctx context.Context, key string, g grants.Grant) (*permissionsv1.GrantResponse, error) {
	g.Org = w.org
	once := idempotency.Key{Region: central, Org: w.org, Caller: "caller", Method: "Grant", Key: key}
	req := &permissionsv1.GrantRequest{TargetId: string(g.Target), SubjectId: string(g.Subject)}
	out := &permissionsv1.GrantResponse{}
	err := w.Create(ctx, once, req, out, func(ctx context.Context, tx grants.Tx) (region.ID, error) {
		w.runs()
		made, err := w.CreateGrant(ctx, tx, g)
		out.GrantId, out.Token = string(made.ID), &typev1.ConsistencyToken{Version: made.Token.Version}
		return made.ID, err
	}, g.Target, g.Subject, g.Schedule)
	return out, err
}

func (w *world) revoke(ctx context.Context, id region.ID) (token grants.Token, err error) {
	err = w.Write(ctx, w.plan(id), func(ctx context.Context, tx grants.Tx) error {
		w.runs()
		token, err = w.Revoke(ctx, tx, w.org, id, time.Time{})
		return err
	})
	return token, err
}

func (w *world) member(ctx context.Context, in bool, group, member region.ID) (token grants.Token, err error) {
	home, err := w.Regions.Home(group)
	if err != nil {
		return token, err
	}
	plan := grants.Plan{Org: w.org, Home: home.Name, Reads: []region.ID{member}, Members: []grants.Membership{{Group: group, Member: member}}}
	err = w.Write(ctx, plan, func(ctx context.Context, tx grants.Tx) error {
		w.runs()
		do := w.AddMember
		if !in {
			do = w.RemoveMember
		}
		token, err = do(ctx, tx, w.org, grants.Membership{Group: group, Member: member}, time.Time{})
		return err
	})
	return token, err
}

func (w *world) head(t testing.TB) (head grants.Head) {
	t.Helper()
	err := w.Read(t.Context(), func(ctx context.Context, r grants.Reader) (err error) {
		head, err = r.Head(ctx, central, w.org)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// count counts rows: from is what comes after FROM.
func (w *world) count(t testing.TB, from string, args ...any) (n int) {
	t.Helper()
	if err := w.direct.Pool().QueryRow(t.Context(), `SELECT count(*) FROM `+from, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// eventually asks until it holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}
