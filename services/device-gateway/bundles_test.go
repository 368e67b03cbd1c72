package gateway_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	gateway "github.com/cardea-mesh/cardea/services/device-gateway"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/durationpb"
)

// budget is the staleness budget of the tests' doors.
const budget = 2 * time.Hour

// offline lets the door's locks decide alone.
func (p *place) offline(after permissionsv1.OfflineAfter) {
	p.t.Helper()
	p.put(outbox.SiteKey(p.org, p.site, "door", p.door), &permissionsv1.DoorState{
		TimeZone: "Europe/Berlin", UnlockFor: durationpb.New(3 * time.Second),
		Rules: &permissionsv1.DoorRules{Offline: &permissionsv1.OfflineRule{Budget: durationpb.New(budget), After: after}},
	})
}

// uplink is what a lock's connections go through.
type uplink struct {
	cut   atomic.Bool
	mu    sync.Mutex
	conns []net.Conn
}

var errCut = errors.New("the cable is cut")

func (c *uplink) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c.cut.Load() {
		return nil, errCut
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *uplink) set(cut bool) {
	c.cut.Store(cut)
	if !cut {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// bundled is a lock at an offline door that holds a bundle, which the gateway knows: from now on, cut off or not, it is exposed to nothing.
func (r *running) bundled() (*locksim.Lock, *uplink) {
	r.place.t.Helper()
	wire := new(uplink)
	l := r.place.boot(r.enroll(), func(c *locksim.Config) { c.Dial = wire.dial })
	r.place.must(l.WaitOpen(r.place.soon()))
	r.place.eventually("the lock holds a bundle", func() bool { return l.BundleVersion() > 0 })
	r.place.eventually("nothing is exposed", func() bool { return len(r.exposures()) == 0 })
	return l, wire
}

// after waits for a commit and returns what is exposed to it.
func (r *running) after(token *typev1.ConsistencyToken) []*gatewayv1.Exposure {
	r.place.t.Helper()
	out := r.wait(token, 15*time.Second)
	for _, g := range out.GetGateways() {
		if !g.GetApplied() {
			r.place.t.Fatalf("%s has not applied %v", g.GetGatewayId(), token)
		}
	}
	return out.GetExposures()
}

func (r *running) wait(token *typev1.ConsistencyToken, timeout time.Duration) *gatewayv1.WaitAppliedResponse {
	r.place.t.Helper()
	out, err := r.service("permissions").WaitApplied(r.place.soon(), &gatewayv1.WaitAppliedRequest{
		OrgId: string(r.place.org), Region: string(home), Token: token, Timeout: durationpb.New(timeout),
	})
	r.place.must(err)
	return out
}

func (p *place) revoke() *typev1.ConsistencyToken {
	p.t.Helper()
	return p.remove(outbox.SiteKey(p.org, p.site, "grant", p.grant))
}

func (r *running) exposures() []*gatewayv1.Exposure {
	r.place.t.Helper()
	out, err := r.client("devices.read").ListExposures(r.place.soon(), &gatewayv1.ListExposuresRequest{OrgId: string(r.place.org), Region: string(home)})
	r.place.must(err)
	return out.GetExposures()
}

func TestAConnectedLockIsNoExposure(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	g := p.start("")
	l, wire := g.bundled()
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	if got := l.Present(p.soon(), badge); !got.Offline || !got.Granted {
		t.Fatalf("alone, before: %+v", got)
	}
	wire.set(false)
	p.must(l.WaitOpen(p.soon()))
	if got := g.after(p.revoke()); len(got) != 0 {
		t.Fatalf("a connected lock is exposed: %v", got)
	}
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	if got := l.Present(p.soon(), badge); got.Granted || !got.Offline {
		t.Fatalf("alone, after: %+v", got)
	}
}

func TestALockThatIsCutOffIsListedUntilItIsBack(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	g := p.start("")
	l, wire := g.bundled()
	p.eventually("the report has the bundle", func() bool {
		r, err := g.client("devices.read").GetDeviceReport(p.soon(), &gatewayv1.GetDeviceReportRequest{OrgId: string(p.org), DeviceId: l.DeviceID()})
		return err == nil && r.GetBundleVersion() == l.BundleVersion() && r.GetBundleUntil().AsTime().After(time.Now().Add(budget-2*time.Minute))
	})
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	latest := time.Now().Add(budget)
	token := p.revoke()
	got := g.after(token)
	if len(got) != 1 || got[0].GetDeviceId() != l.DeviceID() || got[0].GetDoorId() != string(p.door) {
		t.Fatalf("exposed: %v", got)
	}
	until := got[0].GetUntil().AsTime()
	if until.After(latest) || until.Before(latest.Add(-2*time.Minute)) {
		t.Fatalf("exposed until %v, the budget ends about %v", until, latest)
	}
	if all := g.exposures(); len(all) != 1 || all[0].GetDeviceId() != l.DeviceID() || !all[0].GetUntil().AsTime().Equal(until) {
		t.Fatalf("listed: %v", all)
	}
	if got := l.Present(p.soon(), badge); !got.Granted || !got.Offline {
		t.Fatalf("inside the budget: %+v", got)
	}
	wire.set(false)
	p.eventually("nothing is exposed", func() bool { return len(g.exposures()) == 0 })
	if got := g.after(token); len(got) != 0 {
		t.Fatalf("still exposed: %v", got)
	}
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	if got := l.Present(p.soon(), badge); got.Granted || !got.Offline {
		t.Fatalf("alone, after: %+v", got)
	}
}

func TestAnExposureEndsWithItsBudgetUnlessTheDoorKeepsGoing(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_KEEP_GOING)
	g := p.start("")
	l, wire := g.bundled()
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	token := p.revoke()
	if got := g.after(token); len(got) != 1 || got[0].GetUntil() != nil {
		t.Fatalf("a lock that keeps going: %v", got)
	}
	p.ahead.Store(int64(budget + time.Hour))
	if got := g.exposures(); len(got) != 1 {
		t.Fatalf("after its budget a lock that keeps going: %v", got)
	}
}

func TestWhatDoesNotConcernALockDoesNotExposeIt(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	other := region.NewID(region.Grant, "euc")
	elsewhere := outbox.SiteKey(p.org, p.site, "door", region.NewID(region.Door, "euc"))
	p.put(elsewhere, &permissionsv1.DoorState{TimeZone: "Europe/Berlin"})
	p.put(outbox.SiteKey(p.org, p.site, "grant", other), &permissionsv1.GrantState{SubjectId: string(region.NewID(region.Person, "euc")), TargetId: string(p.door)})
	g := p.start("")
	l, wire := g.bundled()
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	if got := g.after(p.remove(elsewhere)); len(got) != 0 {
		t.Fatalf("by another door: %v", got)
	}
	// Somebody who carries nothing is in no bundle.
	if got := g.after(p.remove(outbox.SiteKey(p.org, p.site, "grant", other))); len(got) != 0 {
		t.Fatalf("by a grant that the lock does not hold: %v", got)
	}
}

func TestADoorThatIsNotOfflineAnyMoreTakesItsBundleBack(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	g := p.start("")
	l, _ := g.bundled()
	p.put(outbox.SiteKey(p.org, p.site, "door", p.door), &permissionsv1.DoorState{TimeZone: "Europe/Berlin"})
	p.eventually("the lock holds nothing", func() bool { return l.BundleVersion() == 0 })
	if got := g.after(p.revoke()); len(got) != 0 {
		t.Fatalf("exposed: %v", got)
	}
}

func TestAGatewayThatStartsAnewKnowsWhatWasGiven(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	dir := t.TempDir()
	g := p.start(dir)
	l, wire := g.bundled()
	version := l.BundleVersion()
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	g.stop()
	g = p.start(dir)
	p.eventually("it is known that nothing has changed", func() bool {
		out, err := g.client("devices.read").ListExposures(p.soon(), &gatewayv1.ListExposuresRequest{OrgId: string(p.org), Region: string(home)})
		return err == nil && len(out.GetExposures()) == 0
	})
	token := p.revoke()
	if got := g.after(token); len(got) != 1 || got[0].GetDeviceId() != l.DeviceID() {
		t.Fatalf("exposed: %v", got)
	}
	g.stop()
	g = p.start(dir)
	if got := g.after(token); len(got) != 1 {
		t.Fatalf("after another start: %v", got)
	}
	if l.BundleVersion() != version {
		t.Fatal("a lock that is cut off got something")
	}
}

// A bundle is compiled and noted; before it is looked whether that still holds, the grant ends. What was compiled goes to nobody.
func TestABundleThatARevocationOvertakesIsNotGiven(t *testing.T) {
	p := newPlace(t)
	p.offline(permissionsv1.OfflineAfter_OFFLINE_AFTER_STAY_SECURE)
	held, goOn := make(chan struct{}, 100), make(chan struct{})
	var once sync.Once
	slow := p.start("", func(parts *gateway.Parts) {
		parts.BundleMoment = func(_ string, at gateway.BundleMoment, _ int) {
			if at == gateway.BundleNoted {
				once.Do(func() {
					held <- struct{}{}
					<-goOn
				})
			}
		}
	})
	quick := p.start("")
	wire := new(uplink)
	l := p.boot(slow.enroll(), func(c *locksim.Config) { c.Dial = wire.dial })
	select {
	case <-held:
	case <-p.soon().Done():
		t.Fatal("no bundle was made")
	}
	token := p.revoke()
	// Noted is noted: the other gateway lists the lock, and does not say that nothing is to be feared.
	out := quick.wait(token, 15*time.Second)
	if len(out.GetExposures()) != 1 || out.GetExposures()[0].GetDeviceId() != l.DeviceID() {
		t.Fatalf("exposed: %v", out)
	}
	close(goOn)
	p.eventually("the lock holds a bundle", func() bool { return l.BundleVersion() > 0 })
	p.eventually("nothing is exposed", func() bool { return len(quick.exposures()) == 0 })
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	if got := l.Present(p.soon(), badge); got.Granted || !got.Offline {
		t.Fatalf("alone: %+v", got)
	}
}

// TestALockThatIsCutOffStandsOpenByItself: the piece of the door's schedule begins and ends while nobody can tell the lock.
func TestALockThatIsCutOffStandsOpenByItself(t *testing.T) {
	p := newPlace(t)
	begin := time.Now().Add(40 * time.Minute).Truncate(time.Minute).UTC()
	end := begin.Add(10 * time.Minute)
	schedule := region.NewID(region.Schedule, "euc")
	p.put(outbox.SiteKey(p.org, p.site, "schedule", schedule), &permissionsv1.ScheduleState{
		TimeZone: "Etc/UTC", Spec: &permissionsv1.ScheduleSpec{Weekly: daily(begin, end)},
	})
	p.put(outbox.SiteKey(p.org, p.site, "door", p.door), &permissionsv1.DoorState{TimeZone: "Etc/UTC", Rules: &permissionsv1.DoorRules{
		AutoUnlockScheduleId: string(schedule), Offline: &permissionsv1.OfflineRule{Budget: durationpb.New(budget)},
	}})
	g := p.start("")
	wire, ahead := new(uplink), new(atomic.Int64)
	l := p.boot(g.enroll(), func(c *locksim.Config) {
		c.Dial, c.Sensors, c.KeepClock = wire.dial, true, true
		c.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	p.must(l.WaitOpen(p.soon()))
	p.eventually("the lock holds a bundle", func() bool { return l.BundleVersion() > 0 })
	wire.set(true)
	p.must(l.WaitClosed(p.soon()))
	if d := l.Door(); d.GetHeldUnlocked() || d.GetBolt() != lockwirev1.Bolt_BOLT_LOCKED {
		t.Fatalf("before its time it stands open: %v", d)
	}
	// move brings the lock's clock to a moment, and has the lock look at its door: its timers run by the true one.
	move := func(to time.Time) {
		ahead.Store(int64(time.Until(to)))
		l.SetDoor(func(s *locksim.Sensors) { s.RequestToExit = !s.RequestToExit })
	}
	stands := func(want bool) {
		t.Helper()
		p.must(l.WaitDoor(p.soon(), "the bolt to move by itself", func(d *lockwirev1.DoorState) bool {
			return d.GetHeldUnlocked() == want && (d.GetBolt() == lockwirev1.Bolt_BOLT_UNLOCKED) == want
		}))
	}
	move(begin.Add(-100 * time.Millisecond))
	stands(true)
	move(end.Add(-100 * time.Millisecond))
	stands(false)
	move(begin)
	stands(true)
	wire.set(false) // a gateway says now what the door does, and by its clock the piece has not begun
	p.must(l.WaitOpen(p.soon()))
	stands(false)
	p.must(l.WaitDurable(p.soon()))
	p.ledger(map[string][]locksim.Record{l.DeviceID(): l.Events()})
}

// daily is a piece of every day; one over midnight is two.
func daily(begin, end time.Time) (all []*permissionsv1.WeeklyInterval) {
	minute := func(at time.Time) int32 { return int32(at.Hour()*60 + at.Minute()) }
	for day := range int32(7) {
		from, to := minute(begin), minute(end)
		if to <= from {
			if to > 0 {
				all = append(all, &permissionsv1.WeeklyInterval{Weekday: day + 1, EndMinute: to})
			}
			to = 1440
		}
		all = append(all, &permissionsv1.WeeklyInterval{Weekday: day + 1, StartMinute: from, EndMinute: to})
	}
	return all
}
