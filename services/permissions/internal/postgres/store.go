// Package postgres is the only SQL of permissions, for PostgreSQL and CockroachDB, and its migrations.
//
// A [Store] runs the domain's closures in transactions. Rows are read and written in the region that an id or a commit
// names, never in "the region of this process": a neighbour may serve for a region that is down. Where a question is about
// everything that the jurisdiction knows (memberships), its regions are listed.
//
// A Store is safe for concurrent use. Errors of the database leave as package database names them.
package postgres

import (
	"context"
	"embed"
	"fmt"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/outbox"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// Migrations makes the tables; numbers 0100 and up.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Config is what a Store works with; all are required but Committed.
type Config struct {
	DB      *database.DB
	Outbox  *outbox.Outbox
	Keeper  *idempotency.Keeper
	Regions *region.Map
	// Record puts a change into the form in which others receive it.
	Record func(c *outbox.Commit, ch grants.Change) error
	// Committed is told of every version that this store has committed, before the commands that made it are answered;
	// nil: nobody is. It must not wait.
	Committed func(org region.ID, home region.Name, version int64)
}

// Store runs transactions.
type Store struct {
	Config
	queues queues
}

// New makes a store.
func New(cfg Config) *Store {
	s := &Store{Config: cfg}
	s.queues.live = map[place]*queue{}
	s.queues.turns = make(chan struct{}, max(1, cfg.DB.Pool().Config().MaxConns/2))
	return s
}

// Write runs fn as a part of the organization's next commit, together with the commands that wait for it at the same time;
// one that fails leaves no trace in it. fn may run several times, never in two goroutines at once, and not after Write has
// returned.
//
// When ctx ends before fn's turn has come nothing is written. When it ends later Write returns at once, with an error that
// is both the context's and database.ErrUnknownOutcome.
func (s *Store) Write(ctx context.Context, plan grants.Plan, fn func(ctx context.Context, tx grants.Tx) error) error {
	return s.submit(ctx, &command{plan: plan, run: func(ctx context.Context, t *turn) error { return fn(ctx, t.writer) }})
}

// Create is Write once for key: fn fills out and returns the id of what it made. A repetition fills out with the earlier
// answer (see package idempotency). reads are things that fn is going to look up.
func (s *Store) Create(ctx context.Context, key idempotency.Key, req, out proto.Message, fn func(ctx context.Context, tx grants.Tx) (region.ID, error), reads ...region.ID) error {
	plan := grants.Plan{Org: key.Org, Home: key.Region, Reads: reads}
	if key.Key == "" {
		return s.Write(ctx, plan, func(ctx context.Context, tx grants.Tx) error {
			_, err := fn(ctx, tx)
			return err
		})
	}
	if !key.Storable() {
		return fmt.Errorf("idempotency key: %w", database.ErrText)
	}
	return s.submit(ctx, &command{plan: plan, key: key, run: func(ctx context.Context, t *turn) error {
		if replayed, err := t.recalled.Replay(key, req, out); replayed || err != nil {
			return err
		}
		id, err := fn(ctx, t.writer)
		if err != nil {
			return err
		}
		answer, err := s.Keeper.Answer(key, req, out, string(id))
		if err == nil {
			t.answers = append(t.answers, answer)
		}
		return err
	}})
}

// Read runs fn in a read transaction: all that it reads is of one state. fn may run several times.
func (s *Store) Read(ctx context.Context, fn func(ctx context.Context, r grants.Reader) error) error {
	return s.DB.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return fn(ctx, s.reader(tx))
	})
}

func (s *Store) reader(tx pgx.Tx) *reader {
	return &reader{tx: tx, outbox: s.Outbox, regions: s.Regions}
}

// home is the region of an id that was parsed at the edge.
func (r *reader) home(id region.ID) (region.Name, error) {
	home, err := r.regions.Home(id)
	return home.Name, err
}

// around lists the regions of a region's jurisdiction.
func (r *reader) around(name region.Name) ([]string, error) {
	at, err := r.regions.Lookup(name)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, neighbour := range r.regions.In(at.Jurisdiction) {
		names = append(names, string(neighbour.Name))
	}
	return names, nil
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
