package rpc

import (
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"google.golang.org/protobuf/types/known/durationpb"
)

// rules are a door's rules as policy takes them. A rule that says nothing is none.
func (p *parser) rules(in *permissionsv1.DoorRules) grants.DoorRules {
	out := grants.DoorRules{OnStateLoss: grants.StateLoss(in.GetOnStateLoss())}
	out.AutoUnlock = p.schedule("rules.auto_unlock_schedule_id", in.GetAutoUnlockScheduleId())
	out.TwoPersonWindow, out.HeldOpenAfter = millis(in.GetTwoPersonWindow()), millis(in.GetHeldOpenAfter())
	if f := in.GetFirstPerson(); f != nil {
		out.FirstPerson = &policy.FirstPerson{
			Subject:  policy.SubjectID(p.optional("rules.first_person.subject_id", f.GetSubjectId(), region.Person, region.Group)),
			Schedule: p.schedule("rules.first_person.schedule_id", f.GetScheduleId()),
			Grace:    millis(f.GetGrace()), HoldOthers: f.GetHoldOthers(),
		}
	}
	if f := in.GetSecondFactor(); f != nil {
		out.SecondFactor = &policy.SecondFactor{Schedule: p.schedule("rules.second_factor.schedule_id", f.GetScheduleId())}
	}
	if o := in.GetOffline(); o != nil {
		out.Offline = &grants.Offline{
			Budget: millis(o.GetBudget()), After: grants.OfflineAfter(o.GetAfter()),
			Emergency: policy.SubjectID(p.optional("rules.offline.emergency_subject_id", o.GetEmergencySubjectId(), region.Person, region.Group)),
		}
	}
	return out
}

func (p *parser) schedule(field, s string) policy.ScheduleID {
	return policy.ScheduleID(p.optional(field, s, region.Schedule))
}

// antiPassback is the rule at a zone's border; nil for none.
func antiPassback(in *permissionsv1.AntiPassback) *policy.AntiPassback {
	if in == nil {
		return nil
	}
	return &policy.AntiPassback{Mode: policy.AntiPassbackMode(in.GetMode()), ResetAfter: millis(in.GetResetAfter())}
}

// millis is a duration as it is stored.
func millis(d *durationpb.Duration) time.Duration { return d.AsDuration().Truncate(time.Millisecond) }
