package permissions_test

import (
	"testing"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
)

const (
	lostRace     = faultv1.Reason_REASON_CONFLICT
	stateForbids = faultv1.Reason_REASON_STATE_FORBIDS
	isGone       = faultv1.Reason_REASON_NOT_FOUND
)

func opensNever(outcome, outcome) bool        { return false }
func opensAlways(outcome, outcome) bool       { return true }
func firstIsLast(one, two outcome) bool       { return one.last(two) }
func noGrantOfItsOwn(t *testing.T, r *racing) { r.one.End(t, r.grant) }

// byGroup lets the person in by the group only.
func byGroup(t *testing.T, r *racing) {
	r.one.End(t, r.grant)
	r.one.Let(t, r.group, r.door, "")
}

func revoking(t *testing.T, r *racing) call {
	return calling(r.two.Revoke, &permissionsv1.RevokeRequest{OrgId: string(r.two.Org), GrantId: r.grant})
}

func granting(t *testing.T, r *racing) call {
	return calling(r.one.Grant, &permissionsv1.GrantRequest{OrgId: string(r.one.Org), SubjectId: r.person, TargetId: r.door, IdempotencyKey: "race"})
}

func adding(t *testing.T, r *racing) call {
	return calling(r.one.AddMember, &permissionsv1.AddMemberRequest{OrgId: string(r.one.Org), GroupId: r.group, MemberId: r.person})
}

func deletingGroup(t *testing.T, r *racing) call {
	return calling(r.two.DeleteGroup, &permissionsv1.DeleteGroupRequest{
		OrgId: string(r.two.Org), GroupId: r.group, Etag: r.one.TheGroup(t, r.group).GetEtag(),
	})
}

func updating(uses int32) func(t *testing.T, r *racing) call {
	return func(t *testing.T, r *racing) call {
		req := updateOf(r.one.TheGrant(t, r.grant))
		req.MaxUses = uses
		return calling(r.one.UpdateGrant, req)
	}
}

func racesOfKeys() []race {
	return []race{{
		name: "a grant under one key", prepare: noGrantOfItsOwn, one: granting, kind: "grant_created", count: 1, opens: opensAlways,
		two: func(t *testing.T, r *racing) call {
			return calling(r.two.Grant, &permissionsv1.GrantRequest{OrgId: string(r.two.Org), SubjectId: r.person, TargetId: r.door, IdempotencyKey: "race"})
		},
	}, {
		name: "a grant is revoked twice", two: revoking, kind: "grant_revoked", count: 2, opens: opensNever, // it and its share
		one: func(t *testing.T, r *racing) call {
			return calling(r.one.Revoke, &permissionsv1.RevokeRequest{OrgId: string(r.one.Org), GrantId: r.grant})
		},
	}, {
		name: "a grant is updated and revoked", one: updating(9), two: revoking, refusals: []faultv1.Reason{lostRace, stateForbids}, opens: opensNever,
	}, {
		name: "a grant is updated twice", one: updating(8), two: func(t *testing.T, r *racing) call {
			req := updateOf(r.one.TheGrant(t, r.grant))
			req.MaxUses = 9
			return calling(r.two.UpdateGrant, req)
		}, refusals: []faultv1.Reason{lostRace}, never: true, opens: opensAlways, kind: "grant_updated", count: 2, // it and its share
	}, {
		name: "a grant is shared and revoked", two: revoking, refusals: []faultv1.Reason{stateForbids}, opens: opensNever,
		one: func(t *testing.T, r *racing) call {
			sharer := r.person
			r.person = r.one.Person(t) // the recipient
			return calling(r.one.ShareGrant, &permissionsv1.ShareGrantRequest{
				OrgId: string(r.one.Org), GrantId: r.grant, SharerId: sharer, RecipientId: r.person, IdempotencyKey: "race",
			})
		},
	}, {
		name: "a person is let in and leaves", prepare: noGrantOfItsOwn, one: granting, opens: firstIsLast,
		two: func(t *testing.T, r *racing) call {
			return calling(r.two.EndAccess, &permissionsv1.EndAccessRequest{OrgId: string(r.two.Org), Region: string(r.two.Home), PersonId: r.person})
		},
	}, {
		name: "a member is added twice", one: adding, kind: "member_added", count: 1, opens: opensAlways,
		prepare: func(t *testing.T, r *racing) { byGroup(t, r); r.one.Take(t, r.group, r.person) },
		two: func(t *testing.T, r *racing) call {
			return calling(r.two.AddMember, &permissionsv1.AddMemberRequest{OrgId: string(r.two.Org), GroupId: r.group, MemberId: r.person})
		},
	}, {
		name: "a member is added and removed", one: adding, opens: firstIsLast,
		prepare: func(t *testing.T, r *racing) { byGroup(t, r); r.one.Take(t, r.group, r.person) },
		two: func(t *testing.T, r *racing) call {
			return calling(r.two.RemoveMember, &permissionsv1.RemoveMemberRequest{OrgId: string(r.two.Org), GroupId: r.group, MemberId: r.person})
		},
	}, {
		name: "a group gets a member and is deleted", one: adding, two: deletingGroup, refusals: []faultv1.Reason{isGone, lostRace}, opens: opensNever,
		prepare: func(t *testing.T, r *racing) { byGroup(t, r); r.one.Take(t, r.group, r.person) },
	}, {
		name: "a group is let in and deleted", two: deletingGroup, refusals: []faultv1.Reason{isGone}, prepare: noGrantOfItsOwn, opens: opensNever,
		one: func(t *testing.T, r *racing) call {
			return calling(r.one.Grant, &permissionsv1.GrantRequest{OrgId: string(r.one.Org), SubjectId: r.group, TargetId: r.door, IdempotencyKey: "race"})
		},
	}, {
		name: "a group of the neighbour region is let in and deleted", two: deletingGroup, refusals: []faultv1.Reason{isGone}, opens: opensNever,
		prepare: func(t *testing.T, r *racing) {
			r.one.End(t, r.grant)
			r.one.Home, r.two.Home = west, west
			r.group = r.one.Group(t, r.person)
		},
		one: func(t *testing.T, r *racing) call {
			return calling(r.one.Grant, &permissionsv1.GrantRequest{OrgId: string(r.one.Org), SubjectId: r.group, TargetId: r.door, IdempotencyKey: "race"})
		},
	}}
}

