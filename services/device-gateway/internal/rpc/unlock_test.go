package rpc

import (
	"context"
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// nobody has no lock connected.
type nobody struct{}

func (nobody) Connected(string) bool { return false }

func (nobody) Command(context.Context, session.Unlock) (*lockwirev1.CommandResult, error) {
	return nil, session.ErrOffline
}

// neighbour answers every command alike.
type neighbour struct {
	out *gatewayv1.SendCommandResponse
	err error
}

func (n neighbour) DeliverCommand(context.Context, region.Name, *gatewayv1.DeliverCommandRequest) (*gatewayv1.SendCommandResponse, error) {
	return n.out, n.err
}

// A neighbour that says "not here" is one thing; one that did not answer may have opened the door, and is another.
func TestAnUnlockThatMayHaveHappenedIsNotCalledOffline(t *testing.T) {
	regions, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"}, "eu-west": {Code: "euw", Jurisdiction: "eu"}, "us-east": {Code: "use", Jurisdiction: "us"},
	})
	if err != nil {
		t.Fatal(err)
	}
	own, _ := regions.Get("eu-central")
	refusal := func(code connect.Code, reason faultv1.Reason) error { return fault.New(code, reason, "no") }
	for _, c := range []struct {
		name string
		n    neighbour
		want func(error) bool
	}{
		{"done there", neighbour{out: &gatewayv1.SendCommandResponse{}}, func(err error) bool { return err == nil }},
		{"not there", neighbour{err: refusal(connect.CodeFailedPrecondition, faultv1.Reason_REASON_DEVICE_OFFLINE)},
			func(err error) bool { return errors.Is(err, device.ErrOffline) }},
		{"not known there", neighbour{err: refusal(connect.CodeNotFound, faultv1.Reason_REASON_NOT_FOUND)},
			func(err error) bool { return errors.Is(err, device.ErrOffline) }},
		{"no answer", neighbour{err: context.DeadlineExceeded},
			func(err error) bool { return fault.Is(err, faultv1.Reason_REASON_DEPENDENCY_DOWN) }},
	} {
		h := &Handler{Sessions: nobody{}, Neighbours: c.n, Regions: regions, Own: own, Now: time.Now}
		_, err := h.deliver(t.Context(), access.Device{ID: "device"}, session.Unlock{NotAfter: time.Now().Add(time.Second)})
		if !c.want(err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
