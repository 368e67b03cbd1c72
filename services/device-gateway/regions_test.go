package gateway_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestANeighbourTakesALockOver(t *testing.T) {
	p := newPlaces(t)
	central, west := p.start(""), p.startIn(neighbour, "")
	store := central.enroll()
	l := p.boot(store, func(c *locksim.Config) { c.Endpoints = []string{west.locks} })
	p.must(l.WaitOpen(p.soon()))
	got := l.Present(p.soon(), badge)
	if !got.Granted {
		t.Fatalf("%+v, %v", got, l.LastError())
	}
	// The event goes to the home's stream, though the neighbour took it.
	p.must(l.WaitDurable(p.soon()))
	found := make(chan string, 100)
	audit := p.several.Connect(t, home, "audit")
	go audit.Consume(t.Context(), consumer(), collect(found))
	await(t, found, fmt.Sprintf("%s.1.%d", l.DeviceID(), got.Sequence))

	// Central answers DEVICE_OFFLINE until its own copy has the new device; the lock knows it from west's.
	var out *gatewayv1.UnlockResponse
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		out, err = central.client("doors.unlock").Unlock(p.soon(), &gatewayv1.UnlockRequest{OrgId: string(p.org), DoorId: string(p.door)})
		if !fault.Is(err, faultv1.Reason_REASON_DEVICE_OFFLINE) {
			break
		}
	}
	if err != nil || out.GetOutcome() != gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE || l.Opened() != 2 {
		t.Fatalf("an unlock through the neighbour: %v, %v, opened %d times", out, err, l.Opened())
	}

	token := p.remove(outbox.SiteKey(p.org, p.site, "grant", p.grant))
	began := time.Now()
	applied, err := central.service("permissions").WaitApplied(p.soon(), &gatewayv1.WaitAppliedRequest{
		OrgId: string(p.org), Region: string(home), Token: token, Timeout: durationpb.New(10 * time.Second),
	})
	if err != nil || len(applied.GetGateways()) != 2 || !applied.GetGateways()[0].GetApplied() || !applied.GetGateways()[1].GetApplied() {
		t.Fatalf("%v, %v", applied, err)
	}
	t.Logf("both gateways enforce after %s", time.Since(began))
	if got := l.Present(p.soon(), badge); got.Granted {
		t.Fatal("opened after the revocation was enforced")
	}
}

func TestALockMovesWhenItsGatewayStops(t *testing.T) {
	p := newPlaces(t)
	central, west := p.start(""), p.startIn(neighbour, "")
	l := p.boot(central.enroll(), func(c *locksim.Config) { c.Endpoints = []string{central.locks, west.locks} })
	p.must(l.WaitOpen(p.soon()))
	central.stop()
	p.must(l.WaitOpen(p.soon()))
	deadline := time.Now().Add(10 * time.Second)
	for !l.Present(p.soon(), badge).Granted {
		if time.Now().After(deadline) {
			t.Fatalf("the neighbour did not take the lock over: %v", l.LastError())
		}
	}
}

func consumer() bus.Consumer {
	return bus.Consumer{Durable: fmt.Sprint("audit-test-", createKey.Add(1))}
}

func collect(found chan<- string) func(context.Context, *typev1.Event) error {
	return func(_ context.Context, ev *typev1.Event) error {
		found <- ev.GetId()
		return nil
	}
}

func await(t *testing.T, found <-chan string, id string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case got := <-found:
			if got == id {
				return
			}
		case <-deadline:
			t.Fatalf("event %s did not come", id)
		}
	}
}

// A device that was revoked while it was cut off holds what it had. Also a gateway of another region than its home lists it.
func TestANeighbourListsARevokedDeviceThatMayStillOpen(t *testing.T) {
	p := newPlaces(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	central, west := p.start(""), p.startIn(neighbour, "")
	l, wire := central.bundled()
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	_, err := central.client("devices.write").RevokeDevice(p.soon(), &gatewayv1.RevokeDeviceRequest{OrgId: string(p.org), DeviceId: l.DeviceID()})
	p.must(err)
	p.eventually("the neighbour knows of the end", func() bool {
		out, err := west.client("devices.read").ListExposures(p.soon(), &gatewayv1.ListExposuresRequest{OrgId: string(p.org), Region: string(home)})
		return err == nil && len(out.GetExposures()) == 1 && out.GetExposures()[0].GetDeviceId() == l.DeviceID()
	})
	token := p.revoke()
	if got := central.after(token); len(got) != 1 {
		t.Fatalf("exposed, at home: %v", got)
	}
	central.stop() // from now on the neighbour answers
	out, err := central.service("permissions").WaitApplied(p.soon(), &gatewayv1.WaitAppliedRequest{
		OrgId: string(p.org), Region: string(home), Token: token, Timeout: durationpb.New(15 * time.Second),
	})
	p.must(err)
	if got := out.GetExposures(); len(got) != 1 || got[0].GetDeviceId() != l.DeviceID() || got[0].GetDoorId() != string(p.door) {
		t.Fatalf("exposed: %v", out)
	}
	if got := l.Present(p.soon(), badge); !got.Granted || !got.Offline {
		t.Fatalf("inside its budget: %+v", got)
	}
}
