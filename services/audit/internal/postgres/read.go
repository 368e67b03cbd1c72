package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/jackc/pgx/v5"
)

// maxPageBytes ends a page early: a page of the largest bodies would otherwise not fit any message.
const maxPageBytes = 2 << 20

const selectHead = `SELECT size, hash FROM ledger_heads WHERE region = $1 AND org = $2`

const selectEntries = `SELECT e.position, e.event_id, e.body_sha256, e.previous_hash, e.hash, e.appended_at, b.body
FROM ledger_entries AS e
LEFT JOIN ledger_bodies AS b ON b.region = e.region AND b.org = e.org AND b.position = e.position
WHERE e.region = $1 AND e.org = $2 AND e.position >= $3
ORDER BY e.position LIMIT $4`

// Head returns the head of a ledger; the zero Head when it has no entry.
func (s *Store) Head(ctx context.Context, id ledger.ID) (head ledger.Head, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		head, err = readHead(ctx, tx, id)
		return err
	})
	return head, err
}

// Entries returns up to limit entries from position on, and the head at the same moment. It returns fewer, but at least one,
// when their bodies are larger than two MiB together.
func (s *Store) Entries(ctx context.Context, id ledger.ID, from int64, limit int) (entries []ledger.Entry, head ledger.Head, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if head, err = readHead(ctx, tx, id); err != nil {
			return err
		}
		entries, err = readEntries(ctx, tx, id, from, limit)
		return err
	})
	return entries, head, err
}

func readHead(ctx context.Context, tx pgx.Tx, id ledger.ID) (ledger.Head, error) {
	var size int64
	var hash []byte
	err := tx.QueryRow(ctx, selectHead, string(id.Region), string(id.Org)).Scan(&size, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return ledger.Head{}, nil
	}
	if err != nil {
		return ledger.Head{}, fmt.Errorf("read the head of %s in %s: %w", id.Org, id.Region, err)
	}
	h, err := ledger.HashFromBytes(hash)
	return ledger.Head{Size: size, Hash: h}, err
}

func readEntries(ctx context.Context, tx pgx.Tx, id ledger.ID, from int64, limit int) ([]ledger.Entry, error) {
	rows, err := tx.Query(ctx, selectEntries, string(id.Region), string(id.Org), from, limit)
	if err != nil {
		return nil, fmt.Errorf("read entries of %s in %s: %w", id.Org, id.Region, err)
	}
	defer rows.Close()
	var entries []ledger.Entry
	bytes := 0
	for bytes <= maxPageBytes && rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return nil, fmt.Errorf("read an entry of %s in %s: %w", id.Org, id.Region, err)
		}
		entries = append(entries, e)
		bytes += len(e.Body)
	}
	return entries, rows.Err()
}

func scanEntry(row pgx.CollectableRow) (ledger.Entry, error) {
	var e ledger.Entry
	var at time.Time
	var bodyHash, previous, hash []byte
	if err := row.Scan(&e.Position, &e.EventID, &bodyHash, &previous, &hash, &at, &e.Body); err != nil {
		return ledger.Entry{}, err
	}
	e.AppendedAt = at.UTC()
	var errs [3]error
	e.BodySHA256, errs[0] = ledger.HashFromBytes(bodyHash)
	e.Previous, errs[1] = ledger.HashFromBytes(previous)
	e.Hash, errs[2] = ledger.HashFromBytes(hash)
	return e, errors.Join(errs[:]...)
}
