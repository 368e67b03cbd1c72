package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// The relay publishes through a Bus.
var _ outbox.Publisher = (*bus.Bus)(nil)

func threeRegions(t *testing.T) *bustest.Regions {
	t.Helper()
	m, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"},
		"eu-west":    {Code: "euw", Jurisdiction: "eu"},
		"us-east":    {Code: "use", Jurisdiction: "us"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return bustest.StartRegions(t, m)
}

// ready makes streams and buckets with the deployed rights of permissions, in each region.
func ready(t *testing.T, r *bustest.Regions) map[region.Name]*bus.Bus {
	t.Helper()
	all := map[region.Name]*bus.Bus{}
	for _, of := range r.Map.All() {
		b := r.Connect(t, of.Name, "permissions")
		if err := b.EnsureStreams(testContext(t)); err != nil {
			t.Fatal(err)
		}
		if err := b.EnsureBuckets(testContext(t)); err != nil {
			t.Fatal(err)
		}
		all[of.Name] = b
	}
	return all
}

func TestARelayWritesTheNeighbourRegionThroughItsOwnBroker(t *testing.T) {
	t.Parallel()
	regions := threeRegions(t)
	relay := ready(t, regions)["eu-central"]
	copied := watch(t, regions.Connect(t, "eu-west", "device-gateway"))

	write := func(version int64) {
		t.Helper()
		eventually(t, "eu-west is reached", func() bool {
			err := relay.PutState(testContext(t), "eu-west", bus.AccessBucket("eu-west", 0), grantKey, record(version, "granted"))
			if err != nil && !errors.Is(err, bus.ErrUnavailable) {
				t.Fatal(err)
			}
			return err == nil
		})
	}
	write(4)
	write(9)
	write(6) // late
	eventually(t, "the gateway in eu-west sees it", func() bool { return copied.version(grantKey) == 9 })

	// Events of the neighbour's home too: the relay there may be down and its lease taken over.
	ev := event(1)
	ev.Region = "eu-west"
	publish(t, relay, ev)
	var got inbox
	audit := regions.Connect(t, "eu-west", "audit")
	background(t, func(ctx context.Context) error {
		return audit.Consume(ctx, bus.Consumer{Durable: "audit"}, func(_ context.Context, ev *typev1.Event) error {
			got.add(ev)
			return nil
		})
	})
	eventually(t, "audit in eu-west gets it", func() bool { return slices.Equal(got.all(), []string{ev.GetId()}) })

	// A region that is away is unavailable, and is written when it is back.
	regions.Stop("eu-west")
	err := relay.PutState(testContext(t), "eu-west", bus.AccessBucket("eu-west", 0), grantKey, record(10, "granted"))
	if !errors.Is(err, bus.ErrUnavailable) {
		t.Fatalf("eu-west is stopped: %v", err)
	}
	put(t, relay, "eu-central", grantKey, record(10, "granted"))
	regions.Restart(t, "eu-west")
	write(10)
	eventually(t, "the gateway goes on", func() bool { return copied.version(grantKey) == 10 })
}

func TestARegionThatIsCutOffWorksAloneAndCatchesUp(t *testing.T) {
	t.Parallel()
	regions := threeRegions(t)
	relay := ready(t, regions)["eu-central"]
	putWest := func(version int64) error {
		return relay.PutState(shortContext(t), "eu-west", bus.AccessBucket("eu-west", 0), grantKey, record(version, "granted"))
	}
	eventually(t, "eu-west is reached", func() bool { return putWest(1) == nil })

	regions.StopRouter("eu")
	publish(t, relay, event(1))
	put(t, relay, "eu-central", grantKey, record(2, "granted"))
	if err := putWest(2); err == nil {
		t.Fatal("reached eu-west without a router")
	}
	regions.RestartRouter(t, "eu")
	eventually(t, "eu-west is reached again", func() bool { return putWest(2) == nil })
}

func TestNothingOfTheEUReachesTheUS(t *testing.T) {
	t.Parallel()
	regions := threeRegions(t)
	buses := ready(t, regions)
	us, eu := observe(t, regions, "us-east"), observe(t, regions, "eu-west")

	for n := range 20 {
		ev := event(n)
		publish(t, buses["eu-central"], ev)
		for _, target := range []region.Name{"eu-central", "eu-west"} {
			put(t, buses["eu-central"], target, fmt.Sprint(grantKey, n), record(int64(n+1), "granted"))
		}
	}
	// It cannot be pushed across either.
	err := buses["eu-central"].PutState(shortContext(t), "us-east", bus.AccessBucket("us-east", 0), grantKey, record(1, "granted"))
	if err == nil {
		t.Error("eu-central wrote the access state of us-east")
	}
	// The control: the same way of looking finds it inside the EU, and finds what the US itself does.
	mine := event(1)
	mine.Region, mine.OrgId = "us-east", "org_use_1"
	publish(t, buses["us-east"], mine)
	eventually(t, "the US sees its own event", func() bool { return us.saw("org_use_1") })
	eventually(t, "eu-west sees what was written there", func() bool { return eu.saw("org_euc_1") })
	if us.saw("org_euc_1") || us.saw("eu-central") || us.saw("eu-west") {
		t.Fatalf("EU traffic in the US: %v", us.all())
	}
}

func TestARelayTellsTheLivesOfTheBucketsItFills(t *testing.T) {
	t.Parallel()
	regions := threeRegions(t)
	relay := ready(t, regions)["eu-central"]
	for _, target := range []region.Name{"eu-central", "eu-west"} {
		eventually(t, "the life of "+string(target), func() bool {
			life, err := relay.BucketIncarnation(shortContext(t), target, bus.AccessBucket(target, 0))
			return err == nil && life != ""
		})
	}
	if _, err := relay.BucketIncarnation(shortContext(t), "us-east", bus.AccessBucket("us-east", 0)); err == nil {
		t.Fatal("a bucket across the border was looked at")
	}
}

func TestAServiceMayOnlyDoWhatItsRoleSays(t *testing.T) {
	t.Parallel()
	regions := threeRegions(t)
	ready(t, regions)
	write := func(target, key string) string { return "$JS." + target + ".API.$KV.ACCESS_" + target + "_0." + key }
	const (
		credential = "org_euc_1.org.credential.credential_euc_1"
		device     = "org_euc_1.site.site_euc_1.device.device_euc_1"
	)
	for _, c := range []struct {
		service, subject string
		allowed          bool
	}{
		{"identity", "cardea.eu-central.identity.org_euc_1.person_created", true},
		{"identity", "cardea.eu-west.identity.org_euc_1.person_created", true},
		{"identity", "cardea.us-east.identity.org_euc_1.person_created", false},
		{"identity", "cardea.eu-central.permissions.org_euc_1.grant_created", false},
		{"identity", write("eu-central", credential), true},
		{"identity", write("eu-west", credential), true},
		{"identity", write("us-east", credential), false},
		{"identity", write("eu-central", grantKey), false},
		{"identity", "$KV.ACCESS_eu-central_0." + grantKey, false},
		{"identity", "$JS.eu-central.API.STREAM.DELETE.EVENTS_eu-central", false},
		{"identity", "$JS.API.STREAM.PURGE.KV_ACCESS_eu-central_0", false},
		{"permissions", write("eu-west", grantKey), true},
		{"permissions", write("eu-west", "org_euc_1.site.site_euc_1.zone.zone_euc_1"), true},
		{"identity", write("eu-west", "org_euc_1.site.site_euc_1.zone.zone_euc_1"), false},
		{"permissions", write("eu-west", credential), false},
		{"permissions", write("eu-west", "org_euc_1.head.permissions.eu-central"), true},
		{"permissions", write("eu-west", "org_euc_1.head.identity.eu-central"), false},
		{"device-gateway", "cardea.eu-west.device-gateway.org_euc_1.access_granted", true},
		{"device-gateway", write("eu-central", device), true},
		{"device-gateway", write("eu-central", grantKey), false},
		{"device-gateway", "$JS.eu-west.API.$KV.STATE_eu-west.org_euc_1.door", true},
		{"device-gateway", "$KV.STATE_eu-central.org_euc_1.grant.grant_euc_1", true},
		{"device-gateway", "$JS.us-east.API.$KV.STATE_us-east.org_euc_1.door", false},
		{"device-gateway", "$JS.API.CONSUMER.CREATE.KV_STATE_eu-central.one.$KV.STATE_eu-central.>", true},
		{"permissions", "$KV.STATE_eu-central.org_euc_1.grant.grant_euc_1", false},
		{"permissions", "$JS.API.CONSUMER.CREATE.KV_STATE_eu-central.one.$KV.STATE_eu-central.>", false},
		{"identity", "$JS.eu-west.API.$KV.STATE_eu-west.org_euc_1.door", false},
		{"audit", "$JS.API.DIRECT.GET.KV_STATE_eu-central.$KV.STATE_eu-central.org_euc_1.door", false},
		{"audit", "cardea.eu-central.audit.org_euc_1.anything", false},
		{"audit", write("eu-central", grantKey), false},
		{"audit", "$JS.eu-central.API.CONSUMER.MSG.NEXT.EVENTS_eu-central.audit", true},
		{"audit", "$JS.eu-central.API.STREAM.CREATE.EVENTS_eu-central", true},
		{"audit", "$JS.eu-central.API.STREAM.UPDATE.EVENTS_eu-central", false},
		{"audit", "$JS.eu-central.API.STREAM.CREATE.KV_ACCESS_eu-central_0", false},
	} {
		if got := refused(t, regions, c.service, func(nc *nats.Conn) error { return nc.Publish(c.subject, []byte("x")) }); got == c.allowed {
			t.Errorf("%s publishes to %s: refused %v", c.service, c.subject, got)
		}
	}
	for _, subject := range []string{">", "cardea.eu-central.>", "$KV.>", "_INBOX.>", "_INBOX.eu-central.identity.>"} {
		listen := func(nc *nats.Conn) error {
			_, err := nc.SubscribeSync(subject)
			return err
		}
		if !refused(t, regions, "audit", listen) {
			t.Errorf("audit may listen to %s", subject)
		}
	}
}

func TestAnyServiceMayComeFirst(t *testing.T) {
	t.Parallel()
	regions := threeRegions(t)
	for _, service := range []string{"audit", "device-gateway", "identity", "permissions"} {
		b := regions.Connect(t, "us-east", service)
		if err := b.EnsureStreams(testContext(t)); err != nil {
			t.Fatalf("%s: %v", service, err)
		}
		if service == "audit" {
			continue // it has no business with access state
		}
		if err := b.EnsureBuckets(testContext(t)); err != nil {
			t.Fatalf("%s: %v", service, err)
		}
	}
}

func TestStrangersAreNotLetIn(t *testing.T) {
	t.Parallel()
	regions := threeRegions(t)
	for name, cfg := range map[string]bus.NATS{
		"without a certificate": {URL: regions.URL("eu-central"), CAFile: regions.Config(t, "eu-central", "audit").NATS.CAFile},
		"of another region":     withURL(regions.Config(t, "us-east", "permissions").NATS, regions.URL("eu-central")),
		"of no known service":   withURL(regions.Config(t, "eu-central", "payroll").NATS, regions.URL("eu-central")),
		"a broker as a client":  withURL(regions.Config(t, "eu-central", "broker").NATS, regions.URL("eu-central")),
	} {
		options := []nats.Option{nats.RootCAs(cfg.CAFile)}
		if cfg.CertFile != "" {
			options = append(options, nats.ClientCert(cfg.CertFile, cfg.KeyFile))
		}
		if nc, err := nats.Connect(cfg.URL, options...); err == nil {
			nc.Close()
			t.Errorf("%s: let in", name)
		}
	}
}

func withURL(n bus.NATS, url string) bus.NATS {
	n.URL = url
	return n
}

func shortContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

// refused says whether the broker answers what do did with a permissions violation.
func refused(t *testing.T, regions *bustest.Regions, service string, do func(*nats.Conn) error) bool {
	t.Helper()
	violations := make(chan error, 10)
	nc := regions.Dial(t, "eu-central", service, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))
	defer nc.Close()
	if err := do(nc); err != nil {
		t.Fatal(err)
	}
	// The broker answers in order: after the flush the violation, if there is one, was read.
	if err := nc.FlushTimeout(limit); err != nil {
		t.Fatal(err)
	}
	if errors.Is(nc.LastError(), nats.ErrPermissionViolation) {
		return true
	}
	return false
}

// observer collects the subjects that pass a broker.
type observer struct {
	mu       sync.Mutex
	subjects []string
}

func observe(t *testing.T, regions *bustest.Regions, of region.Name) *observer {
	t.Helper()
	o := &observer{}
	nc := regions.Dial(t, of, bustest.Observer)
	if _, err := nc.Subscribe(">", func(m *nats.Msg) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.subjects = append(o.subjects, m.Subject)
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(limit); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *observer) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.subjects)
}

func (o *observer) saw(part string) bool {
	return slices.ContainsFunc(o.all(), func(s string) bool { return strings.Contains(s, part) })
}
