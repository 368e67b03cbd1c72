package database

import (
	"context"

	"github.com/jackc/pgx/v5"
)

func cockroachPlan(l Layout) plan {
	return plan{
		database: func(context.Context, *pgx.Conn) error { return nil },
		inside:   func(context.Context, *pgx.Conn) error { return nil },
	}
}
