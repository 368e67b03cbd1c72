package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestFromAClaimCodeToTheLedgerEvent(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	events := p.events()
	l := g.lock()
	got := l.Present(p.soon(), badge)
	if !got.Granted || got.UnlockFor != 3*time.Second {
		t.Fatalf("%+v, %v", got, l.LastError())
	}
	p.must(l.WaitDurable(p.soon()))
	ev := events.await(t, fmt.Sprintf("%s.%d.%d", l.DeviceID(), got.Epoch, got.Sequence))
	e := new(gatewayv1.LockEvent)
	p.must(proto.Unmarshal(ev.GetPayload(), e))
	if ev.GetKind() != "access" || ev.GetRegion() != string(home) || ev.GetOrgId() != string(p.org) || ev.GetService() != gateway.Service ||
		e.GetPersonId() != string(p.person) || e.GetDecision().GetGrantId() != string(p.grant) || e.GetSiteId() != string(p.site) ||
		e.GetGatewayId() != string(g.ID) {
		t.Fatalf("%v\n%v", ev, e)
	}
	d, err := g.client("devices.read").GetDevice(p.soon(), &gatewayv1.GetDeviceRequest{OrgId: string(p.org), DeviceId: l.DeviceID()})
	if err != nil || d.GetStatus() != gatewayv1.DeviceStatus_DEVICE_STATUS_ENROLLED || d.GetSiteId() != string(p.site) || d.GetEnrolledAt() == nil {
		t.Fatalf("%v, %v", d, err)
	}
	p.eventually("the device's own events", func() bool { return events.ofKind("device_created") == 1 && events.ofKind("device_enrolled") == 1 })
}

func TestAClaimCodeWorksOnceAndForATime(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	refused := func(what, code string) {
		t.Helper()
		var said *locksim.ProtocolError
		if _, err := locksim.Enroll(p.soon(), new(locksim.Memory), g.locks, code); !errors.As(err, &said) || said.Code != lockwirev1.ErrorCode_ERROR_CODE_CLAIM_REFUSED {
			t.Errorf("%s: %v", what, err)
		}
	}
	used := g.device().GetClaimCode()
	if _, err := locksim.Enroll(p.soon(), new(locksim.Memory), g.locks, used); err != nil {
		t.Fatal(err)
	}
	refused("a second use", used)
	late := g.device()
	if d := time.Until(late.GetClaimExpiresAt().AsTime()); d < 23*time.Hour || d > 25*time.Hour {
		t.Errorf("the claim ends in %s", d)
	}
	p.ahead.Store(int64(25 * time.Hour))
	refused("an expired code", late.GetClaimCode())
	p.ahead.Store(0)
	revoked := g.device()
	_, err := g.client("devices.write").RevokeDevice(p.soon(), &gatewayv1.RevokeDeviceRequest{OrgId: string(p.org), DeviceId: revoked.GetDeviceId()})
	p.must(err)
	refused("a revoked device's code", revoked.GetClaimCode())
}

func TestCreateDeviceIsRepeatable(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	c := g.client("devices.write")
	req := &gatewayv1.CreateDeviceRequest{OrgId: string(p.org), DoorId: string(p.door), IdempotencyKey: "same"}
	first, err := c.CreateDevice(p.soon(), req)
	p.must(err)
	again, err := c.CreateDevice(p.soon(), req)
	if err != nil || again.GetDeviceId() != first.GetDeviceId() || again.GetClaimCode() != first.GetClaimCode() {
		t.Fatalf("%v, %v", again, err)
	}
	req.ClaimTtl = durationpb.New(time.Hour)
	if _, err := c.CreateDevice(p.soon(), req); !fault.Is(err, faultv1.Reason_REASON_IDEMPOTENCY_MISMATCH) {
		t.Fatalf("another request under the same key: %v", err)
	}
}

