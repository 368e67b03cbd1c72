package access

import (
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy/credential"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// BenchmarkBundle compiles the bundle of a door with 1,000 credentials, and of one with 10,000, in an organization of 10,000
// people with a card each, 100 groups of 100, one of everybody, and 5,000 doors in 50 zones.
func BenchmarkBundle(b *testing.B) {
	c := bigOrganization(b)
	for _, door := range []string{"1000", "10000"} {
		b.Run(door, func(b *testing.B) {
			b.ReportAllocs()
			at := time.Now()
			defer cpu(b)()
			for b.Loop() {
				got, ok := c.Bundle("device_"+door, at)
				if !ok || !got.Allowed || fmt.Sprint(len(got.Content.Entries)) != door {
					b.Fatalf("%v, %d entries", ok, len(got.Content.Entries))
				}
			}
		})
		b.Run(door+"/locked", func(b *testing.B) { // the part for which the Copy's lock is held
			at := time.Now()
			defer cpu(b)()
			for b.Loop() {
				if _, ok := c.gather("device_"+door, at, new(OfflineBundle)); !ok {
					b.Fatal("nothing")
				}
			}
		})
	}
}

// cpu reports the processor time of a run, which other programs on the machine do not change much.
func cpu(b *testing.B) func() {
	used := func() (t time.Duration) {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64((used()-before).Microseconds())/float64(b.N), "cpu-µs/op") }
}

func bigOrganization(b *testing.B) *Copy {
	b.Helper()
	regions, err := region.NewMap(map[region.Name]region.Spec{"eu-central": {Code: "euc", Jurisdiction: "eu"}})
	if err != nil {
		b.Fatal(err)
	}
	ring, err := keyring.New([]keyring.Key{{ID: "state-1", Secret: [32]byte{1}}})
	if err != nil {
		b.Fatal(err)
	}
	c, err := Open(Config{
		Dir: b.TempDir(), Ring: ring, Regions: regions, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		OnApplied: func([]Head) {}, OnDeviceChanged: func(string, Device) {},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.store.file.Close() })
	put := func(key string, m proto.Message) {
		c.update(bus.Update{Key: org + key, Record: record(1, m), Incarnation: "1"})
	}
	key := [32]byte{9}
	wrapped, by := ring.Seal(key[:], credential.DigestKeyContext(org, "k"))
	put(".org.digest_key.k", &identityv1.DigestKeyState{Wrapped: wrapped, WrappingKeyId: by})
	week := make([]*permissionsv1.WeeklyInterval, 5)
	for day := range week {
		week[day] = &permissionsv1.WeeklyInterval{Weekday: int32(day + 1), StartMinute: 8 * 60, EndMinute: 18 * 60}
	}
	put(".site.s.schedule.office", &permissionsv1.ScheduleState{TimeZone: "Europe/Madrid", Spec: &permissionsv1.ScheduleSpec{Weekly: week}})
	for i := range 10_000 {
		person := fmt.Sprintf("person_euc_01jd3q8v5dfw0b9m3cz1n%05d", i)
		for _, group := range []string{fmt.Sprint("g", i/100), "everybody"} {
			put(fmt.Sprintf(".org.membership.%s-%d", group, i), &permissionsv1.MembershipState{GroupId: group, MemberId: person})
		}
		d := credential.Digest(key, credential.KindCard, credential.FormatUID, 32, fmt.Appendf(nil, "%04d", i))
		put(fmt.Sprintf(".org.credential.credential_euc_01jd3q8v5dfw0b9m3cz1n%05d", i), &identityv1.CredentialState{
			PersonId: person, Kind: identityv1.CredentialKind_CREDENTIAL_KIND_CARD, Digests: []*identityv1.CredentialDigest{{KeyId: "k", Digest: d[:]}},
		})
	}
	rules := &permissionsv1.DoorRules{Offline: &permissionsv1.OfflineRule{Budget: durationpb.New(72 * time.Hour)}}
	for i := range 5_000 {
		put(fmt.Sprintf(".site.s.door.door_euc_%d", i), &permissionsv1.DoorState{ZoneIds: []string{fmt.Sprint("z", i%50)}, Rules: rules})
		put(fmt.Sprintf(".site.s.grant.d%d", i), &permissionsv1.GrantState{SubjectId: fmt.Sprint("g", i%100), TargetId: fmt.Sprintf("door_euc_%d", i)})
	}
	for _, door := range []string{"1000", "10000"} {
		put(".site.s.door.door_euc_x"+door, &permissionsv1.DoorState{ZoneIds: []string{"z" + door}, Rules: rules})
		put(".site.s.device.device_"+door, &gatewayv1.DeviceState{DoorId: "door_euc_x" + door})
	}
	for g := range 10 {
		put(fmt.Sprintf(".site.s.grant.x%d", g), &permissionsv1.GrantState{SubjectId: fmt.Sprint("g", g), TargetId: "z1000", ScheduleId: "office"})
	}
	put(".site.s.grant.all", &permissionsv1.GrantState{SubjectId: "everybody", TargetId: "door_euc_x10000"})
	c.update(bus.Update{Key: headKey, Record: head(1), Incarnation: "1"})
	c.caughtUp("1")
	return c
}
