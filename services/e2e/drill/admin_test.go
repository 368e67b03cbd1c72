package drill_test

import (
	"context"
	"fmt"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	identityv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/identity/v1"
	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/e2e/drill"
	"github.com/cardea-mesh/cardea/services/identity/identitytest"
	"github.com/cardea-mesh/cardea/services/permissions/permissionstest"
)

// everybody are the people whose cards a change may concern.
func everybody() (all []int) {
	for i := range drill.People {
		all = append(all, i)
	}
	return all
}

// subject and target are the ids behind a step's numbers, and whom or what they stand for.
func (p *play) subject(n int) (string, []int) {
	if n == drill.Group {
		return p.group, everybody()
	}
	return string(p.people[n]), []int{n}
}

func (p *play) target(n int) (string, []int) {
	if n == drill.Zone {
		var all []int
		for i := range drill.Doors {
			all = append(all, i)
		}
		return p.zone, all
	}
	return p.doors[n], []int{n}
}

func (p *play) grant(subject, target int) {
	id, people := p.subject(subject)
	at, doors := p.target(target)
	fact := p.record.Give(drill.Fact{Kind: drill.GrantFact, Subject: subject, Doors: doors})
	key := p.once()
	out, err := ask(p, func(ctx context.Context, n *permissionstest.Tenant) (*permissionsv1.GrantResponse, error) {
		return n.Grant(ctx, &permissionsv1.GrantRequest{OrgId: string(p.org.ID), SubjectId: id, TargetId: at, IdempotencyKey: key})
	})
	if err != nil {
		return
	}
	p.record.Gave(fact)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grants = append(p.grants, &given{fact: fact, id: out.GetGrantId(), people: people})
}

// pick takes the n-th thing for itself; nil: there is none that is not gone.
func (p *play) pick(list []*given, n int) *given {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range list {
		if g := list[(n+i)%len(list)]; !g.gone {
			g.gone = true
			return g
		}
	}
	return nil
}

// back says that what was picked is not gone, as far as is known.
func (p *play) back(g *given) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.gone = false
}

func (p *play) listOf(list *[]*given) []*given {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*given(nil), *list...)
}

func (p *play) revoke(n int) {
	g := p.pick(p.listOf(&p.grants), n)
	if g == nil {
		return
	}
	taking := p.record.Take("the end of grant "+g.id, g.fact)
	out, err := ask(p, func(ctx context.Context, n *permissionstest.Tenant) (*permissionsv1.RevokeResponse, error) {
		return n.Revoke(ctx, &permissionsv1.RevokeRequest{OrgId: string(p.org.ID), GrantId: g.id})
	})
	if err != nil {
		p.back(g)
		return
	}
	p.after(taken{taking: taking, token: out.GetToken(), people: g.people})
}

func (p *play) join(person int) {
	p.members.Lock()
	defer p.members.Unlock()
	fact := p.record.Give(drill.Fact{Kind: drill.MemberFact, Person: person})
	_, err := ask(p, func(ctx context.Context, n *permissionstest.Tenant) (*permissionsv1.AddMemberResponse, error) {
		return n.AddMember(ctx, &permissionsv1.AddMemberRequest{OrgId: string(p.org.ID), GroupId: p.group, MemberId: string(p.people[person])})
	})
	if err == nil {
		p.record.Gave(fact)
	}
}

func (p *play) leave(person int) {
	p.members.Lock()
	facts := p.record.Memberships(person)
	taking := p.record.Take(fmt.Sprintf("the end of the membership of person %d", person), facts...)
	out, err := ask(p, func(ctx context.Context, n *permissionstest.Tenant) (*permissionsv1.RemoveMemberResponse, error) {
		return n.RemoveMember(ctx, &permissionsv1.RemoveMemberRequest{OrgId: string(p.org.ID), GroupId: p.group, MemberId: string(p.people[person])})
	})
	p.members.Unlock()
	if err == nil && len(facts) > 0 {
		p.after(taken{taking: taking, token: out.GetToken(), people: []int{person}})
	}
}

// again tries a call of identity, which is never stopped but may wait for its broker or database.
func again[T any](call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return call(ctx)
}

