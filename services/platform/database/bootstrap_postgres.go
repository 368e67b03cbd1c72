package database

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

func postgresPlan(l Layout) plan {
	return plan{
		database: func(ctx context.Context, conn *pgx.Conn) error {
			if err := postgresRoles(ctx, conn, l.Services); err != nil {
				return err
			}
			return createDatabase(ctx, conn, l.Database)
		},
		inside: func(ctx context.Context, conn *pgx.Conn) error {
			if err := regionType(ctx, conn, l); err != nil {
				return err
			}
			return postgresSchemas(ctx, conn, l)
		},
	}
}

const selectRole = `SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname = $1`

func postgresRoles(ctx context.Context, conn *pgx.Conn, services []Service) error {
	for _, s := range services {
		for role, password := range map[string]string{s.Owner(): s.OwnerPassword, s.App(): s.AppPassword} {
			var there int
			if err := conn.QueryRow(ctx, selectRole, role).Scan(&there); err != nil {
				return err
			}
			verb := "CREATE"
			if there > 0 {
				verb = "ALTER"
			}
			sql := verb + " ROLE " + ident(role) + " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"
			if password != "" {
				sql += " PASSWORD " + literal(password)
			}
			if err := exec(ctx, conn, statement{"role " + role, sql}); err != nil {
				return err
			}
		}
	}
	return nil
}

const selectDatabase = `SELECT count(*) FROM pg_catalog.pg_database WHERE datname = $1`

func createDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	var there int
	if err := conn.QueryRow(ctx, selectDatabase, name).Scan(&there); err != nil || there > 0 {
		return err
	}
	return exec(ctx, conn, statement{"create database " + name, "CREATE DATABASE " + ident(name)})
}

const selectRegionType = `SELECT count(*) FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
	WHERE t.typname = 'crdb_internal_region' AND n.nspname = 'public'`

// regionType gives PostgreSQL the column type that CockroachDB has by itself in a database of many regions. Its values
// are this jurisdiction's regions only, so that a row of another one cannot be written at all.
func regionType(ctx context.Context, conn *pgx.Conn, l Layout) error {
	var there int
	if err := conn.QueryRow(ctx, selectRegionType).Scan(&there); err != nil {
		return err
	}
	if there == 0 {
		return exec(ctx, conn, statement{"create the region type",
			"CREATE TYPE public.crdb_internal_region AS ENUM (" + regionList(l, literal) + ")"})
	}
	for _, r := range l.Regions {
		sql := "ALTER TYPE public.crdb_internal_region ADD VALUE IF NOT EXISTS " + literal(string(r.Name))
		if err := exec(ctx, conn, statement{"add region " + string(r.Name), sql}); err != nil {
			return err
		}
	}
	return nil
}

func postgresSchemas(ctx context.Context, conn *pgx.Conn, l Layout) error {
	err := exec(ctx, conn,
		statement{"close the database", "REVOKE ALL ON DATABASE " + ident(l.Database) + " FROM PUBLIC"},
		statement{"close schema public", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"})
	if err != nil {
		return err
	}
	for _, s := range l.Services {
		roles := ident(s.Owner()) + ", " + ident(s.App())
		err := exec(ctx, conn,
			statement{"let " + s.Schema + " connect", "GRANT CONNECT ON DATABASE " + ident(l.Database) + " TO " + roles},
			statement{"schema " + s.Schema, "CREATE SCHEMA IF NOT EXISTS " + ident(s.Schema) + " AUTHORIZATION " + ident(s.Owner())},
			statement{"open schema " + s.Schema, "GRANT USAGE ON SCHEMA " + ident(s.Schema) + " TO " + ident(s.App())})
		if err != nil {
			return err
		}
	}
	return nil
}

func regionList(l Layout, quote func(string) string) string {
	names := make([]string, len(l.Regions))
	for i, r := range l.Regions {
		names[i] = quote(string(r.Name))
	}
	return strings.Join(names, ", ")
}

// literal quotes a string for DDL, which takes no parameters. Backslashes are literal (standard_conforming_strings).
func literal(s string) string { return fmt.Sprintf("'%s'", strings.ReplaceAll(s, "'", "''")) }
