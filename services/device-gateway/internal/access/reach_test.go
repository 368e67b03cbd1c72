package access

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"
)

// carriedIn are the credentials in a bundle.
func carriedIn(t rapid.TB, b OfflineBundle) map[string]bool {
	all := map[string]bool{}
	for _, entry := range b.Content.Entries {
		m := new(lockwirev1.BundleEntry)
		if err := proto.Unmarshal(entry, m); err != nil {
			t.Fatal(err)
		}
		all[m.GetCredentialId()] = true
	}
	return all
}

// TestNoChangeOfABundleGoesUnnoticed: in random organizations, fact by fact, whenever a door's bundle changes its stamp does, and whenever
// somebody goes from it the door knows by which commit.
func TestNoChangeOfABundleGoesUnnoticed(t *testing.T) {
	t.Parallel()
	c, _, _, _ := open(t, t.TempDir(), func(cfg *Config) { cfg.MaxAge = 100 * 365 * 24 * time.Hour })
	c.caughtUp("1")
	run, changed, went := 0, 0, 0
	play := func(rt *rapid.T) {
		run++
		of := fmt.Sprint("org_euc_", run)
		device := of + "_device_door_euc_d"
		w := drawBundleWorld(rt)
		next := drawBundleWorld(rt)
		facts, others := w.records(t, rt, of), next.records(t, rt, of)
		for key, r := range facts {
			c.update(bus.Update{Key: key, Record: r, Incarnation: "1"})
		}
		keys := slices.Sorted(maps.Keys(facts))
		for key := range others {
			if _, ok := facts[key]; !ok {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		version := int64(1)
		for range 12 {
			key := rapid.SampledFrom(keys).Draw(rt, "key")
			k, _ := parseKey(key)
			if _, here := facts[key]; k.kind == kindHead || k.kind == "device" || k.kind == "door" && !here { // a door has one site
				continue
			}
			version++
			r := &typev1.StateRecord{Version: version, Removed: true}
			if other, ok := others[key]; ok && rapid.Bool().Draw(rt, "change") {
				r = &typev1.StateRecord{Version: version, Body: other.GetBody()}
			}
			door := c.devices.byID[device].Door
			before, _ := c.Bundle(device, w.issued)
			c.update(bus.Update{Key: key, Record: r, Incarnation: "1"})
			after, _ := c.Bundle(device, w.issued)
			if before.Content.Hash == after.Content.Hash && before.NotAfter.Equal(after.NotAfter) {
				continue
			}
			changed++
			if c.Stamp(of, door) == before.Stamp {
				rt.Fatalf("%s (removed %v) changes the bundle, and nobody is told", key, r.GetRemoved())
			}
			still := carriedIn(rt, after)
			for credential := range carriedIn(rt, before) {
				if still[credential] {
					continue
				}
				went++
				if !slices.Contains(slices.Collect(maps.Values(c.AllTakenAway(of, door))), version) {
					rt.Fatalf("%s (removed %v) takes %s out of the bundle, and the door does not know: %v", key, r.GetRemoved(), credential, c.AllTakenAway(of, door))
				}
			}
		}
		delete(c.organizations, of)
	}
	rapid.Check(t, play)
	if changed < 50 || went < 20 {
		t.Errorf("%d changes, %d departures: draw other worlds", changed, went)
	}
	t.Log(changed, went)
}

// A membership touches the doors that it opens, and the rest of a large organization is not looked at.
func TestAMembershipTouchesItsDoorsOnly(t *testing.T) {
	t.Parallel()
	c, _, _, _ := open(t, t.TempDir())
	id := func(kind region.Kind) string { return string(region.NewID(kind, "euc")) }
	put := func(key string, version int64, m proto.Message) {
		c.update(bus.Update{Key: key, Record: record(version, m), Incarnation: "1"})
	}
	of, site, group, person := id(region.Organization), id(region.Site), id(region.Group), id(region.Person)
	var doors, devices []string
	for range 5000 {
		door, device := id(region.Door), id(region.Device)
		doors, devices = append(doors, door), append(devices, device)
		put(of+".site."+site+".door."+door, 1, &permissionsv1.DoorState{
			TimeZone: "UTC", Rules: &permissionsv1.DoorRules{Offline: &permissionsv1.OfflineRule{Budget: durationpb.New(time.Hour)}},
		})
		put(of+".site."+site+".device."+device, 1, &gatewayv1.DeviceState{DoorId: door})
	}
	put(of+".site."+site+".grant."+id(region.Grant), 1, &permissionsv1.GrantState{SubjectId: group, TargetId: doors[17]})
	member := of + ".org.membership." + group + "-" + person
	put(member, 1, &permissionsv1.MembershipState{GroupId: group, MemberId: person})
	c.update(bus.Update{Key: of + ".head.permissions.eu-central", Record: &typev1.StateRecord{Version: 1}, Incarnation: "1"})
	c.caughtUp("1")
	if got := c.TakeTouched(); len(got) != len(devices) {
		t.Fatalf("after the load %d of %d are told", len(got), len(devices))
	}
	stamp := c.Stamp(of, doors[16])
	c.update(bus.Update{Key: member, Record: &typev1.StateRecord{Version: 2, Removed: true}, Incarnation: "1"})
	if got := c.TakeTouched(); len(got) != 0 {
		t.Fatalf("told of a commit that is not whole: %v", got)
	}
	c.update(bus.Update{Key: of + ".head.permissions.eu-central", Record: &typev1.StateRecord{Version: 2}, Incarnation: "1"})
	if got := c.TakeTouched(); !slices.Equal(got, devices[17:18]) {
		t.Fatalf("told of %v, want %v", got, devices[17])
	}
	const source = "permissions.eu-central"
	if c.TakenAway(of, doors[17], source) != 2 || c.TakenAway(of, doors[16], source) != 1 || c.Stamp(of, doors[16]) != stamp {
		t.Fatalf("taken away: %d at its door, %d at another", c.TakenAway(of, doors[17], source), c.TakenAway(of, doors[16], source))
	}
	began := time.Now()
	for v := int64(3); v < 1003; v++ {
		c.update(bus.Update{Key: member, Record: record(v, &permissionsv1.MembershipState{GroupId: group, MemberId: person}), Incarnation: "1"})
	}
	t.Logf("one membership among %d doors: %v", len(doors), time.Since(began)/1000)
}

// A commit whose removals are in the bucket when a gateway loads it, and whose head is not: the gateway did not see them go, and must
// not take it that nothing was taken away by that commit.
func TestACommitThatALoadCutInTwoTookSomethingAway(t *testing.T) {
	t.Parallel()
	c, _, _, _ := open(t, t.TempDir())
	id := func(kind region.Kind) string { return string(region.NewID(kind, "euc")) }
	of, site, door, device := id(region.Organization), id(region.Site), id(region.Door), id(region.Device)
	head := of + ".head.permissions.eu-central"
	update := func(key string, r *typev1.StateRecord) { c.update(bus.Update{Key: key, Record: r, Incarnation: "1"}) }
	update(of+".site."+site+".door."+door, record(1, &permissionsv1.DoorState{TimeZone: "UTC"}))
	update(of+".site."+site+".device."+device, record(1, &gatewayv1.DeviceState{DoorId: door}))
	update(head, &typev1.StateRecord{Version: 4})
	update(of+".site."+site+".grant."+id(region.Grant), &typev1.StateRecord{Version: 5, Removed: true})
	c.caughtUp("1")
	c.TakeTouched()
	if taken := c.TakenAway(of, door, "permissions.eu-central"); taken != 5 {
		t.Fatalf("the door was last narrowed by commit %d, wanted 5", taken)
	}
	update(head, &typev1.StateRecord{Version: 5})
	if got := c.TakeTouched(); !slices.Equal(got, []string{device}) {
		t.Fatalf("told of %v when the commit is whole", got)
	}
}
