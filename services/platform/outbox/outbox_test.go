package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"
)

const (
	central region.Name = "eu-central"
	west    region.Name = "eu-west"
	us      region.Name = "us-east"
)

func newOutbox(t testing.TB) (*database.DB, *outbox.Outbox) {
	db := dbtest.New(t, "permissions", outbox.Migrations)
	return db, outbox.New(outbox.Config{Service: "permissions", Region: central, Regions: dbtest.Regions(t), AccessState: true})
}

// commit runs fill in a transaction for org at home.
func commit(t testing.TB, db *database.DB, ob *outbox.Outbox, home region.Name, org region.ID, fill func(*outbox.Commit)) *typev1.ConsistencyToken {
	t.Helper()
	token, err := tryCommit(t.Context(), db, ob, home, org, fill)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func tryCommit(ctx context.Context, db *database.DB, ob *outbox.Outbox, home region.Name, org region.ID, fill func(*outbox.Commit)) (token *typev1.ConsistencyToken, err error) {
	err = db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		c, err := ob.Begin(ctx, tx, home, org)
		if err != nil {
			return err
		}
		fill(c)
		token, err = c.Flush(ctx)
		return err
	})
	return token, err
}

func newOrg() region.ID  { return region.NewID(region.Organization, "euc") }
func newDoor() region.ID { return region.NewID(region.Door, "euc") }

func text(s string) *wrapperspb.StringValue { return wrapperspb.String(s) }

type outboxRow struct {
	Target, Org string
	OrgVersion  int64
	Ordinal     int
	What, Name  string
	FactVersion int64
	Removed     bool
}

func outboxRows(t testing.TB, db *database.DB) []outboxRow {
	t.Helper()
	rows, err := db.Pool().Query(t.Context(), `SELECT target, org, org_version, ordinal, what, name, fact_version, removed FROM outbox
		ORDER BY target, org, org_version, ordinal`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[outboxRow])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestACommitWritesRemovalsFactsHeadEventsCallsForEachTarget(t *testing.T) {
	db, ob := newOutbox(t)
	org, door := newOrg(), newDoor()
	token := commit(t, db, ob, central, org, func(c *outbox.Commit) {
		c.Call(us, "/x/Follow", text("follow"))
		c.Event(outbox.Event{Stream: door, Kind: "door_created", Payload: text("a door")})
		c.Put(outbox.OrgKey(org, "door", door), text("fact"))
		c.RemoveAt(7, outbox.OrgKey(org, "old", door))
	})
	if token.GetService() != "permissions" || token.GetRegion() != "eu-central" || token.GetOrgId() != string(org) || token.GetVersion() != 1 {
		t.Fatalf("token %v", token)
	}
	var got []string
	for _, r := range outboxRows(t, db) {
		name := r.Name
		if r.What == "event" {
			name = "-"
		}
		got = append(got, fmt.Sprintf("%s %s %s v%d %v", r.Target, r.What, name, r.FactVersion, r.Removed))
	}
	o := string(org)
	want := []string{
		"eu-central state " + o + ".org.old." + string(door) + " v7 true",
		"eu-central state " + o + ".org.door." + string(door) + " v1 false",
		"eu-central state " + o + ".head.permissions.eu-central v1 false",
		"eu-central event - v0 false",
		"eu-west state " + o + ".org.old." + string(door) + " v7 true",
		"eu-west state " + o + ".org.door." + string(door) + " v1 false",
		"eu-west state " + o + ".head.permissions.eu-central v1 false",
		"us-east call /x/Follow v0 false",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("rows\n%q\nwant\n%q", got, want)
	}
}

func TestVersionsHaveNoGapsAndTimeNeverGoesBack(t *testing.T) {
	db, ob := newOutbox(t)
	rapid.Check(t, func(rt *rapid.T) {
		orgs := []region.ID{newOrg(), newOrg()}
		doors := []region.ID{newDoor(), newDoor(), newDoor()}
		streams := rapid.SliceOfN(rapid.IntRange(0, 8), 1, 12).Draw(rt, "commits")
		var wg sync.WaitGroup
		heads := map[region.ID]int64{}
		for i, s := range streams {
			org := orgs[s%2]
			fails := s == 8 // this one rolls back: its version must be used again
			if !fails {
				heads[org]++
			}
			wg.Go(func() {
				_, err := tryCommit(t.Context(), db, ob, []region.Name{central, west}[s%2], org, func(c *outbox.Commit) {
					if fails {
						c.Put("not a key", nil)
					}
					for range i%3 + 1 {
						c.Event(outbox.Event{Stream: doors[s%3] + region.ID(fmt.Sprint(s%2)), Kind: "door_changed", Payload: text("x")})
					}
				})
				if (err != nil) != fails {
					rt.Errorf("commit: %v", err)
				}
			})
		}
		wg.Wait()
		for i, org := range orgs {
			checkHistory(rt, t.Context(), db, []region.Name{central, west}[i], org, heads[org])
		}
	})
}

// checkHistory holds the log against its promises.
func checkHistory(t *rapid.T, ctx context.Context, db *database.DB, home region.Name, org region.ID, head int64) {
	rows, err := db.Pool().Query(ctx, `SELECT stream, version, org_version, recorded_at FROM events WHERE region = $1 AND org = $2
		ORDER BY org_version, stream, version`, home, org)
	if err != nil {
		t.Fatal(err)
	}
	var stream string
	var version, orgVersion, lastOrg int64
	var at, lastAt time.Time
	streams := map[string]int64{}
	_, err = pgx.ForEachRow(rows, []any{&stream, &version, &orgVersion, &at}, func() error {
		if streams[stream]++; version != streams[stream] {
			t.Errorf("stream %s: version %d, want %d", stream, version, streams[stream])
		}
		if orgVersion != lastOrg && orgVersion != lastOrg+1 {
			t.Errorf("organization's version %d after %d", orgVersion, lastOrg)
		}
		if orgVersion == lastOrg+1 && !at.After(lastAt) || orgVersion == lastOrg && !at.Equal(lastAt) {
			t.Errorf("recorded_at %v of version %d, %v of version %d", at, orgVersion, lastAt, lastOrg)
		}
		lastOrg, lastAt = orgVersion, at
		return nil
	})
	if err != nil || lastOrg != head {
		t.Fatalf("last version %d, want %d (%v)", lastOrg, head, err)
	}
}

func TestRecordedAtNeverGoesBackWhenTheClockDoes(t *testing.T) {
	db, ob := newOutbox(t)
	org := newOrg()
	commit(t, db, ob, central, org, func(*outbox.Commit) {})
	var ahead time.Time
	err := db.Pool().QueryRow(t.Context(), `UPDATE org_heads SET recorded_at = recorded_at + INTERVAL '1 hour' RETURNING recorded_at`).Scan(&ahead)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, db, ob, central, org, func(c *outbox.Commit) {
		if !c.RecordedAt.After(ahead) {
			t.Errorf("recorded_at %v, the head's was %v", c.RecordedAt, ahead)
		}
	})
}

