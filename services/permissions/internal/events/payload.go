package events

import (
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func grantCreated(g grants.Grant) *permissionsv1.GrantCreated {
	return &permissionsv1.GrantCreated{
		GrantId:    string(g.ID),
		SubjectId:  string(g.Subject),
		TargetId:   string(g.Target),
		ScheduleId: string(g.Schedule),
		ValidFrom:  stamp(g.Validity.From),
		ValidTo:    stamp(g.Validity.To),
	}
}

func grantRevoked(g grants.Grant, because region.ID) *permissionsv1.GrantRevoked {
	return &permissionsv1.GrantRevoked{
		GrantId: string(g.ID), SubjectId: string(g.Subject), TargetId: string(g.Target), BecauseOfId: string(because),
	}
}

// stamp is unset for a time that is not stated.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func texts(ids []region.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}
