package drill_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
	"github.com/cardea-mesh/cardea/services/e2e/drill"
	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
	"google.golang.org/protobuf/types/known/durationpb"
)

// settled bounds how long all that a history broke may take to be whole again.
const settled = 60 * time.Second

// budget is the staleness budget of doors whose locks may decide alone.
const budget = 5 * time.Minute

// rules are the doors': the first stays secure after its budget, the second goes on with what it has, the third decides nothing.
func rules(door int) *permissionsv1.DoorRules {
	switch door {
	case 0:
		return &permissionsv1.DoorRules{Offline: &permissionsv1.OfflineRule{Budget: durationpb.New(budget)}}
	case 1:
		return &permissionsv1.DoorRules{Offline: &permissionsv1.OfflineRule{
			Budget: durationpb.New(budget), After: permissionsv1.OfflineAfter_OFFLINE_AFTER_KEEP_GOING,
		}}
	}
	return nil
}

// errSetUp: what every history begins with could not be made. The history itself was not played, so it has nothing to do with it.
var errSetUp = errors.New("the drill could not be set up")

// play plays a history in a world that is whole, and leaves it so. Errors: errSetUp; else the world did not become whole again.
func (w *world) play(h drill.History, lies bool) (*drill.Record, error) {
	w.mend()
	p := &play{w: w, record: new(drill.Record), byDevice: map[string]int{}, lies: lies}
	defer func() {
		for _, l := range p.locks {
			if l != nil {
				l.close()
			}
		}
	}()
	if err := p.prepare(h); err != nil {
		return p.record, fmt.Errorf("%w: %w", errSetUp, err)
	}
	for _, tick := range h.Ticks {
		var all sync.WaitGroup
		for _, s := range tick {
			all.Go(func() { p.step(s) })
		}
		all.Wait()
	}
	return p.record, p.settle()
}

// prepare makes the organization that every history begins with.
func (p *play) prepare(h drill.History) error {
	w, t := p.w, p.w.t
	p.org = w.identity.Organization(t, fmt.Sprintf("drill-%d", time.Now().UnixNano()))
	p.key = w.mesh.Key(p.org.ID, append(permissionstest.AllPermissions(), "devices.write")...)
	for i := range p.people {
		p.people[i] = w.identity.Person(t, p.org, identitytest.Ada)
	}
	token, err := p.places()
	if err != nil {
		return err
	}
	if !p.reached(token) { // the last history may have left relays that wait for each other's lease
		return errors.New("what was made did not reach every gateway")
	}
	for i := range p.people {
		p.issue(i)
	}
	p.join(1)
	p.grant(0, drill.Zone)
	p.grant(drill.Group, drill.Zone)
	p.grant(2, 0)
	if err := p.enroll(h); err != nil {
		return err
	}
	return p.open()
}

// places makes the doors, the zone and the group.
func (p *play) places() (*typev1.ConsistencyToken, error) {
	client, done := p.w.permissionsAt(0, p.key)
	defer done()
	ctx, cancel := context.WithTimeout(context.Background(), settled)
	defer cancel()
	site, err := client.CreateSite(ctx, &permissionsv1.CreateSiteRequest{
		OrgId: string(p.org.ID), Region: string(regions[0]), Name: "Site", TimeZone: "Europe/Berlin", IdempotencyKey: p.once(),
	})
	if err != nil {
		return nil, err
	}
	for i := range p.doors {
		door, err := client.CreateDoor(ctx, &permissionsv1.CreateDoorRequest{
			OrgId: string(p.org.ID), SiteId: site.GetSiteId(), Name: "Door", IdempotencyKey: p.once(), Rules: rules(i),
		})
		if err != nil {
			return nil, err
		}
		p.doors[i] = door.GetDoorId()
	}
	zone, err := client.CreateZone(ctx, &permissionsv1.CreateZoneRequest{
		OrgId: string(p.org.ID), Region: string(regions[0]), Name: "Zone", DoorIds: p.doors[:], IdempotencyKey: p.once(),
	})
	if err != nil {
		return nil, err
	}
	group, err := client.CreateGroup(ctx, &permissionsv1.CreateGroupRequest{
		OrgId: string(p.org.ID), Region: string(regions[0]), Name: "Group", IdempotencyKey: p.once(),
	})
	if err != nil {
		return nil, err
	}
	p.zone, p.group = zone.GetZoneId(), group.GetGroupId()
	return group.GetToken(), nil
}

