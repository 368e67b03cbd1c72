package policytest

import (
	"fmt"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"gopkg.in/yaml.v3"
)

// moment is an instant written with its offset, e.g. 2026-11-23T08:00:00+01:00.
type moment time.Time

// UnmarshalYAML refuses an instant without offset.
func (m *moment) UnmarshalYAML(node *yaml.Node) error {
	at, err := time.Parse(time.RFC3339Nano, node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*m = moment(at)
	return nil
}

// moments is one or several.
type moments []moment

// UnmarshalYAML takes a scalar or a list.
func (m *moments) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode((*[]moment)(m))
	}
	*m = make(moments, 1)
	return (*m)[0].UnmarshalYAML(node)
}

// reason is written as in the contract, without its prefix, e.g. OUTSIDE_SCHEDULE.
type reason policy.Reason

// UnmarshalYAML refuses names that are not in the list.
func (r *reason) UnmarshalYAML(node *yaml.Node) error {
	for known := policy.ReasonGrant; known <= policy.ReasonStateUnknown; known++ {
		if known.String() == node.Value {
			*r = reason(known)
			return nil
		}
	}
	return fmt.Errorf("line %d: no reason %q", node.Line, node.Value)
}

// credential is `unknown`, `active`, `revoked`, or a status that this build does not
// know, written as a number.
type credential policy.CredentialStatus

// UnmarshalYAML refuses other words.
func (c *credential) UnmarshalYAML(node *yaml.Node) error {
	switch node.Value {
	case "unknown":
		*c = credential(policy.CredentialUnknown)
	case "active":
		*c = credential(policy.CredentialActive)
	case "revoked":
		*c = credential(policy.CredentialRevoked)
	default:
		var number int32
		if err := node.Decode(&number); err != nil {
			return fmt.Errorf("line %d: no credential status %q", node.Line, node.Value)
		}
		*c = credential(number)
	}
	return nil
}

// mode is `hard`, `soft`, or a number that stands for one of a later version.
type mode policy.AntiPassbackMode

// UnmarshalYAML refuses other words.
func (m *mode) UnmarshalYAML(node *yaml.Node) error {
	return word(node, (*int32)(m), "anti-passback mode", map[string]int32{
		"hard": int32(policy.AntiPassbackHard), "soft": int32(policy.AntiPassbackSoft),
	})
}

// direction is `entry`, `exit`, or a number.
type direction policy.Direction

// UnmarshalYAML refuses other words.
func (d *direction) UnmarshalYAML(node *yaml.Node) error {
	return word(node, (*int32)(d), "direction", map[string]int32{
		"entry": int32(policy.DirectionEntry), "exit": int32(policy.DirectionExit),
	})
}

// factor is `right`, `wrong`, or a number.
type factor policy.Factor

// UnmarshalYAML refuses other words.
func (f *factor) UnmarshalYAML(node *yaml.Node) error {
	return word(node, (*int32)(f), "second factor", map[string]int32{
		"right": int32(policy.FactorRight), "wrong": int32(policy.FactorWrong),
	})
}

func word(node *yaml.Node, into *int32, what string, known map[string]int32) error {
	if number, ok := known[node.Value]; ok {
		*into = number
		return nil
	}
	if err := node.Decode(into); err != nil {
		return fmt.Errorf("line %d: no %s %q", node.Line, what, node.Value)
	}
	return nil
}

// effect is written as a sentence: `enter lobby`, `leave lobby`, `arrive_first`,
// `use visitor`, `wait`, `pair`; `enter lobby bob` where it is bob who enters.
type effect policy.Effect

// UnmarshalYAML refuses other sentences.
func (e *effect) UnmarshalYAML(node *yaml.Node) error {
	words := strings.Fields(node.Value)
	kinds := map[string]policy.Effect{
		"enter": {Kind: policy.EffectEnter}, "leave": {Kind: policy.EffectLeave}, "arrive_first": {Kind: policy.EffectArriveFirst},
		"use": {Kind: policy.EffectUse}, "wait": {Kind: policy.EffectWait}, "pair": {Kind: policy.EffectPair},
	}
	wrong := fmt.Errorf("line %d: no effect %q", node.Line, node.Value)
	if len(words) == 0 {
		return wrong
	}
	made, ok := kinds[words[0]]
	words = words[1:]
	switch {
	case !ok:
		return wrong
	case made.Kind == policy.EffectUse && len(words) == 1:
		made.Grant = policy.GrantID(words[0])
	case (made.Kind == policy.EffectEnter || made.Kind == policy.EffectLeave) && (len(words) == 1 || len(words) == 2):
		made.Zone = policy.ZoneID(words[0])
		if len(words) == 2 {
			made.Person = policy.PersonID(words[1])
		}
	case len(words) > 0 || made.Kind < policy.EffectArriveFirst || made.Kind == policy.EffectUse:
		return wrong
	}
	*e = effect(made)
	return nil
}
