package system

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// index is one that was dropped, and how it is made again.
type index struct {
	name, table, constraint string // the constraint that it was of: PRIMARY KEY or UNIQUE; empty: none
	definition              string
}

const indexesOf = `SELECT i.relname, t.relname,
		CASE c.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE '' END, pg_get_indexdef(i.oid)
	FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
	LEFT JOIN pg_constraint c ON c.conindid = i.oid
	WHERE n.nspname = 'permissions' AND t.relname = ANY ($1) ORDER BY t.relname, i.relname`

// withoutIndexes runs fill while these tables have no index, as a restore does: an index is built from sorted rows several
// times faster than row by row, and what it then reads of the disk does not grow with it.
func withoutIndexes(ctx context.Context, owner connector, tables []string, fill func() error) error {
	conn, err := owner(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, indexesOf, tables)
	if err != nil {
		return err
	}
	dropped, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (x index, err error) {
		return x, row.Scan(&x.name, &x.table, &x.constraint, &x.definition)
	})
	if err != nil {
		return err
	}
	for _, x := range dropped {
		drop := "DROP INDEX " + x.name
		if x.constraint != "" {
			drop = "ALTER TABLE " + x.table + " DROP CONSTRAINT " + x.name
		}
		if _, err := conn.Exec(ctx, drop); err != nil {
			return fmt.Errorf("drop %s: %w", x.name, err)
		}
	}
	if err := fill(); err != nil {
		return err // the system is thrown away
	}
	return rebuild(ctx, owner, dropped)
}

// builders is how many indexes are built at a time.
const builders = 2

// rebuild makes the indexes again, then their constraints: these lock the table, and take no time when the index is there.
func rebuild(ctx context.Context, owner connector, dropped []index) error {
	todo := make(chan index, len(dropped))
	for _, x := range dropped {
		todo <- x
	}
	close(todo)
	var all sync.WaitGroup
	errs := make([]error, builders)
	for i := range builders {
		all.Go(func() { errs[i] = build(ctx, owner, todo) })
	}
	all.Wait()
	if err := first(errs...); err != nil {
		return err
	}
	conn, err := owner(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, x := range dropped {
		if x.constraint == "" {
			continue
		}
		if _, err := conn.Exec(ctx, "ALTER TABLE "+x.table+" ADD CONSTRAINT "+x.name+" "+x.constraint+" USING INDEX "+x.name); err != nil {
			return fmt.Errorf("constraint %s: %w", x.name, err)
		}
	}
	return nil
}

func build(ctx context.Context, owner connector, todo <-chan index) error {
	conn, err := owner(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SET maintenance_work_mem = '1GB'"); err != nil {
		return err
	}
	for x := range todo {
		if _, err := conn.Exec(ctx, x.definition); err != nil {
			return fmt.Errorf("build %s: %w", x.name, err)
		}
	}
	return nil
}
