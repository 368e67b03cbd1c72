package gateway_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/proto"
)

func TestAnyGatewayReachesALockThatAnyGatewayHolds(t *testing.T) {
	p := newPlaces(t)
	first, second, west := p.start(""), p.start(""), p.startIn(neighbour, "")
	for name, holder := range map[string]*running{"another of the region": second, "the neighbour's": west} {
		l := p.boot(first.enroll(), func(c *locksim.Config) { c.Endpoints, c.Sensors = []string{holder.locks}, true })
		p.must(l.WaitOpen(p.soon()))
		p.must(l.WaitReceived(p.soon()))
		for at, asked := range map[string]*running{"first": first, "second": second, "west": west} {
			var report *gatewayv1.DeviceReport
			p.eventually("the lock's report", func() bool { // the device is a moment ago old
				var err error
				report, err = asked.client("devices.read").GetDeviceReport(p.soon(), &gatewayv1.GetDeviceReportRequest{
					OrgId: string(p.org), DeviceId: l.DeviceID(),
				})
				return err == nil
			})
			if report.GetGatewayId() != string(holder.ID) || report.GetFirmware() != "locksim" || report.GetDoor().GetBolt() != lockwirev1.Bolt_BOLT_LOCKED ||
				report.GetCertificateNotAfter().AsTime().Before(time.Now()) {
				t.Fatalf("a lock at %s asked at %s: %v", name, at, report)
			}
			out, err := asked.client("devices.command").SendCommand(p.soon(), &gatewayv1.SendCommandRequest{
				OrgId: string(p.org), DeviceId: l.DeviceID(),
				Command: &lockwirev1.Command{Action: &lockwirev1.Command_SetTime{SetTime: new(lockwirev1.SetTime)}},
			})
			if err != nil || out.GetOutcome() != gatewayv1.CommandOutcome_COMMAND_OUTCOME_DONE {
				t.Fatalf("a lock at %s commanded at %s: %v, %v", name, at, out, err)
			}
		}
		l.Reboot() // and it may be held elsewhere by the next round
	}
}

func TestRefusedCommands(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	device := g.device().GetDeviceId()
	send := func(c *lockwirev1.Command, permissions ...string) error {
		_, err := g.client(permissions...).SendCommand(p.soon(), &gatewayv1.SendCommandRequest{OrgId: string(p.org), DeviceId: device, Command: c})
		return err
	}
	lock := &lockwirev1.Command{Action: &lockwirev1.Command_Lock{Lock: new(lockwirev1.Lock)}}
	until := uint64(time.Now().Add(time.Hour).UnixMilli())
	hold := &lockwirev1.Command{Action: &lockwirev1.Command_HoldOpen{HoldOpen: &lockwirev1.HoldOpen{UntilMs: until}}}
	lockdown := &lockwirev1.Command{Action: &lockwirev1.Command_Lockdown{Lockdown: new(lockwirev1.Lockdown)}}
	for name, c := range map[string]struct {
		err    error
		reason faultv1.Reason
	}{
		"without the permission":        {send(lock, "doors.unlock"), faultv1.Reason_REASON_MISSING_PERMISSION},
		"a device that is not enrolled": {send(lock, "devices.command"), faultv1.Reason_REASON_NOT_FOUND},
		"no command":                    {send(nil, "devices.command"), faultv1.Reason_REASON_INVALID_FIELD},
		"unlock": {send(&lockwirev1.Command{Action: &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 1000}}}, "devices.command"),
			faultv1.Reason_REASON_INVALID_FIELD},
		"hold_open by who may not unlock": {send(hold, "devices.command"), faultv1.Reason_REASON_MISSING_PERMISSION},
		"hold_open":                       {send(hold, "devices.command", "doors.unlock"), faultv1.Reason_REASON_NOT_FOUND},
		"lockdown by who may not":         {send(lockdown, "devices.command", "doors.unlock"), faultv1.Reason_REASON_MISSING_PERMISSION},
		"lockdown":                        {send(lockdown, "devices.command", "lockdowns.write"), faultv1.Reason_REASON_NOT_FOUND},
	} {
		if !fault.Is(c.err, c.reason) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
}

func TestADoorIsHeldOpenOnceTheFirstPersonHasArrived(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	l := g.lock()
	schedule := region.NewID(region.Schedule, "euc")
	spec := &permissionsv1.ScheduleSpec{}
	for day := range int32(7) {
		spec.Weekly = append(spec.Weekly, &permissionsv1.WeeklyInterval{Weekday: day + 1, StartMinute: 0, EndMinute: 1440})
	}
	p.put(outbox.SiteKey(p.org, p.site, "schedule", schedule), &permissionsv1.ScheduleState{TimeZone: "UTC", Spec: spec})
	p.doorIs(&permissionsv1.DoorRules{AutoUnlockScheduleId: string(schedule), FirstPerson: &permissionsv1.FirstPersonRule{}})
	g.applied()
	if l.Door().GetHeldUnlocked() {
		t.Fatal("held open before anybody came")
	}
	p.eventually("the grant", func() bool { return l.Present(p.soon(), badge).Granted })
	p.must(l.WaitDoor(p.soon(), "HoldOpen", func(d *lockwirev1.DoorState) bool { return d.GetHeldUnlocked() }))
}

func TestWhoOrdersWhatIsInTheLedgerBeforeWhatTheLockDid(t *testing.T) {
	p := newPlace(t)
	g := p.start("")
	events := p.events()
	l := g.lock()
	p.must(l.WaitOpen(p.soon()))
	unlocked, err := g.client("doors.unlock").Unlock(p.soon(), &gatewayv1.UnlockRequest{OrgId: string(p.org), DoorId: string(p.door)})
	p.must(err)
	sent, err := g.client("devices.command").SendCommand(p.soon(), &gatewayv1.SendCommandRequest{
		OrgId: string(p.org), DeviceId: l.DeviceID(), Command: &lockwirev1.Command{Action: &lockwirev1.Command_Lock{Lock: new(lockwirev1.Lock)}},
	})
	p.must(err)
	p.must(l.WaitDurable(p.soon()))
	for id, action := range map[string]string{unlocked.GetCommandId(): "unlock", sent.GetCommandId(): "lock"} {
		event := events.await(t, id)
		ordered := new(gatewayv1.CommandOrdered)
		p.must(proto.Unmarshal(event.GetPayload(), ordered))
		if event.GetKind() != "command_ordered" || event.GetActor() == "" || event.GetActor() == l.DeviceID() || event.GetStream() != l.DeviceID() ||
			ordered.GetAction() != action || ordered.GetDoorId() != string(p.door) || ordered.GetGatewayId() != string(g.ID) {
			t.Errorf("%v, %v", event, ordered)
		}
	}
	var done []string
	for _, r := range l.Events() {
		if r.Event.GetKind() == lockwirev1.EventKind_EVENT_KIND_COMMAND {
			done = append(done, events.await(t, fmt.Sprintf("%s.%d.%d", l.DeviceID(), r.Epoch, r.Sequence)).GetCause())
		}
	}
	if !slices.Equal(done, []string{unlocked.GetCommandId(), sent.GetCommandId()}) {
		t.Errorf("the lock's events name as their causes %v", done)
	}
}
