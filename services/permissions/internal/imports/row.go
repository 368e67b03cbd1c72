package imports

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Kind is what the lines of a file make. The numbers are those of ImportKind in the contracts.
type Kind int32

// What a file can make.
const (
	Doors       Kind = 1
	Groups      Kind = 2
	Memberships Kind = 3
	Grants      Kind = 4
)

// kinds say which columns each has, and what a line of it does.
var kinds = map[Kind]struct {
	needs, may []string
	make       func(*maker, context.Context, grants.Tx) (region.ID, error)
}{
	Doors:       {needs: []string{"site_id", "name"}, may: []string{"unlock_seconds"}, make: (*maker).door},
	Groups:      {needs: []string{"name"}, make: (*maker).group},
	Memberships: {needs: []string{"group_id", "member_id"}, make: (*maker).membership},
	Grants:      {needs: []string{"subject_id", "target_id"}, may: []string{"schedule_id", "valid_from", "valid_to"}, make: (*maker).grant},
}

// maker makes what one line says.
type maker struct {
	commands grants.Commands
	org      region.ID
	home     region.Name
	fields   map[string]string
	column   string // that is being read, for the error
	err      error
}

func (m *maker) door(ctx context.Context, tx grants.Tx) (region.ID, error) {
	d := grants.Door{Org: m.org, Site: m.local("site_id", region.Site), Name: m.name(), UnlockFor: m.seconds("unlock_seconds", 0.5, 60)}
	if m.err != nil {
		return "", m.err
	}
	made, err := m.commands.CreateDoor(ctx, tx, d)
	return made.ID, err
}

func (m *maker) group(ctx context.Context, tx grants.Tx) (region.ID, error) {
	g := grants.Group{Org: m.org, Name: m.name()}
	if m.err != nil {
		return "", m.err
	}
	made, err := m.commands.CreateGroup(ctx, tx, m.home, g)
	return made.ID, err
}

func (m *maker) membership(ctx context.Context, tx grants.Tx) (region.ID, error) {
	pair := grants.Membership{Group: m.local("group_id", region.Group), Member: m.id("member_id", region.Person, region.Group)}
	if m.err != nil {
		return "", m.err
	}
	_, err := m.commands.AddMember(ctx, tx, m.org, pair, time.Time{})
	return "", err
}

func (m *maker) grant(ctx context.Context, tx grants.Tx) (region.ID, error) {
	g := grants.Grant{
		Org: m.org, Subject: m.id("subject_id", region.Person, region.Group), Target: m.local("target_id", region.Door, region.Zone),
		Validity: grants.Validity{From: m.time("valid_from"), To: m.time("valid_to")},
	}
	if m.fields["schedule_id"] != "" {
		g.Schedule = m.local("schedule_id", region.Schedule)
	}
	if m.err != nil {
		return "", m.err
	}
	m.column = ""
	made, err := m.commands.CreateGrant(ctx, tx, g)
	return made.ID, err
}

func (m *maker) fail(column string, err error) {
	if m.err == nil {
		m.column, m.err = column, err
	}
}

func (m *maker) id(column string, all ...region.Kind) region.ID {
	id, err := m.commands.Regions.Parse(m.fields[column], all...)
	if err != nil {
		m.fail(column, err)
	}
	return id
}

// local is id for things that must live in the region of the import.
func (m *maker) local(column string, all ...region.Kind) region.ID {
	id := m.id(column, all...)
	if home, err := m.commands.Regions.Home(id); m.err == nil && (err != nil || home.Name != m.home) {
		m.fail(column, fmt.Errorf("%s does not live in %s: %w", id, m.home, grants.ErrOtherHome))
	}
	return id
}

func (m *maker) name() string {
	name := m.fields["name"]
	if len([]rune(name)) > 100 {
		m.fail("name", fmt.Errorf("%w: longer than 100 characters", grants.ErrInvalid))
	}
	return name
}

// seconds is zero for an empty field.
func (m *maker) seconds(column string, least, most float64) time.Duration {
	text := m.fields[column]
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= least && n <= most) { // also refuses NaN
		m.fail(column, fmt.Errorf("%w: %q is not a number of seconds from %v to %v", grants.ErrInvalid, text, least, most))
		return 0
	}
	return time.Duration(n * float64(time.Second)).Truncate(time.Millisecond)
}

// time is zero for an empty field.
func (m *maker) time(column string) time.Time {
	text := m.fields[column]
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		m.fail(column, fmt.Errorf("%w: %q is not a time like 2026-11-23T08:00:00+01:00", grants.ErrInvalid, text))
		return time.Time{}
	}
	return grants.Instant(t)
}
