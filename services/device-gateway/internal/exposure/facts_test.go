package exposure

import (
	"context"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundle"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/durationpb"
)

// facts are an access state of one organization and the records of its locks; the last commit is of version 9.
type facts struct {
	behind  bool
	reached []access.Reached
	// takenElse is the last version of another service that took something away.
	takenElse int64
	// compiled is what the lock would get now.
	compiled access.OfflineBundle
	records  map[string]bundlestate.Record
	broken   error
	// settled: memory has what was written; elsewhere counts the reads at other regions.
	settled   bool
	elsewhere int
	changed   chan struct{}
	// revoked are devices that locks no longer speak for.
	revoked []string
	// paused is called whenever somebody begins to look.
	paused func()
}

const (
	source = "permissions.eu-central"
	here   = region.Name("eu-central")
)

func (f *facts) Head(string, string) (int64, bool)       { return 9, !f.behind }
func (f *facts) Reached(string, string) []access.Reached { return f.reached }
func (f *facts) AllTakenAway(string, string) map[string]int64 {
	taken := map[string]int64{"identity.eu-central": f.takenElse}
	if len(f.reached) > 0 {
		taken[source] = f.reached[0].Taken
	}
	return taken
}
func (f *facts) OfflineRule(string, string) *permissionsv1.OfflineRule { return nil }
func (f *facts) Stamp(string, string) uint64                           { return f.compiled.Stamp }
func (f *facts) Bundle(string, time.Time) (access.OfflineBundle, bool) { return f.compiled, true }
func (f *facts) Device(string) (d access.Device, known, removed bool) {
	return access.Device{}, true, false
}
func (f *facts) Revoked(string) []string                                { return f.revoked }
func (f *facts) Settle(context.Context) error                           { f.settled = true; return f.broken }
func (f *facts) Known(d bundlestate.Device) (bundlestate.Record, error) { return f.records[d.ID], nil }

func (f *facts) Read(_ context.Context, d bundlestate.Device) (bundlestate.Record, error) {
	f.elsewhere++
	return f.records[d.ID], f.broken
}

func (f *facts) Devices(string) (all []string) {
	for id := range f.records {
		if region.ID(id).Code() == "euc" {
			all = append(all, id)
		}
	}
	return all
}

func (f *facts) Changed() <-chan struct{} {
	if f.paused != nil {
		f.paused()
	}
	return f.changed
}

var (
	now   = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	until = now.Add(time.Hour)
	door  = "door_euc_1"
	hash  = bundle.Content{Hash: [32]byte{1}}
)

// lock is at the door; grants ended there at version 7, and what it confirmed is of version 5.
func lock() (*facts, string) {
	id := string(region.NewID(region.Device, "euc"))
	return &facts{
		reached: []access.Reached{{
			Device: id, Door: door, Taken: 7, Rule: &permissionsv1.OfflineRule{Budget: durationpb.New(time.Hour)},
		}},
		compiled: access.OfflineBundle{Allowed: true, Stamp: 3, Content: bundle.Content{Hash: [32]byte{2}}, NotAfter: until},
		records:  map[string]bundlestate.Record{id: confirmed(5)},
		changed:  make(chan struct{}),
	}, id
}

// confirmed is a record of a lock that holds what was made from a version.
func confirmed(version int64) bundlestate.Record {
	c := bundlestate.Content{Hash: hash.Hash, Issued: until.Add(-2 * time.Hour), NotAfter: until, Heads: map[string]int64{source: version}}
	return bundlestate.Record{Revision: 1, State: bundlestate.Confirm(bundlestate.Give(new(gatewayv1.BundleState), 1, c, "g", door), 1, c)}
}

func (f *facts) book(t *testing.T) *Book {
	t.Helper()
	regions, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"}, "eu-west": {Code: "euw", Jurisdiction: "eu"},
	})
	if err != nil {
		t.Fatal(err)
	}
	own, err := regions.Lookup(here)
	if err != nil {
		t.Fatal(err)
	}
	return &Book{Copy: f, States: f, Regions: regions, Own: own, Now: func() time.Time { return now }}
}

func token(version int64) *typev1.ConsistencyToken {
	return &typev1.ConsistencyToken{Service: "permissions", Region: string(here), OrgId: "org", Version: version}
}
