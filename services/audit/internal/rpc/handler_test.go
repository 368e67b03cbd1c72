package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"connectrpc.com/connect"
	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/audit/internal/postgres"
	auditrpc "github.com/cardea-mesh/cardea/services/audit/internal/rpc"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is the service in eu-central behind real TLS, with a real database.
type world struct {
	mesh   *rpctest.Mesh
	server *rpctest.Server
	store  *postgres.Store
	org    region.ID
	client auditv1connect.AuditServiceClient
}

func newWorld(t *testing.T) *world {
	w := &world{
		mesh: rpctest.New(t), org: region.NewID(region.Organization, "euc"),
		store: postgres.New(dbtest.New(t, postgres.Schema, postgres.Migrations())),
	}
	w.server = w.serve(t, "eu-central", w.store)
	w.client = w.as(t, w.server.URL, w.org, "ledger.read")
	return w
}

func (w *world) serve(t *testing.T, in region.Name, store *postgres.Store) *rpctest.Server {
	cfg := w.mesh.Config(t, "audit", in)
	cfg.Errors = auditrpc.Errors
	return w.mesh.Serve(t, cfg, func(s *rpc.Server) {
		s.Handle(auditv1connect.NewAuditServiceHandler(auditrpc.NewHandler(store, w.mesh.Regions), s.Options()...))
	})
}

// as is a client with a key of an organization.
func (w *world) as(t *testing.T, url string, org region.ID, permissions ...string) auditv1connect.AuditServiceClient {
	out := w.mesh.Public(w.mesh.Key(org, permissions...))
	t.Cleanup(out.CloseIdle)
	return auditv1connect.NewAuditServiceClient(out.HTTPClient(), url, out.Options()...)
}

// fill appends n events, each a minute after the one before, every second one at door and every third one of person.
func (w *world) fill(t *testing.T, in region.Name, n int, door, person region.ID) {
	var events []ledger.Event
	for i := range n {
		e := ledger.Event{Org: w.org, ID: fmt.Sprintf("event_%d", i), Service: "device-gateway", Kind: "access", OccurredAt: noon.Add(time.Duration(i) * time.Minute)}
		if i%2 == 0 {
			e.Door = door
		}
		if i%3 == 0 {
			e.Person = person
		}
		e.Body, _ = proto.Marshal(&typev1.Event{
			Id: e.ID, OrgId: string(w.org), Region: string(in), Kind: e.Kind, Sealed: []byte("sealed"), KeyId: "k1",
		})
		events = append(events, e)
	}
	if _, err := w.store.Append(t.Context(), in, events, noon); err != nil {
		t.Fatal(err)
	}
}

func TestQueryEventsPagesThroughWhatTheFilterAsksFor(t *testing.T) {
	w := newWorld(t)
	door, person := region.NewID(region.Door, "euc"), region.NewID(region.Person, "euw")
	w.fill(t, "eu-central", 60, door, person)
	for _, c := range []struct {
		name string
		req  *auditv1.QueryEventsRequest
		want int
	}{
		{"all", &auditv1.QueryEventsRequest{}, 60},
		{"door", &auditv1.QueryEventsRequest{DoorId: string(door)}, 30},
		{"person", &auditv1.QueryEventsRequest{PersonId: string(person)}, 20},
		{"both", &auditv1.QueryEventsRequest{DoorId: string(door), PersonId: string(person)}, 10},
		{"kind", &auditv1.QueryEventsRequest{Kind: "access"}, 60},
		{"another kind", &auditv1.QueryEventsRequest{Kind: "lock"}, 0},
		{"another door", &auditv1.QueryEventsRequest{DoorId: string(region.NewID(region.Door, "euc"))}, 0},
		{"times", &auditv1.QueryEventsRequest{From: timestamppb.New(noon.Add(10 * time.Minute)), To: timestamppb.New(noon.Add(20 * time.Minute))}, 10},
		{"until", &auditv1.QueryEventsRequest{To: timestamppb.New(noon.Add(5 * time.Minute))}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.req.OrgId, c.req.Region, c.req.PageSize = string(w.org), "eu-central", 7
			got, last := 0, int64(math.MaxInt64)
			for {
				page, err := w.client.QueryEvents(t.Context(), c.req)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page.Events {
					if e.Position >= last || e.Event.Sealed != nil || e.Event.Id != fmt.Sprintf("event_%d", e.Position) {
						t.Fatalf("position %d after %d: %v", e.Position, last, e.Event)
					}
					last = e.Position
					got++
				}
				if c.req.PageToken = page.NextPageToken; page.NextPageToken == "" {
					break
				}
				if len(page.Events) != 7 {
					t.Fatalf("a page of %d with more to come", len(page.Events))
				}
			}
			if got != c.want {
				t.Fatalf("%d events, want %d", got, c.want)
			}
		})
	}
}

func TestBadQuestionsAreToldWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.fill(t, "eu-central", 3, "", "")
	page, err := w.client.QueryEvents(t.Context(), &auditv1.QueryEventsRequest{OrgId: string(w.org), Region: "eu-central", PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		req  *auditv1.QueryEventsRequest
		want faultv1.Reason
	}{
		{"a door that is a person", &auditv1.QueryEventsRequest{DoorId: string(region.NewID(region.Person, "euc"))}, faultv1.Reason_REASON_WRONG_ID_KIND},
		{"a device that is a door", &auditv1.QueryEventsRequest{DeviceId: string(region.NewID(region.Door, "euc"))}, faultv1.Reason_REASON_WRONG_ID_KIND},
		{"a device that is nothing", &auditv1.QueryEventsRequest{DeviceId: "lock"}, faultv1.Reason_REASON_INVALID_ID},
		{"a door that is nothing", &auditv1.QueryEventsRequest{DoorId: "front"}, faultv1.Reason_REASON_INVALID_ID},
		{"a person nowhere", &auditv1.QueryEventsRequest{PersonId: string(region.NewID(region.Person, "xxx"))}, faultv1.Reason_REASON_UNKNOWN_REGION},
		{"an unknown region", &auditv1.QueryEventsRequest{Region: "mars"}, faultv1.Reason_REASON_UNKNOWN_REGION},
		{"no region", &auditv1.QueryEventsRequest{Region: "-"}, faultv1.Reason_REASON_UNKNOWN_REGION},
		{"times that end before they begin", &auditv1.QueryEventsRequest{From: timestamppb.New(noon), To: timestamppb.New(noon)}, faultv1.Reason_REASON_CLOCK_NONSENSE},
		{"a time that is none", &auditv1.QueryEventsRequest{From: &timestamppb.Timestamp{Nanos: -1}}, faultv1.Reason_REASON_INVALID_FIELD},
		{"a token that is none", &auditv1.QueryEventsRequest{PageToken: "x"}, faultv1.Reason_REASON_INVALID_FIELD},
		{"a token of another question", &auditv1.QueryEventsRequest{PageToken: page.NextPageToken, Kind: "lock"}, faultv1.Reason_REASON_INVALID_FIELD},
		{"a kind that no column takes", &auditv1.QueryEventsRequest{Kind: "lock\x00"}, faultv1.Reason_REASON_INVALID_FIELD},
		{"a page too large", &auditv1.QueryEventsRequest{PageSize: 1001}, faultv1.Reason_REASON_INVALID_FIELD},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.req.OrgId = string(w.org)
			if c.req.Region == "" {
				c.req.Region = "eu-central"
			}
			_, err := w.client.QueryEvents(t.Context(), c.req)
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != connect.CodeInvalidArgument || f.Reason != c.want {
				t.Fatalf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAForeignOrganizationAndAKeyWithoutPermissionAreRefused(t *testing.T) {
	w := newWorld(t)
	w.mesh.RefusesOthers(t, w.server.URL, auditv1.File_cardea_audit_v1_audit_proto)
}

func TestEveryMethodDeclaresWhatItNeeds(t *testing.T) {
	if err := rpc.Walk([]protoreflect.FileDescriptor{auditv1.File_cardea_audit_v1_audit_proto}); err != nil {
		t.Fatal(err)
	}
}

func TestListEntriesIsWhatAVerifierNeeds(t *testing.T) {
	w := newWorld(t)
	w.fill(t, "eu-central", 25, "", "")
	id := ledger.ID{Org: w.org, Region: "eu-central"}
	head, err := w.client.GetHead(t.Context(), &auditv1.GetHeadRequest{OrgId: string(w.org), Region: "eu-central"})
	if err != nil || head.Size != 25 || head.OrgId != string(w.org) || head.Region != "eu-central" {
		t.Fatalf("%v, %v", head, err)
	}
	var last ledger.Hash
	for from := int64(0); from < 25; {
		page, err := w.client.ListEntries(t.Context(), &auditv1.ListEntriesRequest{OrgId: string(w.org), Region: "eu-central", FromPosition: from, PageSize: 10})
		if err != nil || len(page.Entries) == 0 || !proto.Equal(page.Head, head) {
			t.Fatalf("%v, %v", page, err)
		}
		for _, e := range page.Entries {
			got := ledger.Entry{
				Position: e.Position, EventID: e.EventId, BodySHA256: ledger.Hash(e.BodySha256), Previous: ledger.Hash(e.PreviousHash), AppendedAt: e.AppendedAt.AsTime(),
			}
			if e.Position != from || got.Previous != last || id.HashOf(got) != ledger.Hash(e.Hash) {
				t.Fatalf("entry %v at %d", e, from)
			}
			last = ledger.Hash(e.Hash)
			from++
		}
	}
	if last != ledger.Hash(head.Hash) {
		t.Fatal("the last entry's hash is not the head's")
	}
	past, err := w.client.ListEntries(t.Context(), &auditv1.ListEntriesRequest{OrgId: string(w.org), Region: "eu-central", FromPosition: 25})
	if err != nil || len(past.Entries) != 0 || past.Head.Size != 25 {
		t.Fatalf("%v, %v", past, err)
	}
}

// A neighbour of the jurisdiction serves another region's ledger when that region's service is away, and so does the home,
// when it is asked through another jurisdiction.
func TestALedgerIsReadThroughOtherRegions(t *testing.T) {
	w := newWorld(t)
	w.fill(t, "eu-central", 5, "", "")
	west := w.serve(t, "eu-west", w.store) // one database for the jurisdiction
	east := w.serve(t, "us-east", postgres.New(dbtest.New(t, postgres.Schema, postgres.Migrations())))
	ask := func(url string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		head, err := w.as(t, url, w.org, "ledger.read").GetHead(ctx, &auditv1.GetHeadRequest{OrgId: string(w.org), Region: "eu-central"})
		if err != nil || head.Size != 5 {
			t.Fatalf("%v, %v", head, err)
		}
	}
	ask(west.URL)
	ask(east.URL)
	w.server.Stop()
	ask(west.URL)
	ask(east.URL)
}

// The entries' bodies have sealed personal fields: a neighbour may hand them out, another jurisdiction may not.
func TestEntriesDoNotCrossTheBorder(t *testing.T) {
	w := newWorld(t)
	w.fill(t, "eu-central", 5, "", "")
	west := w.serve(t, "eu-west", w.store)
	east := w.serve(t, "us-east", postgres.New(dbtest.New(t, postgres.Schema, postgres.Migrations())))
	list := func(url string) (*auditv1.ListEntriesResponse, error) {
		return w.as(t, url, w.org, "ledger.read").ListEntries(t.Context(), &auditv1.ListEntriesRequest{OrgId: string(w.org), Region: "eu-central"})
	}
	if page, err := list(west.URL); err != nil || len(page.Entries) != 5 {
		t.Fatalf("%v, %v", page, err)
	}
	if page, err := list(east.URL); !fault.Is(err, faultv1.Reason_REASON_RESIDENCY_VIOLATION) {
		t.Fatalf("%v, %v", page, err)
	}
}