func TestRefusedCalls(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	other := region.NewID(region.Organization, "euc")
	device := g.device().GetDeviceId()
	for name, c := range map[string]struct {
		call   func() error
		reason faultv1.Reason
	}{
		"a door that is not there": {func() error {
			_, err := g.client("devices.write").CreateDevice(p.soon(), &gatewayv1.CreateDeviceRequest{
				OrgId: string(p.org), DoorId: string(region.NewID(region.Door, "euc")), IdempotencyKey: "x",
			})
			return err
		}, faultv1.Reason_REASON_NOT_FOUND},
		"another organization's door": {func() error {
			_, err := g.as(other, "devices.write").CreateDevice(p.soon(), &gatewayv1.CreateDeviceRequest{
				OrgId: string(other), DoorId: string(p.door), IdempotencyKey: "x",
			})
			return err
		}, faultv1.Reason_REASON_NOT_FOUND},
		"another organization's device": {func() error {
			_, err := g.as(other, "devices.read").GetDevice(p.soon(), &gatewayv1.GetDeviceRequest{OrgId: string(other), DeviceId: device})
			return err
		}, faultv1.Reason_REASON_NOT_FOUND},
		"a door where a device is due": {func() error {
			_, err := g.client("devices.read").GetDevice(p.soon(), &gatewayv1.GetDeviceRequest{OrgId: string(p.org), DeviceId: string(p.door)})
			return err
		}, faultv1.Reason_REASON_WRONG_ID_KIND},
		"without the permission": {func() error {
			_, err := g.client("devices.read").RevokeDevice(p.soon(), &gatewayv1.RevokeDeviceRequest{OrgId: string(p.org), DeviceId: device})
			return err
		}, faultv1.Reason_REASON_MISSING_PERMISSION},
		"a tenant at the mesh's calls": {func() error {
			_, err := g.client("mesh.wait_applied").WaitApplied(p.soon(), &gatewayv1.WaitAppliedRequest{
				OrgId: string(p.org), Region: string(home), Token: &typev1.ConsistencyToken{Service: "permissions"},
			})
			return err
		}, faultv1.Reason_REASON_MISSING_PERMISSION},
		"an unlock too far ahead": {func() error {
			_, err := g.client("doors.unlock").Unlock(p.soon(), &gatewayv1.UnlockRequest{
				OrgId: string(p.org), DoorId: string(p.door), NotAfter: timestamppb.New(time.Now().Add(time.Hour)),
			})
			return err
		}, faultv1.Reason_REASON_INVALID_FIELD},
		"an unlock of a lock that is not connected": {func() error {
			_, err := g.client("doors.unlock").Unlock(p.soon(), &gatewayv1.UnlockRequest{OrgId: string(p.org), DoorId: string(p.door)})
			return err
		}, faultv1.Reason_REASON_DEVICE_OFFLINE},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.call(); !fault.Is(err, c.reason) {
				t.Fatalf("%v, wanted %s", err, c.reason)
			}
		})
	}
}

func TestARevokedGrantIsEnforcedAndReported(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	l := g.lock()
	if got := l.Present(p.soon(), badge); !got.Granted {
		t.Fatalf("%+v", got)
	}
	token := p.remove(outbox.SiteKey(p.org, p.site, "grant", p.grant))
	began := time.Now()
	out, err := g.service("permissions").WaitApplied(p.soon(), &gatewayv1.WaitAppliedRequest{
		OrgId: string(p.org), Region: string(home), Token: token, Timeout: durationpb.New(10 * time.Second),
	})
	p.must(err)
	t.Logf("enforced after %s", time.Since(began))
	if len(out.GetGateways()) != 1 || !out.GetGateways()[0].GetApplied() || out.GetGateways()[0].GetVersion() < token.GetVersion() ||
		out.GetGateways()[0].GetGatewayId() != string(g.ID) {
		t.Fatalf("%v", out)
	}
	got := l.Present(p.soon(), badge)
	if got.Granted || permissionsv1.DecisionReason(got.Reason) != permissionsv1.DecisionReason_DECISION_REASON_NO_GRANT {
		t.Fatalf("%+v", got)
	}
	token.Version += 1000
	out, err = g.service("permissions").WaitApplied(p.soon(), &gatewayv1.WaitAppliedRequest{OrgId: string(p.org), Region: string(home), Token: token})
	if err != nil || len(out.GetGateways()) != 1 || out.GetGateways()[0].GetApplied() {
		t.Fatalf("a commit to come: %v, %v", out, err)
	}
	// A gateway that does not report counts until its copy is too old to be used.
	g.stop()
	second := p.start("")
	second.lock() // it takes locks, so it is registered
	p.ahead.Store(int64(25 * time.Hour))
	out, err = second.service("permissions").WaitApplied(p.soon(), &gatewayv1.WaitAppliedRequest{OrgId: string(p.org), Region: string(home), Token: token})
	if err != nil || len(out.GetGateways()) != 2 {
		t.Fatalf("%v, %v", out, err)
	}
	for _, s := range out.GetGateways() {
		if s.GetGatewayId() == string(g.ID) && !s.GetApplied() {
			t.Fatalf("a gateway whose copy ran out is still waited for: %v", out)
		}
	}
}

func TestARevokedDeviceIsClosed(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	l := g.lock()
	out, err := g.client("devices.write").RevokeDevice(p.soon(), &gatewayv1.RevokeDeviceRequest{OrgId: string(p.org), DeviceId: l.DeviceID()})
	p.must(err)
	p.must(l.WaitClosed(p.soon()))
	applied, err := g.service("permissions").WaitApplied(p.soon(), &gatewayv1.WaitAppliedRequest{
		OrgId: string(p.org), Region: string(home), Token: out.GetToken(), Timeout: durationpb.New(10 * time.Second),
	})
	if err != nil || len(applied.GetGateways()) != 1 || !applied.GetGateways()[0].GetApplied() {
		t.Fatalf("%v, %v", applied, err)
	}
	var said *locksim.ProtocolError
	if err := l.WaitError(p.soon()); !errors.As(err, &said) || said.Code != lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED {
		t.Fatal(err)
	}
	again, err := g.client("devices.write").RevokeDevice(p.soon(), &gatewayv1.RevokeDeviceRequest{OrgId: string(p.org), DeviceId: l.DeviceID()})
	if err != nil || again.GetToken().GetVersion() < out.GetToken().GetVersion() {
		t.Fatalf("revoked again: %v, %v", again, err)
	}
}

