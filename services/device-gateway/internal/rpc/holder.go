package rpc

import (
	"context"
	"errors"
	"sync"

	"connectrpc.com/connect"
	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1/gatewayv1connect"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/device"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	platformrpc "github.com/cardea-mesh/cardea/services/platform/rpc"
	"golang.org/x/sync/errgroup"
)

// askAtOnce is how many gateways are asked at a time who holds a lock.
const askAtOnce = 16

// Gateway is another gateway, as far as a lock that it may hold is concerned.
type Gateway interface {
	DeliverCommand(context.Context, *gatewayv1.DeliverCommandRequest) (*gatewayv1.SendCommandResponse, error)
	ObserveDevice(context.Context, *gatewayv1.ObserveDeviceRequest) (*gatewayv1.DeviceReport, error)
}

// Neighbours are the gateways of the jurisdiction.
type Neighbours interface {
	// In lists the gateways of a region that are known to run; none is an empty list.
	In(ctx context.Context, r region.Name) ([]Gateway, error)
}

// Mesh is Neighbours over the mesh.
type Mesh struct{ Dialer *platformrpc.Dialer }

// In implements Neighbours.
func (m Mesh) In(ctx context.Context, r region.Name) ([]Gateway, error) {
	const service = "device-gateway"
	urls, err := m.Dialer.Each(ctx, service, r)
	var all []Gateway
	for _, url := range urls {
		all = append(all, gatewayv1connect.NewGatewayServiceClient(m.Dialer.HTTPClient(service), url, m.Dialer.Options()...))
	}
	return all, err
}

// elsewhere asks all gateways of the jurisdiction, several at a time, for the answer of the one that holds the lock; the first such
// answer counts. device.ErrOffline: all were asked, and none holds it. Otherwise, when one could not be asked: the lock may be
// there. The own gateway is among the asked; it may hold the lock by now.
func elsewhere[T any](ctx context.Context, h *Handler, ask func(context.Context, region.Name, Gateway) (*T, error)) (*T, error) {
	ctx, found := context.WithCancel(ctx)
	defer found()
	var mu sync.Mutex // guards what follows
	var answer *T
	var none error = device.ErrOffline
	told := func(r region.Name, out *T, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case answer != nil:
		case err == nil:
			answer = out
			found()
		case fault.Is(err, faultv1.Reason_REASON_DEVICE_OFFLINE), fault.Is(err, faultv1.Reason_REASON_NOT_FOUND):
		case fault.Is(err, faultv1.Reason_REASON_OVER_LIMIT):
			none = err // it holds the lock, and says why not
		case errors.Is(none, device.ErrOffline):
			none = fault.New(connect.CodeUnavailable, faultv1.Reason_REASON_DEPENDENCY_DOWN,
				"a gateway of %s could not be asked: whether the lock is there, and did it, is not known", r)
		}
	}
	var group errgroup.Group
	group.SetLimit(askAtOnce)
	for _, r := range h.Regions.In(h.Own.Jurisdiction) {
		gateways, err := h.Neighbours.In(ctx, r.Name)
		if err != nil {
			told(r.Name, nil, err)
		}
		for _, g := range gateways {
			group.Go(func() error {
				out, err := ask(ctx, r.Name, g)
				told(r.Name, out, err)
				return nil
			})
		}
	}
	group.Wait()
	if answer != nil {
		return answer, nil
	}
	return nil, none
}
