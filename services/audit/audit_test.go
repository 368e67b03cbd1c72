package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit"
	"github.com/cardea-mesh/cardea/services/audit/audittest"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry/telemetrytest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const limit = 30 * time.Second

func event(t *testing.T, org region.ID, id, service, kind string, payload proto.Message) *typev1.Event {
	t.Helper()
	b, err := proto.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	return &typev1.Event{
		Id: id, SchemaVersion: 1, Region: "eu-central", OrgId: string(org), Service: service, Kind: kind, Payload: b,
		OccurredAt: timestamppb.Now(), RecordedAt: timestamppb.Now(),
	}
}

func client(t *testing.T, a *audittest.Service, org region.ID) auditv1connect.AuditServiceClient {
	out := a.Mesh.Public(a.Mesh.Key(org, "ledger.read"))
	t.Cleanup(out.CloseIdle)
	return auditv1connect.NewAuditServiceClient(out.HTTPClient(), a.URL, out.Options()...)
}

// find asks until the query finds n events.
func find(t *testing.T, c auditv1connect.AuditServiceClient, req *auditv1.QueryEventsRequest, n int) []*auditv1.LedgerEvent {
	t.Helper()
	req.Region = "eu-central"
	var found *auditv1.QueryEventsResponse
	var err error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if found, err = c.QueryEvents(t.Context(), req); err == nil && len(found.Events) == n {
			return found.Events
		}
	}
	t.Fatalf("not %d events within %s: %v, %v", n, limit, found, err)
	return nil
}

// From the stream to the answer: who opened this door, and what became of this person's grants.
func TestWhatIsPublishedIsFoundByDoorAndByPerson(t *testing.T) {
	a := audittest.Start(t, audittest.Options{})
	org, door, person := region.NewID(region.Organization, "euc"), region.NewID(region.Door, "euc"), region.NewID(region.Person, "euw")
	a.Publish(t, event(t, org, "event_1", "permissions", "grant_created", &permissionsv1.GrantCreated{SubjectId: string(person), TargetId: string(door)}))
	a.Publish(t, event(t, org, "device_1.1.1", "device-gateway", "access", &gatewayv1.LockEvent{DoorId: string(door), PersonId: string(person)}))
	a.Publish(t, event(t, org, "device_1.1.2", "device-gateway", "lock", &gatewayv1.LockEvent{DoorId: string(door)}))
	a.Publish(t, event(t, org, "event_2", "permissions", "zone_created", &permissionsv1.ZoneCreated{ZoneId: "zone"}))

	c := client(t, a, org)
	all := find(t, c, &auditv1.QueryEventsRequest{OrgId: string(org)}, 4)
	if all[0].Event.Id != "event_2" || all[3].Event.Id != "event_1" {
		t.Fatalf("not newest first: %v", all)
	}
	find(t, c, &auditv1.QueryEventsRequest{OrgId: string(org), DoorId: string(door)}, 3)
	find(t, c, &auditv1.QueryEventsRequest{OrgId: string(org), PersonId: string(person)}, 2)
	opened := find(t, c, &auditv1.QueryEventsRequest{OrgId: string(org), DoorId: string(door), Kind: "access"}, 1)
	if opened[0].Event.Id != "device_1.1.1" {
		t.Fatal(opened)
	}
}

// A second instance takes over where the first one stopped.
func TestAnInstanceThatStopsIsSucceeded(t *testing.T) {
	a := audittest.Start(t, audittest.Options{})
	org := region.NewID(region.Organization, "euc")
	a.Publish(t, event(t, org, "event_1", "permissions", "zone_created", &permissionsv1.ZoneCreated{}))
	find(t, client(t, a, org), &auditv1.QueryEventsRequest{OrgId: string(org)}, 1)
	a.Stop()
	a.Publish(t, event(t, org, "event_2", "permissions", "zone_created", &permissionsv1.ZoneCreated{}))
	b := audittest.Start(t, audittest.Options{Mesh: a.Mesh, Broker: a.Broker, Database: a.Database})
	find(t, client(t, b, org), &auditv1.QueryEventsRequest{OrgId: string(org)}, 2)
}

// The service starts while its database is down, says so, and goes to work when it is there; then the database goes away again.
func TestADatabaseThatIsAwayIsWaitedFor(t *testing.T) {
	made := dbtest.Make(t, dbtest.Options{Schema: audit.Schema, Sets: audit.Migrations()})
	proxy, url := dbtest.NewProxy(t, made.URL)
	proxied := *made
	proxied.URL = url
	proxy.Cut()
	a := audittest.Start(t, audittest.Options{Database: &proxied})
	org := region.NewID(region.Organization, "euc")
	c := client(t, a, org)
	ask := &auditv1.QueryEventsRequest{OrgId: string(org), Region: "eu-central"}
	down := func() {
		t.Helper()
		var err error
		for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, err = c.QueryEvents(t.Context(), ask); fault.Is(err, faultv1.Reason_REASON_DEPENDENCY_DOWN) {
				return
			}
		}
		t.Fatal(err)
	}
	down()
	a.Publish(t, event(t, org, "event_1", "permissions", "zone_created", &permissionsv1.ZoneCreated{}))
	proxy.Restore()
	find(t, c, ask, 1)
	proxy.Cut()
	down()
	a.Publish(t, event(t, org, "event_2", "permissions", "zone_created", &permissionsv1.ZoneCreated{}))
	proxy.Restore()
	find(t, c, ask, 2)
}

// Taking an event in belongs to the trace of what caused it.
func TestConsumingIsPartOfTheEventsTrace(t *testing.T) {
	sink := telemetrytest.Start(t)
	a := audittest.Start(t, audittest.Options{OTLPEndpoint: sink.Endpoint()})
	org := region.NewID(region.Organization, "euc")
	const trace, publisher = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	ev := event(t, org, "device_1.1.1", "device-gateway", "access", &gatewayv1.LockEvent{})
	ev.Traceparent = fmt.Sprintf("00-%s-%s-01", trace, publisher)
	a.Publish(t, ev)
	spans := sink.WaitTrace(t, func(spans []telemetrytest.Span) bool {
		consume, appended := named(spans, "consume access"), named(spans, "ledger.append")
		return consume != nil && appended != nil && appended.Parent == consume.SpanID && appended.Service == "audit"
	})
	if spans[0].TraceID != trace {
		t.Fatalf("another trace:\n%s", telemetrytest.Format(spans))
	}
	if n := strings.Count(telemetrytest.Format(spans), "ledger.append"); n != 1 {
		t.Fatalf("%d spans of the append:\n%s", n, telemetrytest.Format(spans))
	}
}

func named(spans []telemetrytest.Span, name string) *telemetrytest.Span {
	for i := range spans {
		if spans[i].Name == name {
			return &spans[i]
		}
	}
	return nil
}
