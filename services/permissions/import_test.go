package permissions_test

import (
	"testing"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/rpc/rpctest"
	"google.golang.org/protobuf/proto"
)

func TestAnImportTakesItsPiecesInOrderAndEachOnce(t *testing.T) {
	t.Parallel()
	tenant := permissionstest.Start(t, rpctest.New(t), central).Tenant(t, central)
	piece := func(first int64, csv string) (*permissionsv1.ImportResponse, error) {
		return tenant.Import(t.Context(), &permissionsv1.ImportRequest{
			OrgId: string(tenant.Org), Region: "eu-central", ImportName: "spring", Kind: permissionsv1.ImportKind_IMPORT_KIND_GROUPS,
			Csv: []byte(csv), FirstLine: first,
		})
	}
	progress := func() (*permissionsv1.GetImportResponse, error) {
		return tenant.GetImport(t.Context(), &permissionsv1.GetImportRequest{OrgId: string(tenant.Org), Region: "eu-central", ImportName: "spring"})
	}
	if out, err := progress(); !fault.Is(err, faultv1.Reason_REASON_NOT_FOUND) {
		t.Fatalf("before it began: %v %v", out, err)
	}
	if out, err := piece(9, "name\nGuests\n"); !fault.Is(err, faultv1.Reason_REASON_STATE_FORBIDS) {
		t.Fatalf("a beginning in the middle: %v %v", out, err)
	}
	first, err := piece(2, "name\nGuests\n Staff \n\n\"\"\n")
	if err != nil || first.GetAccepted() != 2 || len(first.GetErrors()) != 1 || first.GetErrors()[0].GetLine() != 5 || first.GetNextLine() != 6 {
		t.Fatalf("the first piece: %v %v", first, err)
	}
	again, err := piece(2, "name\nGuests\n Staff \n\n\"\"\n")
	if err != nil || !proto.Equal(first, again) {
		t.Fatalf("the first piece again: %v %v, first %v", again, err, first)
	}
	if out, err := piece(2, "name\nOthers\n"); !fault.Is(err, faultv1.Reason_REASON_STATE_FORBIDS) {
		t.Fatalf("another first piece: %v %v", out, err)
	}
	if out, err := piece(7, "name\nOthers\n"); !fault.Is(err, faultv1.Reason_REASON_STATE_FORBIDS) {
		t.Fatalf("a piece that leaves one out: %v %v", out, err)
	}
	if out, err := piece(6, "name\nOthers"); err != nil || out.GetAccepted() != 1 || out.GetNextLine() != 7 {
		t.Fatalf("the next piece: %v %v", out, err)
	}
	out, err := progress()
	if err != nil || out.GetNextLine() != 7 || out.GetAccepted() != 3 || out.GetRejected() != 1 {
		t.Fatalf("%v %v", out, err)
	}
}
