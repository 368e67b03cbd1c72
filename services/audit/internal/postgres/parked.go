package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
)

const insertParked = `INSERT INTO parked_events (region, digest, subject, data, error, parked_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (region, digest) DO NOTHING`

// Parked is a message that cannot go into a ledger.
type Parked struct {
	Subject string
	Data    []byte // as it came
	Why     error
}

// Park keeps a message aside. The same message again changes nothing.
func (s *Store) Park(ctx context.Context, in region.Name, p Parked, at time.Time) error {
	digest := sha256.Sum256(append([]byte(p.Subject+"\x00"), p.Data...))
	return s.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertParked, string(in), digest[:], storable(p.Subject), append([]byte{}, p.Data...), storable(p.Why.Error()), at)
		if err != nil {
			return fmt.Errorf("park a message: %w", err)
		}
		return nil
	})
}

// storable makes a stranger's bytes a text that the database takes.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
