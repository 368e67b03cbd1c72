package rpc

import (
	"context"
	"errors"
	"log/slog"
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
	platformrpc "github.com/cardea-mesh/cardea/services/platform/rpc"
)

// nobody has no lock connected.
type nobody struct{}

func (nobody) Connected(string) bool { return false }

func (nobody) Command(context.Context, session.Order) (*lockwirev1.CommandResult, error) {
	return nil, session.ErrOffline
}

func (nobody) Report(string) (session.Report, bool) { return session.Report{}, false }

// gateway answers every call alike; one that hangs does until it is told that nobody waits any more.
type gateway struct {
	out   *gatewayv1.SendCommandResponse
	err   error
	hangs bool
}

func (g gateway) DeliverCommand(ctx context.Context, _ *gatewayv1.DeliverCommandRequest) (*gatewayv1.SendCommandResponse, error) {
	if g.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return g.out, g.err
}

func (g gateway) ObserveDevice(context.Context, *gatewayv1.ObserveDeviceRequest) (*gatewayv1.DeviceReport, error) {
	return nil, g.err
}

// mesh is the gateways of each region; a region that is absent cannot be listed.
type mesh map[region.Name][]Gateway

func (m mesh) In(_ context.Context, r region.Name) ([]Gateway, error) {
	all, ok := m[r]
	if !ok {
		return nil, errors.New("the directory does not answer")
	}
	return all, nil
}

// A gateway that says "not here" is one thing; one that did not answer may have opened the door, and is another.
func TestEveryGatewayOfTheJurisdictionIsAskedForTheLock(t *testing.T) {
	regions, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"}, "eu-west": {Code: "euw", Jurisdiction: "eu"}, "us-east": {Code: "use", Jurisdiction: "us"},
	})
	if err != nil {
		t.Fatal(err)
	}
	own, _ := regions.Get("eu-central")
	refusal := func(code connect.Code, reason faultv1.Reason) error { return fault.New(code, reason, "no") }
	here := gateway{out: &gatewayv1.SendCommandResponse{}}
	offline := gateway{err: refusal(connect.CodeFailedPrecondition, faultv1.Reason_REASON_DEVICE_OFFLINE)}
	unknown := gateway{err: refusal(connect.CodeNotFound, faultv1.Reason_REASON_NOT_FOUND)}
	down := gateway{err: errors.New("connection refused")}
	busy := gateway{err: refusal(connect.CodeResourceExhausted, faultv1.Reason_REASON_OVER_LIMIT)}
	isOffline := func(err error) bool { return errors.Is(err, device.ErrOffline) }
	isDown := func(err error) bool { return fault.Is(err, faultv1.Reason_REASON_DEPENDENCY_DOWN) }
	done := func(err error) bool { return err == nil }
	for _, c := range []struct {
		name string
		mesh mesh
		want func(error) bool
	}{
		{"at another gateway of the own region", mesh{"eu-central": {offline, offline, here}, "eu-west": {offline}}, done},
		{"at the second gateway of the neighbour", mesh{"eu-central": {offline}, "eu-west": {unknown, here}}, done},
		{"found, while another hangs", mesh{"eu-central": {gateway{hangs: true}}, "eu-west": {here}}, done},
		{"found, while another is down", mesh{"eu-central": {down, down}, "eu-west": {here}}, done},
		{"nowhere", mesh{"eu-central": {offline, unknown}, "eu-west": {offline}}, isOffline},
		{"nowhere, and a region without gateways", mesh{"eu-central": {offline}, "eu-west": nil}, isOffline},
		{"one does not answer", mesh{"eu-central": {offline}, "eu-west": {down, offline}}, isDown},
		{"one region cannot be listed", mesh{"eu-central": {offline}}, isDown},
		{"held, with too much to do", mesh{"eu-central": {busy}, "eu-west": {offline}},
			func(err error) bool { return fault.Is(err, faultv1.Reason_REASON_OVER_LIMIT) }},
	} {
		orders := new(orders)
		h := &Handler{Sessions: nobody{}, Neighbours: c.mesh, Orders: orders, Regions: regions, Own: own, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := h.deliver(ctx, access.Device{ID: "device"}, session.Order{Command: new(lockwirev1.Command), NotAfter: time.Now().Add(time.Second)})
		if ctx.Err() != nil {
			t.Errorf("%s: took too long", c.name)
		}
		cancel()
		if !c.want(err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(orders.all) != 1 {
			t.Errorf("%s: %d orders were recorded", c.name, len(orders.all))
		}
	}
}

func TestAGatewayAcrossTheBorderReachesNoLock(t *testing.T) {
	regions, err := region.NewMap(map[region.Name]region.Spec{
		"eu-central": {Code: "euc", Jurisdiction: "eu"}, "eu-west": {Code: "euw", Jurisdiction: "eu"}, "us-east": {Code: "use", Jurisdiction: "us"},
	})
	if err != nil {
		t.Fatal(err)
	}
	own, _ := regions.Get("eu-central")
	h := &Handler{Doors: noDoors{}, Sessions: nobody{}, Regions: regions, Own: own, Now: time.Now}
	for peer, reason := range map[region.Name]faultv1.Reason{
		"us-east": faultv1.Reason_REASON_MISSING_PERMISSION, "eu-west": faultv1.Reason_REASON_NOT_FOUND, "eu-central": faultv1.Reason_REASON_NOT_FOUND,
	} {
		ctx := platformrpc.WithCaller(t.Context(), platformrpc.Caller{Kind: platformrpc.ServiceCaller, Service: "device-gateway", Region: peer})
		_, delivered := h.DeliverCommand(ctx, new(gatewayv1.DeliverCommandRequest))
		_, observed := h.ObserveDevice(ctx, new(gatewayv1.ObserveDeviceRequest))
		for _, err := range []error{delivered, observed} {
			if told, _ := fault.Translate(err, Errors()); told == nil || told.Reason != reason {
				t.Errorf("%s: %v", peer, err)
			}
		}
	}
}

// noDoors knows none.
type noDoors struct{ Doors }

func (noDoors) Device(string) (access.Device, bool, bool) { return access.Device{}, false, false }
