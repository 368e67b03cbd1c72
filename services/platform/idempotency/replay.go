package idempotency

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

const selectKept = `SELECT request_mac, mac_key_id, resource_id, answer, answer_key_id, created_at FROM idempotency
	WHERE region = $1 AND org = $2 AND caller = $3 AND method = $4 AND key = $5`

type kept struct {
	RequestMAC  []byte
	MACKeyID    string
	ResourceID  string
	Answer      []byte
	AnswerKeyID string
	CreatedAt   time.Time
}

// replay fills out with what was answered before.
func (k *Keeper) replay(ctx context.Context, tx pgx.Tx, key Key, request []byte, out proto.Message) error {
	var was kept
	err := tx.QueryRow(ctx, selectKept, key.Region, key.Org, key.Caller, key.Method, key.Key).Scan(
		&was.RequestMAC, &was.MACKeyID, &was.ResourceID, &was.Answer, &was.AnswerKeyID, &was.CreatedAt)
	if err != nil {
		return fmt.Errorf("idempotency: read the key: %w", err)
	}
	return k.answer(was, key, request, out)
}

// answer fills out from a key's row.
func (k *Keeper) answer(was kept, key Key, request []byte, out proto.Message) error {
	mac, err := k.ring.MACWith(was.MACKeyID, []byte(key.Method), request)
	switch {
	case errors.Is(err, keyring.ErrUnknownKey): // the key was retired: all that is left to say is what was made
		return &ReplayedError{ID: was.ResourceID}
	case subtle.ConstantTimeCompare(mac[:], was.RequestMAC) == 0:
		return ErrMismatch
	case was.Answer == nil || k.now().Sub(was.CreatedAt) >= AnswerTime:
		return &ReplayedError{ID: was.ResourceID}
	}
	answer, err := k.ring.Open(was.AnswerKeyID, was.Answer, key.aad())
	if errors.Is(err, keyring.ErrUnknownKey) {
		return &ReplayedError{ID: was.ResourceID}
	}
	if err != nil {
		return fmt.Errorf("idempotency: the kept answer: %w", err)
	}
	if err := proto.Unmarshal(answer, out); err != nil { // resets out first
		return fmt.Errorf("idempotency: the kept answer: %w", err)
	}
	return nil
}

// forgetAtOnce bounds one transaction of Forget.
const forgetAtOnce = 1000

const forget = `UPDATE idempotency SET answer = NULL
	WHERE (region, org, caller, method, key) IN (
		SELECT region, org, caller, method, key FROM idempotency
		WHERE region = $1 AND answer IS NOT NULL AND created_at < $2 LIMIT 1000)`

// forgetEvery bounds how much longer than AnswerTime an answer rests: secrets that are shown once are in some.
const forgetEvery = time.Hour

// Run forgets the homes' old answers, at once and then every hour, until ctx ends. A database that is away is logged.
func (k *Keeper) Run(ctx context.Context, db *database.DB, homes []region.Region, logger *slog.Logger) error {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		for _, home := range homes {
			if err := k.Forget(ctx, db, home.Name); err != nil && ctx.Err() == nil {
				logger.WarnContext(ctx, "old answers could not be forgotten", "region", home.Name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Forget deletes the answers of home that are too old to be replayed.
func (k *Keeper) Forget(ctx context.Context, db *database.DB, home region.Name) error {
	for {
		var n int64
		err := db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
			done, err := tx.Exec(ctx, forget, home, k.now().Add(-AnswerTime))
			n = done.RowsAffected()
			return err
		})
		if err != nil {
			return fmt.Errorf("idempotency: forget answers: %w", err)
		}
		if n < forgetAtOnce {
			return nil
		}
	}
}
