// Package idempotency makes creates repeatable: the same request under the same key creates once and answers the same.
//
// The key's row is written in the transaction of the create, in the created row's region. It holds a keyed hash of the
// request and the answer, sealed, for 24 hours; afterwards only the id of what was created. Two calls with one key at
// the same time run one after the other: the second waits for the first's transaction, runs again, and replays.
//
// Many creates of one transaction are looked up and kept together: Recall, then Replay or Answer for each, then Keep.
//
// A Keeper is safe for concurrent use.
package idempotency

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// Migrations makes the table; numbers 0010 to 0019.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// AnswerTime is how long an answer can be replayed.
const AnswerTime = 24 * time.Hour

// ErrMismatch: the key was used before with another request.
var ErrMismatch = errors.New("idempotency: the key was used for another request")

// ReplayedError says that the create was done so long ago that its answer is gone.
type ReplayedError struct {
	ID string // of what was created
}

func (e *ReplayedError) Error() string {
	return fmt.Sprintf("idempotency: created before as %s, and the answer is no longer kept", e.ID)
}

// Key names one create. An empty Key.Key means that the caller gave none: then nothing is kept.
type Key struct {
	Region region.Name // home of what is created
	Org    region.ID   // empty for the creation of an organization
	Caller string      // who asks: keys of two callers never meet
	Method string      // the RPC's procedure
	Key    string
}

// Keeper keeps requests and answers.
type Keeper struct {
	ring *keyring.Ring
	now  func() time.Time
}

// New makes a keeper that seals with ring, of purpose `answer`. now is the clock; nil: time.Now.
func New(ring *keyring.Ring, now func() time.Time) *Keeper {
	if now == nil {
		now = time.Now
	}
	return &Keeper{ring: ring, now: now}
}

const claim = `INSERT INTO idempotency (region, org, caller, method, key, request_mac, mac_key_id, resource_id, answer_key_id, created_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, '', '', $8)
	ON CONFLICT (region, org, caller, method, key) DO NOTHING`

const keep = `UPDATE idempotency SET resource_id = $6, answer = $7, answer_key_id = $8
	WHERE region = $1 AND org = $2 AND caller = $3 AND method = $4 AND key = $5`

// Do runs create once for key. create fills out and returns the id of what it made; it must use tx and nothing else.
// When the same request was done before under this key, out is what was answered then and replayed is true. Other
// outcomes: ErrMismatch, *ReplayedError, or the error of create, with which tx must be rolled back.
func (k *Keeper) Do(ctx context.Context, tx pgx.Tx, key Key, req, out proto.Message, create func() (resourceID string, err error)) (replayed bool, err error) {
	if key.Key == "" {
		_, err := create()
		return false, err
	}
	request, err := canonical(req)
	if err != nil {
		return false, err
	}
	mac, keyID := k.ring.MAC([]byte(key.Method), request)
	done, err := tx.Exec(ctx, claim, key.Region, key.Org, key.Caller, key.Method, key.Key, mac[:], keyID, k.now())
	if err != nil {
		return false, fmt.Errorf("idempotency: claim the key: %w", err)
	}
	if done.RowsAffected() == 0 {
		return true, k.replay(ctx, tx, key, request, out)
	}
	id, err := create()
	if err != nil {
		return false, err
	}
	return false, k.keep(ctx, tx, key, id, out)
}

func (k *Keeper) keep(ctx context.Context, tx pgx.Tx, key Key, id string, out proto.Message) error {
	answer, err := proto.Marshal(out)
	if err != nil {
		return fmt.Errorf("idempotency: %w", err)
	}
	sealed, keyID := k.ring.Seal(answer, key.aad())
	_, err = tx.Exec(ctx, keep, key.Region, key.Org, key.Caller, key.Method, key.Key, id, sealed, keyID)
	if err != nil {
		return fmt.Errorf("idempotency: keep the answer: %w", err)
	}
	return nil
}

// canonical is the form of a request that is compared.
func canonical(req proto.Message) ([]byte, error) {
	request, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("idempotency: %w", err)
	}
	return request, nil
}

// aad binds a sealed answer to its row.
func (key Key) aad() []byte {
	return []byte(strings.Join([]string{string(key.Region), string(key.Org), key.Caller, key.Method, key.Key}, "\x00"))
}
