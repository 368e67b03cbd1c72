package permissions_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
)

func TestGrantsAreListedByTargetBySubjectAndByRegion(t *testing.T) {
	t.Parallel()
	svc := permissionstest.Start(t, rpctest.New(t), central)
	tenant := svc.Tenant(t, central)
	there := svc.TenantOf(tenant.Org, west)
	site := tenant.Site(t, "UTC")
	door, other, westDoor := tenant.Door(t, site), tenant.Door(t, site), there.Door(t, there.Site(t, "UTC"))
	zone, person, group := tenant.Zone(t, door), tenant.Person(t), tenant.Group(t)
	toDoor, toGroup := tenant.Let(t, person, door, ""), tenant.Let(t, group, door, "")
	toZone, elsewhere := tenant.Let(t, person, zone, ""), tenant.Let(t, person, other, "")
	west := there.Let(t, person, westDoor, "")
	future := tenant.LetFor(t, person, door, "", time.Now().Add(time.Hour), time.Time{})
	tenant.End(t, tenant.Let(t, person, door, ""))
	req := updateOf(tenant.TheGrant(t, toDoor)) // in two times, and listed once
	req.MaxUses = 9
	update(t, tenant, req)

	for _, c := range []struct {
		name string
		ask  *permissionsv1.ListGrantsRequest
		want []string
	}{
		{"a door's", &permissionsv1.ListGrantsRequest{TargetId: door}, []string{toDoor, toGroup, future}},
		{"a zone's", &permissionsv1.ListGrantsRequest{TargetId: zone}, []string{toZone}},
		{"a person's at a door", &permissionsv1.ListGrantsRequest{TargetId: door, SubjectId: person}, []string{toDoor, future}},
		{"a person's of a region", &permissionsv1.ListGrantsRequest{Region: "eu-central", SubjectId: person}, []string{toDoor, toZone, elsewhere, future}},
		{"a region's", &permissionsv1.ListGrantsRequest{Region: "eu-central"}, []string{toDoor, toGroup, toZone, elsewhere, future}},
		{"the other region's", &permissionsv1.ListGrantsRequest{Region: "eu-west"}, []string{west}},
		{"nobody's", &permissionsv1.ListGrantsRequest{Region: "eu-west", SubjectId: group}, nil},
	} {
		for _, size := range []int32{0, 1, 2} {
			t.Run(fmt.Sprint(c.name, " by ", size), func(t *testing.T) {
				found := pages(t, func(token string) ([]*permissionsv1.Grant, string, error) {
					c.ask.OrgId, c.ask.PageSize, c.ask.PageToken = string(tenant.Org), size, token
					c.ask.AtLeast = []*typev1.ConsistencyToken{tenant.Token}
					out, err := tenant.ListGrants(t.Context(), c.ask)
					return out.GetGrants(), out.GetNextPageToken(), err
				})
				if ids := idsOf(found); !slices.Equal(ids, slices.Sorted(slices.Values(c.want))) {
					t.Errorf("listed %v\nwant %v", ids, c.want)
				}
				for _, g := range found {
					if want := map[string]int32{toDoor: 9}[g.GetId()]; g.GetMaxUses() != want {
						t.Errorf("%s opens %d times, want %d", g.GetId(), g.GetMaxUses(), want)
					}
				}
			})
		}
	}
}
