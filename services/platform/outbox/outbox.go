// Package outbox writes what a commit has to tell others into the commit itself, and sends it afterwards.
//
// A Commit, begun inside a transaction, advances the organization's version (org_heads), and collects events, access-state
// facts and cross-border calls. Flush writes them as rows; nothing is sent that was not committed. A Relay sends the rows
// and deletes what was acknowledged; nothing committed stays unsent.
//
//	err := db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
//		c, err := ob.Begin(ctx, tx, home, org) // return its error as it is: InTx runs the closure again when it is its turn
//		...                                    // rows, with c.RecordedAt
//		c.Event(outbox.Event{Stream: grant, Kind: "grant_created", Payload: p})
//		c.Put(outbox.SiteKey(org, site, "grant", grant), fact)
//		token, err = c.Flush(ctx)
//		return err
//	})
//
// What others may rely on, per organization and home region: versions rise by one without gaps; a stream's versions do
// too; recorded_at rises. Sending is at least once and in order per organization and target: receivers deduplicate events
// by id (Once), and facts are written compare-and-set on their version.
//
// What was sent is kept as the latest of each fact, and a bucket that was lost is filled from that (fill.go).
//
// A call that was taken is not yet in force over there. Crossings tells whom an organization's commits have called and
// what is known of each, Confirm records that one has everything in force.
//
// An Outbox is safe for concurrent use; a Commit belongs to its transaction.
package outbox

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"sync"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

// Migrations makes the tables; numbers 0001 to 0009.
//
//go:embed migrations/*.sql
var Migrations embed.FS

var (
	// ErrNotFresh: a token names a commit that this state does not have yet. Safe to retry.
	ErrNotFresh = errors.New("outbox: the state is older than the consistency token")
	// ErrTooLarge: a message that the broker would never take, and that would stop the organization's queue for ever.
	ErrTooLarge = errors.New("outbox: message too large")
)

// maxMessage bounds one message: NATS takes 1 MiB, headers and envelope included.
const maxMessage = 768 << 10

// Config says whose outbox it is.
type Config struct {
	Service string      // name in subjects, tokens and heads
	Region  region.Name // the service's own; commits may have their home in any region of its jurisdiction
	Regions *region.Map
	// AccessState is true for a service that owns access-state facts. Each of its commits then also sends its head to the
	// gateways, so that they can say up to which version they have applied. Put and Remove need it.
	AccessState bool
	// Shard says which bucket holds an organization's facts; default: all in shard 0.
	Shard func(org region.ID) int
}

// Outbox begins commits and wakes relays.
type Outbox struct {
	cfg Config

	mu     sync.Mutex // guards relays
	relays []*Relay
}

// New makes the outbox of a service.
func New(cfg Config) *Outbox {
	if cfg.Shard == nil {
		cfg.Shard = func(region.ID) int { return 0 }
	}
	return &Outbox{cfg: cfg}
}

// wake tells every relay of this process that rows wait in lanes. InTx calls it after a commit.
func (o *Outbox) wake(lanes []path) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.relays {
		r.wake(lanes)
	}
}

const selectHead = `SELECT version FROM org_heads WHERE region = $1 AND org = $2`

// Head returns the organization's version in the state that tx sees; 0 before its first commit.
func (o *Outbox) Head(ctx context.Context, tx pgx.Tx, home region.Name, org region.ID) (version int64, err error) {
	err = tx.QueryRow(ctx, selectHead, home, org).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("outbox: read the head of %s: %w", org, err)
	}
	return version, nil
}

// Fresh returns ErrNotFresh when a token is ahead of what tx sees. Tokens of other services and other jurisdictions say
// nothing about the rows here and are passed over.
func (o *Outbox) Fresh(ctx context.Context, tx pgx.Tx, tokens []*typev1.ConsistencyToken) error {
	for _, t := range tokens {
		at := region.Name(t.GetRegion())
		if t.GetService() != o.cfg.Service || !o.cfg.Regions.Together(o.cfg.Region, at) {
			continue
		}
		head, err := o.Head(ctx, tx, at, region.ID(t.GetOrgId()))
		if err != nil {
			return err
		}
		if head < t.GetVersion() {
			return fmt.Errorf("%w: %s is at version %d, the token at %d", ErrNotFresh, t.GetOrgId(), head, t.GetVersion())
		}
	}
	return nil
}

const insertConsumed = `INSERT INTO consumed_events (region, consumer, event_id) VALUES ($1, $2, $3)
	ON CONFLICT (region, consumer, event_id) DO NOTHING`

// Once records that consumer has taken an event, in the transaction of its effect. first is false when it had before:
// then the effect is there already and must not be repeated. at is the region whose rows the effect writes.
func (o *Outbox) Once(ctx context.Context, tx pgx.Tx, at region.Name, consumer, eventID string) (first bool, err error) {
	done, err := tx.Exec(ctx, insertConsumed, at, consumer, eventID)
	if err != nil {
		return false, fmt.Errorf("outbox: record event %s: %w", eventID, err)
	}
	return done.RowsAffected() == 1, nil
}