func TestFreshWaitsForTheTokensCommit(t *testing.T) {
	db, ob := newOutbox(t)
	org := newOrg()
	token := commit(t, db, ob, central, org, func(*outbox.Commit) {})
	ahead := &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: string(org), Version: 2}
	fresh := func(tokens ...*typev1.ConsistencyToken) error {
		return db.Read(t.Context(), func(ctx context.Context, tx pgx.Tx) error { return ob.Fresh(ctx, tx, tokens) })
	}
	others := []*typev1.ConsistencyToken{
		{Service: "identity", Region: "eu-central", OrgId: string(org), Version: 9},
		{Service: "permissions", Region: "us-east", OrgId: string(org), Version: 9},
		{Service: "permissions", Region: "nowhere", OrgId: string(org), Version: 9},
		nil,
	}
	if err := fresh(append(others, token)...); err != nil {
		t.Fatalf("a token of what is there: %v", err)
	}
	if err := fresh(token, ahead); !errors.Is(err, outbox.ErrNotFresh) {
		t.Fatalf("a token ahead: %v", err)
	}
}

func TestOnceIsTrueOnce(t *testing.T) {
	db, ob := newOutbox(t)
	once := func(consumer, id string, fail error) (first bool) {
		err := db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) (err error) {
			if first, err = ob.Once(ctx, tx, central, consumer, id); err != nil {
				return err
			}
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
		return first
	}
	if !once("a", "1", errors.New("rolled back")) || !once("a", "1", nil) || once("a", "1", nil) || !once("b", "1", nil) || !once("a", "2", nil) {
		t.Fatal("an event must count once for each consumer, and not at all when its transaction rolls back")
	}
}

func TestMistakesAreReportedAndNothingIsWritten(t *testing.T) {
	db, ob := newOutbox(t)
	org, door := newOrg(), newDoor()
	for name, fill := range map[string]func(*outbox.Commit){
		"key with a space":  func(c *outbox.Commit) { c.Put("a b.c.d", nil) },
		"key with wildcard": func(c *outbox.Commit) { c.Remove("a.*.d") },
		"kind with a dot":   func(c *outbox.Commit) { c.Event(outbox.Event{Stream: door, Kind: "a.b"}) },
		"no stream":         func(c *outbox.Commit) { c.Event(outbox.Event{Kind: "a"}) },
		"unknown target":    func(c *outbox.Commit) { c.Call("nowhere", "/x/Y", nil) },
		"too large": func(c *outbox.Commit) {
			c.Event(outbox.Event{Stream: door, Kind: "a", Payload: text(string(make([]byte, 1<<20)))})
		},
	} {
		if _, err := tryCommit(t.Context(), db, ob, central, org, fill); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if rows := outboxRows(t, db); len(rows) != 0 {
		t.Fatalf("%d rows were written", len(rows))
	}
	if _, err := tryCommit(t.Context(), db, ob, us, org, func(*outbox.Commit) {}); err == nil {
		t.Fatal("a commit at home in another jurisdiction was accepted")
	}
}

func TestTheServiceMayNotChangeItsEvents(t *testing.T) {
	db, ob := newOutbox(t)
	commit(t, db, ob, central, newOrg(), func(c *outbox.Commit) {
		c.Event(outbox.Event{Stream: newDoor(), Kind: "door_created", Payload: text("x")})
	})
	for _, sql := range []string{`UPDATE events SET kind = 'x'`, `DELETE FROM events`, `TRUNCATE events`} {
		if _, err := db.Pool().Exec(t.Context(), sql); err == nil {
			t.Errorf("%s was allowed", sql)
		}
	}
}
