package database

import (
	"context"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// survivable is how many regions a super region needs so that its rows survive the loss of one without leaving it.
const survivable = 3

func cockroachPlan(l Layout) plan {
	return plan{
		database: func(ctx context.Context, conn *pgx.Conn) error {
			if err := exec(ctx, conn, cockroachRegions(l)...); err != nil {
				return err
			}
			there, err := superRegions(ctx, conn, l.Database)
			if err != nil {
				return err
			}
			return exec(ctx, conn, cockroachPlacement(l, there)...)
		},
		inside: func(ctx context.Context, conn *pgx.Conn) error {
			return exec(ctx, conn, cockroachSchemas(l)...)
		},
	}
}

// cockroachRegions makes the database and its regions, which makes the type crdb_internal_region.
func cockroachRegions(l Layout) []statement {
	db := ident(l.Database)
	all := []statement{
		{"create database " + l.Database, "CREATE DATABASE IF NOT EXISTS " + db},
		{"set the primary region", "ALTER DATABASE " + db + " SET PRIMARY REGION " + ident(string(l.Regions[0].Name))},
	}
	for _, r := range l.Regions[1:] {
		all = append(all, statement{"add region " + string(r.Name), "ALTER DATABASE " + db + " ADD REGION IF NOT EXISTS " + ident(string(r.Name))})
	}
	return all
}

// cockroachPlacement pins each jurisdiction's rows to its own regions: without a super region, copies of every row go to
// every region. Rows can survive the loss of a region only where enough others of the jurisdiction are left.
func cockroachPlacement(l Layout, there []string) []statement {
	db := ident(l.Database)
	all := []statement{{"enable super regions", "SET enable_super_regions = 'on'"}}
	survive := "REGION"
	for _, j := range l.jurisdictions() {
		of := Layout{Regions: slices.DeleteFunc(slices.Clone(l.Regions), func(r region.Region) bool { return r.Jurisdiction != j })}
		if len(of.Regions) < survivable {
			survive = "ZONE"
		}
		verb := " ADD"
		if slices.Contains(there, string(j)) {
			verb = " ALTER"
		}
		all = append(all, statement{"super region " + string(j),
			"ALTER DATABASE " + db + verb + " SUPER REGION " + ident(string(j)) + " VALUES " + regionList(of, ident)})
	}
	return append(all, statement{"set the survival goal", "ALTER DATABASE " + db + " SURVIVE " + survive + " FAILURE"})
}

func (l Layout) jurisdictions() []region.Jurisdiction {
	var all []region.Jurisdiction
	for _, r := range l.Regions {
		if !slices.Contains(all, r.Jurisdiction) {
			all = append(all, r.Jurisdiction)
		}
	}
	return all
}

func superRegions(ctx context.Context, conn *pgx.Conn, name string) ([]string, error) {
	rows, err := conn.Query(ctx, "SELECT super_region_name FROM [SHOW SUPER REGIONS FROM DATABASE "+ident(name)+"]")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func cockroachSchemas(l Layout) []statement {
	db := ident(l.Database)
	all := []statement{
		{"close the database", "REVOKE ALL ON DATABASE " + db + " FROM public"},
		{"close schema public", "REVOKE CREATE ON SCHEMA public FROM public"},
	}
	for _, s := range l.Services {
		schema, owner, app := ident(s.Schema), ident(s.Owner()), ident(s.App())
		all = append(all, cockroachRole(s.Owner(), s.OwnerPassword)...)
		all = append(all, cockroachRole(s.App(), s.AppPassword)...)
		all = append(all,
			statement{"let " + s.Schema + " connect", "GRANT CONNECT ON DATABASE " + db + " TO " + owner + ", " + app},
			statement{"schema " + s.Schema, "CREATE SCHEMA IF NOT EXISTS " + schema + " AUTHORIZATION " + owner},
			statement{"open schema " + s.Schema, "GRANT USAGE ON SCHEMA " + schema + " TO " + app})
	}
	return all
}

func cockroachRole(name, password string) []statement {
	all := []statement{{"role " + name, "CREATE ROLE IF NOT EXISTS " + ident(name) + " LOGIN"}}
	if password != "" {
		all = append(all, statement{"password of " + name, "ALTER ROLE " + ident(name) + " WITH PASSWORD " + literal(password)})
	}
	return all
}
