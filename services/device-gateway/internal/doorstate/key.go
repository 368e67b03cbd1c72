package doorstate

import (
	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// slot is one key of the bucket, and what it holds of a policy.State.
type slot interface {
	key(of Passage) string
	// take puts what the body says into the state. An empty body says nothing.
	take(body []byte, state *policy.State) error
	// body is what the key should hold of the state.
	body(state policy.State) proto.Message
}

// presence is the key of the passage's person in a zone, or of the partner who waited for them.
type presence struct {
	zone policy.ZoneID
	// partner is empty for the passage's person. A partner's presence is no part of the state.
	partner policy.PersonID
}

func (p presence) key(of Passage) string {
	person := of.Person
	if p.partner != "" {
		person = p.partner
	}
	return of.Org + ".zone." + string(p.zone) + "." + string(person)
}

func (p presence) take(body []byte, state *policy.State) error {
	m := new(gatewayv1.PresenceState)
	if err := proto.Unmarshal(body, m); err != nil || m.GetSince() == nil || p.partner != "" {
		return err
	}
	state.Presence[p.zone] = policy.Presence{Inside: m.GetInside(), Since: m.GetSince().AsTime()}
	return nil
}

func (p presence) body(state policy.State) proto.Message {
	at, ok := state.Presence[p.zone]
	if !ok {
		return new(gatewayv1.PresenceState)
	}
	return presenceOf(at)
}

func presenceOf(at policy.Presence) *gatewayv1.PresenceState {
	return &gatewayv1.PresenceState{Inside: at.Inside, Since: timestamppb.New(at.Since)}
}

// atDoor is the key of a door.
type atDoor struct{}

func (atDoor) key(of Passage) string { return of.Org + ".door." + string(of.Door) }

func (atDoor) take(body []byte, state *policy.State) error {
	m := new(gatewayv1.DoorRuleState)
	if err := proto.Unmarshal(body, m); err != nil {
		return err
	}
	if m.GetFirstArrival() != nil {
		state.FirstArrival = m.GetFirstArrival().AsTime()
	}
	if m.GetWaitingPersonId() != "" {
		state.Waiting = policy.Waiting{Person: policy.PersonID(m.GetWaitingPersonId()), Since: m.GetWaitingSince().AsTime()}
	}
	return nil
}

func (atDoor) body(state policy.State) proto.Message {
	m := new(gatewayv1.DoorRuleState)
	if !state.FirstArrival.IsZero() {
		m.FirstArrival = timestamppb.New(state.FirstArrival)
	}
	if state.Waiting.Person != "" {
		m.WaitingPersonId, m.WaitingSince = string(state.Waiting.Person), timestamppb.New(state.Waiting.Since)
	}
	return m
}

// uses is the key of a use-limited grant.
type uses struct{ grant policy.GrantID }

func (u uses) key(of Passage) string { return of.Org + ".grant." + string(u.grant) }

func (u uses) take(body []byte, state *policy.State) error {
	m := new(gatewayv1.GrantUseState)
	if err := proto.Unmarshal(body, m); err != nil || m.GetUses() == 0 {
		return err
	}
	state.Uses[u.grant] = int(m.GetUses())
	return nil
}

func (u uses) body(state policy.State) proto.Message {
	return &gatewayv1.GrantUseState{Uses: int64(state.Uses[u.grant])}
}