func TestDurableOnlyWhenTheBrokerHasIt(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	events := p.events()
	l := g.lock()
	p.must(l.WaitDurable(p.soon()))
	p.broker.Stop()
	var sequences []uint64
	for range 3 {
		got := l.Present(p.soon(), badge)
		if !got.Granted {
			t.Fatalf("with the broker down: %+v", got)
		}
		sequences = append(sequences, got.Sequence)
	}
	p.must(l.WaitReceived(p.soon()))
	if held := len(l.Events()); held != 4 {
		t.Fatalf("%d events", held)
	}
	p.broker.Restart(t)
	p.must(l.WaitDurable(p.soon()))
	for _, n := range sequences {
		events.await(t, fmt.Sprintf("%s.1.%d", l.DeviceID(), n))
	}
	if n := events.ofKind("access"); n != 3 {
		t.Fatalf("%d access events", n)
	}
}

func TestARestartWithEverythingElseDownStillDecides(t *testing.T) {
	p := newPlace(t)
	dir := t.TempDir()
	g := p.start(dir)
	l, store := g.enrolled()
	p.must(l.WaitOpen(p.soon()))
	p.must(l.WaitDurable(p.soon()))
	g.stop()
	p.broker.Stop()
	nowhere, err := database.Open(t.Context(), database.Config{URL: "postgres://gateway@127.0.0.1:1/cardea", Schema: gateway.Schema})
	p.must(err)
	t.Cleanup(nowhere.Close)
	again := p.start(dir, func(parts *gateway.Parts) { parts.DB = nowhere })
	if again.ID != g.ID {
		t.Fatalf("the gateway has another id: %s, was %s", again.ID, g.ID)
	}
	cold := p.boot(store, func(c *locksim.Config) { c.Endpoints = []string{again.locks} })
	p.must(cold.WaitOpen(p.soon()))
	got := cold.Present(p.soon(), badge)
	if !got.Granted {
		t.Fatalf("%+v", got)
	}
	p.must(cold.WaitReceived(p.soon()))
	// Killed and started again with all back: the journal delivers what the broker never saw.
	again.stop()
	p.broker.Restart(t)
	events := p.events()
	p.start(dir)
	events.await(t, fmt.Sprintf("%s.%d.%d", cold.DeviceID(), got.Epoch, got.Sequence))
}

func TestAnUnlockIsCarriedOutAndNeverLate(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	l := g.lock()
	unlock := g.client("doors.unlock")
	out, err := unlock.Unlock(p.soon(), &gatewayv1.UnlockRequest{OrgId: string(p.org), DoorId: string(p.door)})
	if err != nil || out.GetOutcome() != gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE || l.Opened() != 1 {
		t.Fatalf("%v, %v, opened %d times", out, err, l.Opened())
	}
	out, err = unlock.Unlock(p.soon(), &gatewayv1.UnlockRequest{
		OrgId: string(p.org), DoorId: string(p.door), NotAfter: timestamppb.New(time.Now().Add(-time.Second)),
	})
	if err != nil || out.GetOutcome() != gatewayv1.CommandOutcome_COMMAND_OUTCOME_EXPIRED || l.Opened() != 1 {
		t.Fatalf("too late: %v, %v, opened %d times", out, err, l.Opened())
	}
	mesh := g.service(gateway.Service)
	delivered, err := mesh.DeliverCommand(p.soon(), &gatewayv1.DeliverCommandRequest{
		OrgId: string(p.org), Region: string(home), DeviceId: l.DeviceID(), CommandId: string(region.NewID(region.Command, "euc")),
		NotAfter: timestamppb.New(time.Now().Add(5 * time.Second)),
		Command:  &lockwirev1.Command{Action: &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 1000}}},
	})
	if err != nil || delivered.GetOutcome() != gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE || l.Opened() != 2 {
		t.Fatalf("%v, %v", delivered, err)
	}
	p.must(l.WaitDurable(p.soon()))
}

func TestANewGatewayTakesNoLockBeforeItIsRegistered(t *testing.T) {
	p := newPlace(t)
	nowhere, err := database.Open(t.Context(), database.Config{URL: "postgres://gateway@127.0.0.1:1/cardea", Schema: gateway.Schema})
	p.must(err)
	t.Cleanup(nowhere.Close)
	unregistered := p.start("", func(parts *gateway.Parts) { parts.DB = nowhere })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"cardea-enroll/1"}}}).DialContext(ctx, "tcp", unregistered.locks)
	if err == nil {
		conn.Close()
		t.Fatal("a handshake was answered before anybody counts this gateway")
	}
}

func TestEveryMethodSaysWhoMayCallItAndRefusesTheRest(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	files := []protoreflect.FileDescriptor{gatewayv1.File_cardea_gateway_v1_gateway_proto}
	if err := rpc.Walk(files); err != nil {
		t.Fatal(err)
	}
	p.mesh.RefusesOthers(t, g.url, files[0])
}
