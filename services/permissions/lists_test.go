package permissions_test

import (
	"slices"
	"strings"
	"testing"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"pgregory.net/rapid"
)

func tokens(n *permissionstest.Tenant) []*typev1.ConsistencyToken {
	return []*typev1.ConsistencyToken{n.Token}
}

func containsAll(s string, all ...string) bool {
	return !slices.ContainsFunc(all, func(one string) bool { return !strings.Contains(s, one) })
}

// doorsOf reads all pages of ListDoors.
func doorsOf(t *testing.T, n *permissionstest.Tenant, person string, size int32) (doors []string) {
	t.Helper()
	req := &permissionsv1.ListDoorsRequest{OrgId: string(n.Org), Region: string(n.Home), PersonId: person, PageSize: size, AtLeast: tokens(n)}
	for {
		out, err := n.ListDoors(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.GetDoors()) > int(size) {
			t.Fatalf("%d of %d", len(out.GetDoors()), size)
		}
		for _, d := range out.GetDoors() {
			if d.GetDecision().GetReason() != granted {
				t.Fatalf("listed %v", d)
			}
			doors = append(doors, d.GetDoorId())
		}
		if req.PageToken = out.GetNextPageToken(); req.PageToken == "" {
			return doors
		}
	}
}

// peopleOf reads all pages of ListPeople.
func peopleOf(t *testing.T, n *permissionstest.Tenant, door string, size int32) (people []string) {
	t.Helper()
	req := &permissionsv1.ListPeopleRequest{OrgId: string(n.Org), DoorId: door, PageSize: size, AtLeast: tokens(n)}
	for {
		out, err := n.ListPeople(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.GetPeople() {
			people = append(people, p.GetPersonId())
		}
		if req.PageToken = out.GetNextPageToken(); req.PageToken == "" {
			return people
		}
	}
}

// Random writes through the API. After each, whatever can be asked is answered the same by an instance that answers from
// memory and by one that has no memory to answer from: every pair, and every list page by page, which is also what the
// pairs say.
func TestMemoryAndRowsAnswerTheSame(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	rows := permissionstest.StartWith(t, svc.Mesh, central, permissionstest.Options{
		Database: svc.Database, Projection: permissions.Projection{MaxBytes: 1},
	})
	rapid.Check(t, func(rt *rapid.T) {
		w := newSmallWorld(t, svc)
		other := rows.TenantOf(w.Org, central)
		for range rapid.IntRange(1, 12).Draw(rt, "writes") {
			w.change(t, rt)
			other.Token = w.Token
			w.compare(t, rt, other)
		}
	})
}

func (w *smallWorld) compare(t *testing.T, rt *rapid.T, rows *permissionstest.Tenant) {
	req := &permissionsv1.CheckBulkRequest{OrgId: string(w.Org), Region: "eu-central", AtLeast: tokens(w.Tenant)}
	for _, door := range w.doors {
		for _, person := range w.people {
			req.Pairs = append(req.Pairs, &permissionsv1.CheckPair{DoorId: door, PersonId: person})
		}
	}
	memory, err := w.CheckBulk(t.Context(), req)
	if err != nil {
		rt.Fatal(err)
	}
	stored, err := rows.CheckBulk(t.Context(), req)
	if err != nil {
		rt.Fatal(err)
	}
	doors, people := map[string][]string{}, map[string][]string{}
	for i, pair := range req.GetPairs() {
		if a, b := memory.GetDecisions()[i], stored.GetDecisions()[i]; a.String() != b.String() {
			rt.Fatalf("memory %v\nrows %v", a, b)
		}
		if memory.GetDecisions()[i].GetReason() == granted {
			doors[pair.GetPersonId()] = append(doors[pair.GetPersonId()], pair.GetDoorId())
			people[pair.GetDoorId()] = append(people[pair.GetDoorId()], pair.GetPersonId())
		}
	}
	for _, n := range []*permissionstest.Tenant{w.Tenant, rows} {
		for _, person := range w.people {
			slices.Sort(doors[person])
			if got := doorsOf(t, n, person, 1); !slices.Equal(got, doors[person]) {
				rt.Fatalf("doors of %s: %v, want %v", person, got, doors[person])
			}
		}
		for _, door := range w.doors {
			slices.Sort(people[door])
			if got := peopleOf(t, n, door, 2); !slices.Equal(got, people[door]) {
				rt.Fatalf("people of %s: %v, want %v", door, got, people[door])
			}
		}
	}
}

func TestACursorOfAnotherQuestionIsRefused(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	n := svc.Tenant(t, central)
	site, person := n.Site(t, "UTC"), n.Person(t)
	for range 2 {
		n.Let(t, person, n.Door(t, site), "")
	}
	req := &permissionsv1.ListDoorsRequest{OrgId: string(n.Org), Region: "eu-central", PersonId: person, PageSize: 1, AtLeast: tokens(n)}
	out, err := n.ListDoors(t.Context(), req)
	if err != nil || out.GetNextPageToken() == "" {
		t.Fatal(out, err)
	}
	req.PageToken, req.PersonId = out.GetNextPageToken(), n.Person(t)
	if _, err := n.ListDoors(t.Context(), req); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Error(err)
	}
	if _, err := n.ListPeople(t.Context(), &permissionsv1.ListPeopleRequest{OrgId: string(n.Org), DoorId: n.Person(t)}); !fault.Is(err, faultv1.Reason_REASON_WRONG_ID_KIND) {
		t.Error(err)
	}
}