func deletingDoor(t *testing.T, r *racing) call {
	return calling(r.two.DeleteDoor, &permissionsv1.DeleteDoorRequest{
		OrgId: string(r.two.Org), DoorId: r.door, Etag: getDoor(t, r.one, r.door).GetEtag(),
	})
}

func renaming(t *testing.T, r *racing) call {
	return calling(r.one.UpdateDoor, &permissionsv1.UpdateDoorRequest{
		OrgId: string(r.one.Org), DoorId: r.door, Etag: getDoor(t, r.one, r.door).GetEtag(), Name: "One",
	})
}

func racesOfPlaces() []race {
	return []race{{
		name: "a door is renamed twice", one: renaming, refusals: []faultv1.Reason{lostRace}, never: true, opens: opensAlways, kind: "door_updated", count: 1,
		two: func(t *testing.T, r *racing) call {
			return calling(r.two.UpdateDoor, &permissionsv1.UpdateDoorRequest{
				OrgId: string(r.two.Org), DoorId: r.door, Etag: getDoor(t, r.one, r.door).GetEtag(), Name: "Two",
			})
		},
	}, {
		name: "a door is renamed and deleted", one: renaming, two: deletingDoor, refusals: []faultv1.Reason{lostRace, isGone}, never: true,
	}, {
		name: "a door is let and deleted", one: granting, two: deletingDoor, refusals: []faultv1.Reason{isGone}, opens: opensNever,
	}, {
		name: "a door is put into a zone and deleted", two: deletingDoor, refusals: []faultv1.Reason{isGone}, opens: opensNever,
		one: func(t *testing.T, r *racing) call {
			return calling(r.one.CreateZone, &permissionsv1.CreateZoneRequest{
				OrgId: string(r.one.Org), Region: string(r.one.Home), Name: "Zone", DoorIds: []string{r.door, r.other}, IdempotencyKey: "race",
			})
		},
	}, {
		name: "a schedule is used and deleted", refusals: []faultv1.Reason{isGone, stateForbids}, never: true, prepare: hours,
		one: func(t *testing.T, r *racing) call {
			return calling(r.one.Grant, &permissionsv1.GrantRequest{
				OrgId: string(r.one.Org), SubjectId: r.person, TargetId: r.other, ScheduleId: r.schedule, IdempotencyKey: "race",
			})
		},
		two: func(t *testing.T, r *racing) call {
			etag := getSchedule(t, r.one, r.schedule).GetEtag()
			return calling(r.two.DeleteSchedule, &permissionsv1.DeleteScheduleRequest{OrgId: string(r.two.Org), ScheduleId: r.schedule, Etag: etag})
		},
	}, {
		name: "a site gets a door and is deleted", refusals: []faultv1.Reason{isGone, stateForbids}, never: true,
		prepare: func(t *testing.T, r *racing) { r.site = r.one.Site(t, "UTC") },
		one: func(t *testing.T, r *racing) call {
			return calling(r.one.CreateDoor, &permissionsv1.CreateDoorRequest{OrgId: string(r.one.Org), SiteId: r.site, Name: "Door", IdempotencyKey: "race"})
		},
		two: func(t *testing.T, r *racing) call {
			return calling(r.two.DeleteSite, &permissionsv1.DeleteSiteRequest{OrgId: string(r.two.Org), SiteId: r.site, Etag: getSite(t, r.one, r.site).GetEtag()})
		},
	}, {
		// No head is common to both: only that transactions are serializable keeps them apart.
		name: "a door comes to wait for a group of the neighbour region, which is deleted", two: deletingGroup,
		refusals: []faultv1.Reason{isGone, stateForbids}, never: true,
		prepare: func(t *testing.T, r *racing) {
			hours(t, r)
			r.one.Home, r.two.Home = west, west
			r.group = r.one.Group(t)
		},
		one: func(t *testing.T, r *racing) call {
			return calling(r.one.UpdateDoor, &permissionsv1.UpdateDoorRequest{
				OrgId: string(r.one.Org), DoorId: r.door, Etag: getDoor(t, r.one, r.door).GetEtag(), Name: "Gate",
				Rules: &permissionsv1.DoorRules{FirstPerson: &permissionsv1.FirstPersonRule{SubjectId: r.group, ScheduleId: r.schedule, HoldOthers: true}},
			})
		},
	}}
}

func hours(t *testing.T, r *racing) { r.schedule = r.one.Schedule(t, r.site, officeHours()) }
