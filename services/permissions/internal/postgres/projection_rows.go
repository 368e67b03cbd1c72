package postgres

import (
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/projection"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
	"github.com/jackc/pgx/v5"
)

// What is known now of an organization in a region. To each is added which of it: the rows that hold or may hold again, or
// those of commits after a version.
const (
	sitesKnown = `SELECT id, valid_from, valid_to FROM sites
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	doorsKnown = `SELECT id, site_id, rules, valid_from, valid_to FROM doors
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	zonesKnown = `SELECT id, anti_passback, valid_from, valid_to FROM zones
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	zoneDoorsKnown = `SELECT zone_id, door_id, valid_from, valid_to FROM zone_doors
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	zoneZonesKnown = `SELECT parent_id, child_id, valid_from, valid_to FROM zone_zones
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	schedulesKnown = `SELECT id, time_zone, spec, calendars, valid_from, valid_to FROM schedules
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	calendarsKnown = `SELECT id, holidays, valid_from, valid_to FROM holiday_calendars
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	membersKnown = `SELECT group_id, member_id, valid_from, valid_to FROM memberships
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	grantsKnown = `SELECT id, subject_id, target_id, schedule_id, max_uses, override_rank, shared_from, sharer, revoked, valid_from, valid_to
		FROM grants
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	lockdownsKnown = `SELECT id, target_id, rank, valid_from, valid_to FROM lockdowns
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`

	rolesKnown = `SELECT id, subject_id, role, site_id, valid_from, valid_to FROM roles
		WHERE region = $1 AND org = $2 AND superseded_at IS NULL`
)

// Which of it: all that is not over for good. Only a grant, a lockdown and a role can end by themselves; those that did are few,
// and a grant that did is a fact all the same. That each of these conditions has its index keeps a load from reading the past.
const (
	stillOpen  = ` AND valid_to IS NULL`
	notRevoked = ` AND NOT revoked`
	notEnded   = ` AND NOT ended`
	laterThan  = ` AND version > $3`
)

// scan collects one reading. Equal texts become one: ids are most of what an organization is.
type scan struct {
	into    *projection.Rows
	limited bool
	left    int64 // rows that may still come
	texts   map[string]string
}

func (s *scan) text(raw []byte) string {
	if known, ok := s.texts[string(raw)]; ok {
		return known
	}
	made := string(raw)
	s.texts[made] = made
	return made
}

// text is a column whose value is one of scan's texts.
type text[T ~string] struct {
	scan *scan
	to   *T
}

// ScanBytes implements pgtype.BytesScanner.
func (t text[T]) ScanBytes(raw []byte) error {
	*t.to = T(t.scan.text(raw))
	return nil
}

func as[T ~string](s *scan, to *T) text[T] { return text[T]{s, to} }

// span is the last two columns.
type span struct {
	from time.Time
	to   *time.Time
}

func (v *span) validity() grants.Validity { return grants.Validity{From: v.from.UTC(), To: ends(v.to)} }

// tables are read in this order.
func (s *scan) tables(home region.Name) []table {
	return []table{
		{sitesKnown, stillOpen, s.sites},
		{doorsKnown, stillOpen, s.doors},
		{zonesKnown, stillOpen, s.zones},
		{zoneDoorsKnown, stillOpen, s.links(home, &s.into.ZoneDoors)},
		{zoneZonesKnown, stillOpen, s.links(home, &s.into.ZoneZones)},
		{schedulesKnown, stillOpen, s.schedules},
		{calendarsKnown, stillOpen, s.calendars},
		{membersKnown, stillOpen, s.links(home, &s.into.Members)},
		{grantsKnown, notRevoked, s.grants},
		{lockdownsKnown, notEnded, s.lockdowns},
		{rolesKnown, notRevoked, s.roles},
	}
}

// table is one of them: all that is known, which of it a load wants, and who reads the rows.
type table struct {
	known, whole string
	read         func(pgx.Rows) error
}

func (s *scan) queueWhole(batch *pgx.Batch, home region.Name, org region.ID) {
	for _, t := range s.tables(home) {
		batch.Queue(t.known+t.whole, home, org).Query(t.read)
	}
}

func (s *scan) queueSince(batch *pgx.Batch, home region.Name, org region.ID, version int64) {
	for _, t := range s.tables(home) {
		batch.Queue(t.known+laterThan, home, org, version).Query(t.read)
	}
}

// each calls add for each row, until there are too many.
func (s *scan) each(rows pgx.Rows, columns []any, add func() error) error {
	_, err := pgx.ForEachRow(rows, columns, func() error {
		if s.left--; s.limited && s.left < 0 {
			return projection.ErrTooLarge
		}
		return add()
	})
	return err
}

func (s *scan) sites(rows pgx.Rows) error {
	var r projection.SiteRow
	var v span
	return s.each(rows, []any{as(s, &r.ID), &v.from, &v.to}, func() error {
		r.Validity = v.validity()
		s.into.Sites = append(s.into.Sites, r)
		return nil
	})
}

func (s *scan) doors(rows pgx.Rows) error {
	var d policy.Door
	var rules []byte
	var v span
	return s.each(rows, []any{as(s, &d.ID), as(s, &d.Site), &rules, &v.from, &v.to}, func() error {
		decoded, err := decodeRules(rules)
		d.Rules = decoded.DoorRules
		s.into.Doors = append(s.into.Doors, projection.DoorRow{Door: d, Validity: v.validity()})
		return err
	})
}

func (s *scan) zones(rows pgx.Rows) error {
	var z policy.Zone
	var border []byte
	var v span
	return s.each(rows, []any{as(s, &z.ID), &border, &v.from, &v.to}, func() (err error) {
		z.AntiPassback, err = decodeBorder(border)
		s.into.Zones = append(s.into.Zones, projection.ZoneRow{Zone: z, Validity: v.validity()})
		return err
	})
}

func (s *scan) links(home region.Name, to *[]projection.LinkRow) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		r := projection.LinkRow{Home: home}
		var v span
		return s.each(rows, []any{as(s, &r.Outer), as(s, &r.Inner), &v.from, &v.to}, func() error {
			r.Validity = v.validity()
			*to = append(*to, r)
			return nil
		})
	}
}

func (s *scan) schedules(rows pgx.Rows) error {
	var id policy.ScheduleID
	var zone string
	var spec []byte
	var calendars []string
	var v span
	return s.each(rows, []any{as(s, &id), as(s, &zone), &spec, &calendars, &v.from, &v.to}, func() error {
		decoded, err := decodeSpec(spec)
		s.into.Schedules = append(s.into.Schedules, projection.ScheduleRow{
			ID: id, TimeZone: zone, Spec: decoded, Calendars: append([]string(nil), calendars...), Validity: v.validity(),
		})
		return wrap(err, "read the spec of %s", id)
	})
}

func (s *scan) calendars(rows pgx.Rows) error {
	var id string
	var stored []byte
	var v span
	return s.each(rows, []any{as(s, &id), &stored, &v.from, &v.to}, func() error {
		named, err := decodeHolidays(stored)
		holidays := make([]policy.Holiday, len(named))
		for i, h := range named {
			holidays[i] = h.Holiday
		}
		s.into.Calendars = append(s.into.Calendars, projection.CalendarRow{ID: id, Holidays: holidays, Validity: v.validity()})
		return err
	})
}

func (s *scan) grants(rows pgx.Rows) error {
	var r projection.GrantRow
	var v span
	columns := []any{
		as(s, &r.ID), as(s, &r.Subject), as(s, &r.Target), as(s, &r.Schedule), &r.MaxUses, &r.OverrideRank,
		as(s, &r.SharedFrom), as(s, &r.Sharer), &r.Revoked, &v.from, &v.to,
	}
	return s.each(rows, columns, func() error {
		holds := v.validity()
		r.ValidFrom, r.ValidTo = holds.From, holds.To
		s.into.Grants = append(s.into.Grants, r)
		return nil
	})
}

func (s *scan) lockdowns(rows pgx.Rows) error {
	var r projection.LockdownRow
	var v span
	return s.each(rows, []any{as(s, &r.ID), as(s, &r.Target), &r.Rank, &v.from, &v.to}, func() error {
		holds := v.validity()
		r.From, r.Until = holds.From, holds.To
		s.into.Lockdowns = append(s.into.Lockdowns, r)
		return nil
	})
}

func (s *scan) roles(rows pgx.Rows) error {
	var r projection.RoleRow
	var role int64
	var v span
	return s.each(rows, []any{as(s, &r.ID), as(s, &r.Subject), &role, as(s, &r.Site), &v.from, &v.to}, func() error {
		holds := v.validity()
		r.Role, r.ValidFrom, r.ValidTo = policy.Role(role), holds.From, holds.To
		s.into.Roles = append(s.into.Roles, r)
		return nil
	})
}
