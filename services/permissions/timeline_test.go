package permissions_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// told is one update of a zone: since when it holds, and in the order in which they were recorded.
type told struct {
	version int64
	from    time.Time
	name    string
	doors   []string
}

// Random updates of a zone, most of them late, against the simplest model of two times: of what was recorded until then, the
// last that had begun by the time asked about.
func TestTheRowsOfAZoneTellBothTimes(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	site := tenant.Site(t, "UTC")
	doors := []string{tenant.Door(t, site), tenant.Door(t, site), tenant.Door(t, site)}
	slices.Sort(doors)
	zone := tenant.Zone(t, doors...)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	start := time.Now().Add(-100 * time.Hour).Truncate(time.Second)
	hour := func() time.Time { return start.Add(time.Duration(random.IntN(90)) * time.Hour) }

	history := []told{{tenant.Token.GetVersion(), commitMoment(t, svc, tenant.Token.GetVersion()), "Zone", doors}}
	etag := getZone(t, tenant, zone).GetEtag()
	for range 30 {
		next := told{name: string(rune('A' + random.IntN(3)))}
		for _, d := range doors {
			if random.IntN(2) == 0 {
				next.doors = append(next.doors, d)
			}
		}
		req := &permissionsv1.UpdateZoneRequest{OrgId: string(tenant.Org), ZoneId: zone, Etag: etag, Name: next.name, DoorIds: next.doors}
		if random.IntN(5) > 0 {
			next.from = hour()
			req.EffectiveAt = timestamppb.New(next.from)
		}
		out, err := tenant.UpdateZone(t.Context(), req)
		tenant.Token, etag = must(t, out, err).GetToken(), out.GetZone().GetEtag()
		if next.version = out.GetToken().GetVersion(); next.version == history[len(history)-1].version {
			continue // it changed nothing
		}
		if next.from.IsZero() {
			next.from = commitMoment(t, svc, next.version)
		}
		history = append(history, next)
	}
	for i, known := range history {
		for range 10 {
			at := hour().Add(time.Duration(random.IntN(2)) * 30 * time.Minute)
			wantZoneAt(t, svc, zone, commitMoment(t, svc, known.version), at, history[:i+1])
		}
		wantZoneAt(t, svc, zone, commitMoment(t, svc, known.version), time.Now().Add(time.Hour), history[:i+1])
	}
}

// wantZoneAt compares what the rows say, as known at one time about another, with what was told until then.
func wantZoneAt(t *testing.T, svc *permissionstest.Service, zone string, known, at time.Time, history []told) {
	t.Helper()
	var want told
	for _, h := range history {
		if !h.from.After(at) {
			want = h
		}
	}
	var names, doors []string
	err := svc.Database.DB.Pool().QueryRow(t.Context(), `SELECT
		ARRAY(SELECT name FROM zones WHERE id = $1 AND recorded_at <= $2 AND (superseded_at IS NULL OR superseded_at > $2)
			AND valid_from <= $3 AND (valid_to IS NULL OR valid_to > $3)),
		ARRAY(SELECT door_id FROM zone_doors WHERE zone_id = $1 AND recorded_at <= $2 AND (superseded_at IS NULL OR superseded_at > $2)
			AND valid_from <= $3 AND (valid_to IS NULL OR valid_to > $3) ORDER BY door_id)`, zone, known, at).Scan(&names, &doors)
	if err != nil {
		t.Fatal(err)
	}
	if want.name == "" {
		if len(names)+len(doors) != 0 {
			t.Fatalf("known at %v, at %v there is %q with %q", known, at, names, doors)
		}
		return
	}
	if len(names) != 1 || names[0] != want.name || !slices.Equal(doors, want.doors) {
		t.Fatalf("known at %v, at %v: %q with %q\nwant %q with %q", known, at, names, doors, want.name, want.doors)
	}
}

// commitMoment is the moment of a commit of the only tenant.
func commitMoment(t *testing.T, svc *permissionstest.Service, version int64) (at time.Time) {
	t.Helper()
	row := svc.Database.DB.Pool().QueryRow(t.Context(), `SELECT max(recorded_at) FROM events WHERE org_version = $1`, version)
	if err := row.Scan(&at); err != nil {
		t.Fatal(err)
	}
	return at
}
