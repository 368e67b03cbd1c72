// Package contract puts values of the domain into the form of cardea/permissions/v1, for answers and for events.
//
// All functions are pure and safe for concurrent use.
package contract

import (
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Group is a group as callers see it.
func Group(g grants.Group) *permissionsv1.Group {
	return &permissionsv1.Group{Id: string(g.ID), OrgId: string(g.Org), Name: g.Name, Etag: grants.Etag(g.Version)}
}

// Grant is a grant as callers see it: it begins when it first held without a gap, whatever was updated since.
func Grant(g grants.Grant) *permissionsv1.Grant {
	return &permissionsv1.Grant{
		Id:           string(g.ID),
		OrgId:        string(g.Org),
		SubjectId:    string(g.Subject),
		TargetId:     string(g.Target),
		ScheduleId:   string(g.Schedule),
		ValidFrom:    Stamp(g.Since),
		ValidTo:      Stamp(g.Validity.To),
		Revoked:      g.Revoked,
		MaxUses:      int32(g.MaxUses),      //nolint:gosec // checked at the edge: at most 1,000,000
		OverrideRank: int32(g.OverrideRank), //nolint:gosec // at most 9
		ShareDepth:   int32(g.ShareDepth),   //nolint:gosec // at most 4
		SharedFromId: string(g.SharedFrom),
		SharerId:     string(g.Sharer),
		Etag:         grants.Etag(g.Version),
	}
}

// Role is an assignment as callers see it.
func Role(a grants.RoleAssignment) *permissionsv1.RoleAssignment {
	return &permissionsv1.RoleAssignment{
		Id:        string(a.ID),
		OrgId:     string(a.Org),
		SubjectId: string(a.Subject),
		Role:      permissionsv1.Role(a.Role),
		SiteId:    string(a.Site),
		ValidFrom: Stamp(a.Validity.From),
		ValidTo:   Stamp(a.Validity.To),
		Revoked:   a.Revoked,
	}
}

// Stamp is unset for a time that is not stated.
func Stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