// enroll gives each lock its identity, and switches it on.
func (p *play) enroll(h drill.History) error {
	for i := range p.locks {
		l := &lock{world: p.w, record: p.record, index: i, door: i % drill.Doors, clock: h.Clocks[i], store: new(locksim.Memory)}
		for _, s := range p.w.sites {
			l.lines = append(l.lines, p.w.exchange.lay(p.w.t, s.locks, &l.uplink, &s.frozen))
		}
		p.locks[i] = l
		made, err := p.device(p.doors[l.door])
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), settled)
		l.device, err = locksim.Enroll(ctx, l.store, l.lines[0].address(), made.GetClaimCode())
		cancel()
		if err != nil {
			return err
		}
		p.byDevice[l.device] = i
		l.boot()
	}
	return nil
}

// open waits until the first person's card opens every door.
func (p *play) open() error {
	if err := p.until("locks to have what they may decide alone", func() bool {
		for _, l := range p.locks {
			if rules(l.door) != nil && l.sim.BundleVersion() == 0 {
				return false
			}
		}
		return true
	}); err != nil {
		return err
	}
	return p.until("the first card to open every door", func() bool {
		for _, l := range p.locks {
			if !l.present(p.cards[0].bits, 0).Granted {
				return false
			}
		}
		return true
	})
}

// reached waits until a commit that takes nothing is with every gateway.
func (p *play) reached(token *typev1.ConsistencyToken) bool {
	out, err := ask(p, func(_ context.Context, n *permissionstest.Tenant) (*permissionsv1.WaitEnforcedResponse, error) {
		ctx, cancel := context.WithTimeout(context.Background(), settled)
		defer cancel()
		return n.WaitEnforced(ctx, &permissionsv1.WaitEnforcedRequest{
			OrgId: string(p.org.ID), Region: token.GetRegion(), Token: token, Timeout: durationpb.New(20 * time.Second),
		})
	})
	return err == nil && out.GetEnforced()
}

// settle mends everything: then all that is pending is enforced, and every event leaves its lock.
func (p *play) settle() error {
	p.w.mend()
	for _, l := range p.locks {
		p.w.exchange.set(&l.uplink, whole)
	}
	if err := p.until("everything to be enforced", func() bool { return p.enforceAll(2 * time.Second) }); err != nil {
		return err
	}
	p.probe(everybody())
	p.alone()
	ctx, cancel := context.WithTimeout(context.Background(), settled)
	defer cancel()
	for i, l := range p.locks {
		if err := l.sim.WaitDurable(ctx); err != nil {
			return fmt.Errorf("lock %d keeps events: %w", i, err)
		}
	}
	return p.readLedger()
}

// alone cuts every lock off, now that everything is enforced, and tries all cards: what a lock still believes shows.
func (p *play) alone() {
	for _, l := range p.locks {
		p.w.exchange.set(&l.uplink, cut)
	}
	var all sync.WaitGroup
	for at, l := range p.locks {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), settled)
			defer cancel()
			if err := l.sim.WaitClosed(ctx); err != nil {
				p.w.t.Errorf("lock %d has a session over a line that is cut: %v", at, err)
			}
			for number := range p.cards {
				p.swipe(at, number, 1)
			}
		})
	}
	all.Wait()
	for _, l := range p.locks {
		p.w.exchange.set(&l.uplink, whole)
	}
}

func (p *play) until(what string, holds func() bool) error {
	for deadline := time.Now().Add(settled); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s in vain for %s", settled, what)
		}
	}
	return nil
}
