package idempotency

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/protobuf/proto"
)

// errTaken: another transaction kept an answer under one of the keys meanwhile. The engines turn that into a serialization
// failure; where one does not, nothing may be committed either.
var errTaken = errors.New("idempotency: a key was taken meanwhile")

// Each key is looked up for itself (OFFSET 0 keeps PostgreSQL from making a join of it): so the plan uses the whole primary
// key, whatever is known of the table.
const selectAllKept = `SELECT k.* FROM unnest($3::TEXT[], $4::TEXT[], $5::TEXT[]) AS a (caller, method, key), LATERAL (
		SELECT i.caller, i.method, i.key, i.request_mac, i.mac_key_id, i.resource_id, i.answer, i.answer_key_id, i.created_at FROM idempotency i
		WHERE i.region = $1 AND i.org = $2 AND i.caller = a.caller AND i.method = a.method AND i.key = a.key OFFSET 0) k`

// Recalled is what was kept under the keys of one transaction.
type Recalled struct {
	keeper *Keeper
	rows   map[Key]kept
}

// Recall adds the look-up of keys, all of one region and organization, to batch. The result may be used when batch was
// sent without an error. No key may be there twice, and no other transaction of this process should be using one of them.
func (k *Keeper) Recall(batch *pgx.Batch, home region.Name, org region.ID, keys []Key) *Recalled {
	r := &Recalled{keeper: k, rows: map[Key]kept{}}
	if len(keys) == 0 {
		return r
	}
	callers, methods, names := make([]string, len(keys)), make([]string, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		callers[i], methods[i], names[i] = key.Caller, key.Method, key.Key
	}
	batch.Queue(selectAllKept, home, org, callers, methods, names).Query(func(rows pgx.Rows) error {
		key := Key{Region: home, Org: org}
		var was kept
		into := []any{&key.Caller, &key.Method, &key.Key, &was.RequestMAC, &was.MACKeyID, &was.ResourceID, &was.Answer, &was.AnswerKeyID, &was.CreatedAt}
		_, err := pgx.ForEachRow(rows, into, func() error {
			r.rows[key] = was
			return nil
		})
		return err
	})
	return r
}

// Replay fills out with what was answered under key before. replayed is false when nothing was; otherwise the outcomes are
// those of Do.
func (r *Recalled) Replay(key Key, req, out proto.Message) (replayed bool, err error) {
	was, is := r.rows[key]
	if !is {
		return false, nil
	}
	request, err := canonical(req)
	if err != nil {
		return false, err
	}
	return true, r.keeper.answer(was, key, request, out)
}

// Answer is what a create leaves behind.
type Answer struct {
	key     Key
	mac     []byte
	macKey  string
	id      string
	sealed  []byte
	sealKey string
	at      time.Time
}

// Answer seals what a create under key has answered; id is of what it made.
func (k *Keeper) Answer(key Key, req, out proto.Message, id string) (Answer, error) {
	request, err := canonical(req)
	if err != nil {
		return Answer{}, err
	}
	answer, err := proto.Marshal(out)
	if err != nil {
		return Answer{}, fmt.Errorf("idempotency: %w", err)
	}
	a := Answer{key: key, id: id, at: k.now()}
	mac, macKey := k.ring.MAC([]byte(key.Method), request)
	a.mac, a.macKey = mac[:], macKey
	a.sealed, a.sealKey = k.ring.Seal(answer, key.aad())
	return a, nil
}

const keepAll = `INSERT INTO idempotency (region, org, caller, method, key, request_mac, mac_key_id, resource_id, answer, answer_key_id, created_at)
	SELECT $1::crdb_internal_region, $2::TEXT, a.caller, a.method, a.key, a.request_mac, a.mac_key_id, a.resource_id, a.answer, a.answer_key_id,
		a.created_at
	FROM unnest($3::TEXT[], $4::TEXT[], $5::TEXT[], $6::BYTEA[], $7::TEXT[], $8::TEXT[], $9::BYTEA[], $10::TEXT[], $11::TIMESTAMPTZ[])
		AS a (caller, method, key, request_mac, mac_key_id, resource_id, answer, answer_key_id, created_at)
	ON CONFLICT (region, org, caller, method, key) DO NOTHING`

// Keep adds the writing of answers, all of one region and organization, to batch, as one statement.
func (k *Keeper) Keep(batch *pgx.Batch, home region.Name, org region.ID, answers []Answer) {
	if len(answers) == 0 {
		return
	}
	var (
		callers, methods, names, macKeys, ids, sealKeys []string
		macs, sealed                                    [][]byte
		at                                              []time.Time
	)
	for _, a := range answers {
		callers, methods, names = append(callers, a.key.Caller), append(methods, a.key.Method), append(names, a.key.Key)
		macs, macKeys, ids = append(macs, a.mac), append(macKeys, a.macKey), append(ids, a.id)
		sealed, sealKeys, at = append(sealed, a.sealed), append(sealKeys, a.sealKey), append(at, a.at)
	}
	batch.Queue(keepAll, home, org, callers, methods, names, macs, macKeys, ids, sealed, sealKeys, at).Exec(func(done pgconn.CommandTag) error {
		if done.RowsAffected() != int64(len(answers)) {
			return errTaken
		}
		return nil
	})
}

// Storable says whether the key can be stored: the engines take no U+0000. Do finds out by failing.
func (key Key) Storable() bool {
	return !strings.ContainsRune(key.Key, 0) && !strings.ContainsRune(key.Caller, 0)
}
