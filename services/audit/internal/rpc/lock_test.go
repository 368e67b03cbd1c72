package rpc_test

import (
	"fmt"
	"slices"
	"testing"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

// report is a lock's event; lost is what a gap event says.
func (w *world) report(t *testing.T, device region.ID, epoch, sequence int64, lost uint64) ledger.Event {
	t.Helper()
	payload, err := proto.Marshal(&gatewayv1.LockEvent{DeviceId: string(device), BootEpoch: uint64(epoch), Sequence: uint64(sequence), Lost: lost})
	if err != nil {
		t.Fatal(err)
	}
	e := ledger.Event{
		Org: w.org, ID: fmt.Sprintf("%s.%d.%d", device, epoch, sequence), Service: "device-gateway", Kind: "lock", OccurredAt: noon,
		Device: device, Lock: ledger.Place{Epoch: epoch, Sequence: sequence},
	}
	e.Body, err = proto.Marshal(&typev1.Event{Id: e.ID, OrgId: string(w.org), Region: "eu-central", Kind: e.Kind, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// places reads all of a lock's events by pages: `epoch.sequence`, and `-n` behind it where n are missing before.
func (w *world) places(t *testing.T, req *auditv1.QueryEventsRequest) (all []string) {
	t.Helper()
	req.OrgId, req.Region = string(w.org), "eu-central"
	for {
		page, err := w.client.QueryEvents(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			text := fmt.Sprintf("%d.%d", e.GetLock().GetBootEpoch(), e.GetLock().GetSequence())
			if e.GetEvent().GetId() != req.DeviceId+"."+text {
				t.Fatalf("%v at %s", e, text)
			}
			if n := e.GetLock().MissingBefore; n == nil || *n > 0 {
				text += fmt.Sprintf("-%d", e.GetLock().GetMissingBefore())
			}
			all = append(all, text)
		}
		if req.PageToken = page.NextPageToken; req.PageToken == "" {
			return all
		}
	}
}

func TestALocksEventsAreReadInItsOrderWithWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	device, other := region.NewID(region.Device, "euc"), region.NewID(region.Device, "euc")
	var arrived []ledger.Event
	for _, at := range [][3]int64{ // as a neighbour's gateway and the own one, back again, deliver: epoch, sequence, lost
		{2, 1}, {2, 2}, {2, 10}, {1, 1}, {1, 2}, {2, 3}, {1, 9}, {3, 4}, {3, 20, 12}, {3, 21}, {10, 1},
	} {
		arrived = append(arrived, w.report(t, device, at[0], at[1], uint64(at[2])))
	}
	arrived = append(arrived, w.report(t, other, 2, 7, 0))
	if _, err := w.store.Append(t.Context(), "eu-central", arrived, noon); err != nil {
		t.Fatal(err)
	}
	// Of 5 to 20 in boot epoch 3 the gap accounts for 9 to 20.
	want := []string{"10.1", "3.21", "3.20-4", "3.4-3", "2.10-6", "2.3", "2.2", "2.1", "1.9-6", "1.2", "1.1"}
	for _, size := range []int32{0, 1, 2, 3, 11} {
		if got := w.places(t, &auditv1.QueryEventsRequest{DeviceId: string(device), PageSize: size}); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v, want %v", size, got, want)
		}
	}
	late := []ledger.Event{w.report(t, device, 1, 3, 0), w.report(t, device, 2, 9, 0)}
	if _, err := w.store.Append(t.Context(), "eu-central", late, noon); err != nil {
		t.Fatal(err)
	}
	want = []string{"10.1", "3.21", "3.20-4", "3.4-3", "2.10", "2.9-5", "2.3", "2.2", "2.1", "1.9-5", "1.3", "1.2", "1.1"}
	if got := w.places(t, &auditv1.QueryEventsRequest{DeviceId: string(device)}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	page, err := w.client.QueryEvents(t.Context(), &auditv1.QueryEventsRequest{
		OrgId: string(w.org), Region: "eu-central", DeviceId: string(device), Kind: "lock", PageSize: 1,
	})
	if err != nil || len(page.Events) != 1 || page.Events[0].GetLock().MissingBefore != nil {
		t.Fatalf("with another condition nobody knows what is missing: %v, %v", page, err)
	}
	for _, req := range []*auditv1.QueryEventsRequest{
		{DeviceId: string(other), Kind: "lock", PageToken: page.NextPageToken}, {Kind: "lock", PageToken: page.NextPageToken},
	} {
		req.OrgId, req.Region = string(w.org), "eu-central"
		if _, err := w.client.QueryEvents(t.Context(), req); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
			t.Errorf("a token of another lock: %v", err)
		}
	}
}
