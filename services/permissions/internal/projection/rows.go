package projection

import (
	"context"
	"errors"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

// ErrTooLarge: an organization does not fit into the memory that the cache may use. Its questions are answered from SQL.
var ErrTooLarge = errors.New("projection: the organization is larger than the memory for all of them")

// Source reads organizations from where they are recorded. Everything that one call returns is of one state of all
// regions of the jurisdiction.
type Source interface {
	// Load returns all that is known now of an organization and not over. It fails with ErrTooLarge as soon as the rows
	// are estimated at more than limit bytes.
	Load(ctx context.Context, org region.ID, limit int64) (*Rows, error)
	// Pull returns what commits after the heads in since recorded and is known now.
	Pull(ctx context.Context, org region.ID, since []grants.Head) (*Rows, error)
	// Reload is Load and Pull of one state.
	Reload(ctx context.Context, org region.ID, since []grants.Head, limit int64) (whole, delta *Rows, err error)
	// Heads returns the heads of organizations, each with those regions where it has one.
	Heads(ctx context.Context, orgs []region.ID) (map[region.ID][]grants.Head, error)
}

// RowBytes is what a row takes at least in memory: a Source may stop at limit / RowBytes rows.
const RowBytes = 200

// Rows are facts that are known now. A thing that a later commit changed has all of its rows of that commit here, also
// one that only says that it is over.
type Rows struct {
	// Heads are the organization's, one for each region of the jurisdiction, in the same order always; version 0: none yet.
	Heads []grants.Head

	Sites     []SiteRow
	Doors     []DoorRow
	Zones     []ZoneRow
	ZoneDoors []LinkRow // Outer: the zone
	ZoneZones []LinkRow // Outer: the parent
	Schedules []ScheduleRow
	Calendars []CalendarRow
	Members   []LinkRow // Outer: the group
	Grants    []GrantRow
	Lockdowns []LockdownRow
	Roles     []RoleRow
}

// Latest is when the organization's latest commit in any region was recorded.
func (r *Rows) Latest() time.Time { return latest(r.Heads) }

func latest(heads []grants.Head) time.Time {
	var at time.Time
	for _, h := range heads {
		if h.RecordedAt.After(at) {
			at = h.RecordedAt
		}
	}
	return at
}

type (
	// SiteRow is a site.
	SiteRow struct {
		ID       policy.SiteID
		Validity grants.Validity
	}
	// DoorRow is a door. Its Zones are links.
	DoorRow struct {
		policy.Door
		Validity grants.Validity
	}
	// ZoneRow is a zone. Its Parents are links.
	ZoneRow struct {
		policy.Zone
		Validity grants.Validity
	}
	// LinkRow puts one thing into another.
	LinkRow struct {
		Home         region.Name // of the row
		Outer, Inner string
		Validity     grants.Validity
	}
	// ScheduleRow is a schedule; the holidays of its Spec are those of Calendars.
	ScheduleRow struct {
		ID        policy.ScheduleID
		TimeZone  string
		Spec      policy.ScheduleSpec
		Calendars []string
		Validity  grants.Validity
	}
	// CalendarRow is a holiday calendar.
	CalendarRow struct {
		ID       string
		Holidays []policy.Holiday
		Validity grants.Validity
	}
	// GrantRow is a grant; its validity is the row's.
	GrantRow struct {
		policy.Grant
		Revoked bool
	}
	// LockdownRow is a lockdown; From and Until are the row's validity.
	LockdownRow struct {
		Target policy.TargetID
		policy.Lockdown
	}
	// RoleRow is an assignment; its validity is the row's.
	RoleRow struct {
		Subject policy.SubjectID
		policy.RoleAssignment
	}
)

// over says whether a row's validity has ended at a moment, or never was.
func over(from, to, at time.Time) bool {
	return !to.IsZero() && (!to.After(at) || !to.After(from))
}