func (p *play) issue(person int) *typev1.ConsistencyToken {
	p.mu.Lock()
	number := len(p.cards)
	uid := identitytest.Card(uint32(p.w.ahead.Load())<<8 ^ uint32(number))
	c := &card{bits: &lockwirev1.Card{Format: lockwirev1.CardFormat_CARD_FORMAT_UID, BitLength: uid.GetBitLength(), Bits: uid.GetBits()}, person: person}
	c.gone = true // until it has an id
	c.fact = p.record.Give(drill.Fact{Kind: drill.CardFact, Person: person, Card: number})
	p.cards = append(p.cards, c)
	p.mu.Unlock()
	key := p.once()
	out, err := again(func(ctx context.Context) (*identityv1.IssueCredentialResponse, error) {
		return p.w.identity.Client(p.w.t, p.org.Admin).IssueCredential(ctx, &identityv1.IssueCredentialRequest{
			OrgId: string(p.org.ID), PersonId: string(p.people[person]), Card: uid, IdempotencyKey: key,
		})
	})
	if err != nil {
		return nil
	}
	p.record.Gave(c.fact)
	p.mu.Lock()
	defer p.mu.Unlock()
	c.id, c.gone = out.GetCredential().GetId(), false
	return out.GetToken()
}

func (p *play) revokeCard(n int) {
	p.mu.Lock()
	var list []*given
	for _, c := range p.cards {
		c.people = []int{c.person}
		list = append(list, &c.given)
	}
	p.mu.Unlock()
	g := p.pick(list, n)
	if g == nil {
		return
	}
	taking := p.record.Take("the end of card "+g.id, g.fact)
	out, err := again(func(ctx context.Context) (*identityv1.RevokeCredentialResponse, error) {
		return p.w.identity.Client(p.w.t, p.org.Admin).RevokeCredential(ctx, &identityv1.RevokeCredentialRequest{OrgId: string(p.org.ID), CredentialId: g.id})
	})
	if err != nil {
		p.back(g)
		return
	}
	p.after(taken{taking: taking, token: out.GetToken(), people: g.people})
}

func (p *play) lockdown(target int) {
	at, doors := p.target(target)
	fact := p.record.Give(drill.Fact{Kind: drill.LockdownFact, Doors: doors})
	taking := p.record.Take("a lockdown", fact)
	key := p.once()
	out, err := ask(p, func(ctx context.Context, n *permissionstest.Tenant) (*permissionsv1.StartLockdownResponse, error) {
		return n.StartLockdown(ctx, &permissionsv1.StartLockdownRequest{OrgId: string(p.org.ID), TargetId: at, Rank: 10, Note: "drill", IdempotencyKey: key})
	})
	if err != nil {
		return
	}
	p.record.Gave(fact)
	p.mu.Lock()
	p.lockdowns = append(p.lockdowns, &given{fact: fact, id: out.GetLockdownId()})
	p.mu.Unlock()
	p.after(taken{taking: taking, token: out.GetToken(), people: []int{0, 1}})
}

func (p *play) endLockdown(n int) {
	g := p.pick(p.listOf(&p.lockdowns), n)
	if g == nil {
		return
	}
	p.record.Lift(g.fact)
	_, err := ask(p, func(ctx context.Context, n *permissionstest.Tenant) (*permissionsv1.DeleteResponse, error) {
		return n.EndLockdown(ctx, &permissionsv1.EndLockdownRequest{OrgId: string(p.org.ID), LockdownId: g.id})
	})
	if err != nil {
		p.back(g)
	}
}

// device makes a device of a door; the gateway has just started, maybe.
func (p *play) device(door string) (*gatewayv1.CreateDeviceResponse, error) {
	client, done := p.w.gatewayAt(0, p.key)
	defer done()
	return again(func(ctx context.Context) (*gatewayv1.CreateDeviceResponse, error) {
		return client.CreateDevice(ctx, &gatewayv1.CreateDeviceRequest{OrgId: string(p.org.ID), DoorId: door, IdempotencyKey: p.once()})
	})
}
