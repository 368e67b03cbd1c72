package system

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// DataSet is a tenant's people and doors, as permissions' tables hold them.
type DataSet struct {
	*Tenant
	People, Doors, Groups []string
	// Windows are pairs of a person and a door between which there is a grant with a schedule and an end.
	Windows [][2]string
	// Relations counts memberships, doors in zones and grants.
	Relations int
}

// Size is how much a data set holds.
type Size struct {
	People, Doors, Groups, Zones int
	ToZone, ToDoor               int // grants of a zone to a group, of a door to a person
}

// Full is the data set of the comparison with SpiceDB and OpenFGA: 50,000 relations.
var Full = Size{People: 10_000, Doors: 5_000, Groups: 500, Zones: 200, ToZone: 3_000, ToDoor: 6_600}

// Divided is a size that many times smaller, but for a few groups and zones.
func (s Size) Divided(by int) Size {
	return Size{s.People / by, s.Doors / by, max(10, s.Groups/by), max(4, s.Zones/by), s.ToZone / by, s.ToDoor / by}
}

const (
	groupsEach = 3 // memberships of a person
	zonesEach  = 2 // zones of a door
)

// NewDataSet makes a tenant over the API and copies the rest of it into permissions' tables with the service's own role,
// as one commit: over the API 50,000 relations would take longer than the bench. So the gateways know nothing of it. A fifth
// of the groups are at the top, two fifths in one of them, two fifths in one of those. Everything but the ids follows a
// fixed seed.
func (s *System) NewDataSet(ctx context.Context, size Size) (*DataSet, error) {
	tenant, err := s.NewTenant(ctx, "dataset")
	if err != nil {
		return nil, err
	}
	d := &DataSet{Tenant: tenant}
	d.People, d.Doors, d.Groups = ids(region.Person, size.People), ids(region.Door, size.Doors), ids(region.Group, size.Groups)
	tables := d.tables(ids(region.Zone, size.Zones), size.ToZone, size.ToDoor)
	conn, err := s.SQL(ctx, "permissions", "permissions")
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, t := range tables {
			if _, err := tx.Conn().PgConn().CopyFrom(ctx, t.reader(), "COPY "+t.into+" FROM STDIN"); err != nil {
				return fmt.Errorf("copy into %s: %w", t.into, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, s.analyze(ctx)
}

// analyze does what the database does by itself a minute after such a load: it counts, so that statements are planned well.
func (s *System) analyze(ctx context.Context) error {
	owner, err := s.Owner("permissions")
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, owner)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "ANALYZE groups, memberships, zones, doors, zone_doors, grants")
	return err
}

// Owner connects as the owner of a service's schema, which has the service's name.
func (s *System) Owner(service string) (*pgx.ConnConfig, error) {
	config, err := s.Config(service)
	if err != nil {
		return nil, err
	}
	parsed, err := pgx.ParseConfig(config.Database.MigrateURL)
	if err != nil {
		return nil, err
	}
	parsed.RuntimeParams["search_path"] = service + ",public"
	return parsed, nil
}

// SQL connects to a service's database, with the role of the service and its schema.
func (s *System) SQL(ctx context.Context, service, schema string) (*pgx.Conn, error) {
	config, err := s.Config(service)
	if err != nil {
		return nil, err
	}
	parsed, err := pgx.ParseConfig(config.Database.URL)
	if err != nil {
		return nil, err
	}
	parsed.RuntimeParams["search_path"] = schema + ",public"
	return pgx.ConnectConfig(ctx, parsed)
}

func ids(kind region.Kind, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = string(region.NewID(kind, "euc"))
	}
	return all
}

// table is rows for COPY.
type table struct {
	into string
	rows strings.Builder
	n    int
}

const (
	past    = "2026-01-01 00:00:00+00"
	farAway = "2099-01-01 00:00:00+00"
)

// add adds a row; version and times are the same in all.
func (t *table) add(values ...string) {
	t.rows.WriteString(Home + "\t1\t" + past + "\t" + past + "\t" + strings.Join(values, "\t") + "\n")
	t.n++
}

func (t *table) reader() io.Reader { return strings.NewReader(t.rows.String()) }

func newTable(name, columns string) *table {
	return &table{into: name + " (region, version, valid_from, recorded_at, org, " + columns + ")"}
}

func (d *DataSet) tables(zones []string, toZone, toDoor int) []*table {
	random := rand.New(rand.NewPCG(20, 26))
	one := func(of []string) string { return of[random.IntN(len(of))] }
	groups, members := newTable("groups", "id, name"), newTable("memberships", "group_id, member_id")
	places, doors := newTable("zones", "id, site_id, name"), newTable("doors", "id, site_id, name, unlock_ms")
	inZones, grants := newTable("zone_doors", "zone_id, door_id"), newTable("grants", "id, subject_id, target_id, schedule_id, site_id, revoked, valid_to")
	top, middle := len(d.Groups)/5, len(d.Groups)*3/5
	for i, g := range d.Groups {
		groups.add(d.Org, g, fmt.Sprint("group ", i))
		if i >= middle {
			members.add(d.Org, one(d.Groups[top:middle]), g)
		} else if i >= top {
			members.add(d.Org, one(d.Groups[:top]), g)
		}
	}
	for _, person := range d.People {
		for _, g := range random.Perm(len(d.Groups))[:groupsEach] {
			members.add(d.Org, d.Groups[g], person)
		}
	}
	for i, z := range zones {
		places.add(d.Org, z, d.Site, fmt.Sprint("zone ", i))
	}
	for i, door := range d.Doors {
		doors.add(d.Org, door, d.Site, fmt.Sprint("door ", i), "5000")
		for _, z := range random.Perm(len(zones))[:zonesEach] {
			inZones.add(d.Org, zones[z], door)
		}
	}
	grant := func(target, subject string) {
		schedule, end := "", "\\N" // COPY's NULL
		if grants.n%2 == 0 {
			schedule, end = d.Schedule, farAway
			d.Windows = append(d.Windows, [2]string{subject, target})
		}
		grants.add(d.Org, string(region.NewID(region.Grant, "euc")), subject, target, schedule, d.Site, "false", end)
	}
	for range toZone {
		grant(one(zones), one(d.Groups))
	}
	d.Windows = nil // only those of people and doors
	for range toDoor {
		grant(one(d.Doors), one(d.People))
	}
	d.Relations = members.n + inZones.n + grants.n
	return []*table{groups, members, places, doors, inZones, grants}
}
