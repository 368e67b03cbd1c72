package idempotency_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// together is Do of a transaction that has one create.
func together(k *idempotency.Keeper) func(context.Context, pgx.Tx, idempotency.Key, proto.Message, proto.Message, func() (string, error)) (bool, error) {
	return func(ctx context.Context, tx pgx.Tx, key idempotency.Key, req, out proto.Message, create func() (string, error)) (bool, error) {
		var look, write pgx.Batch
		recalled := k.Recall(&look, key.Region, key.Org, []idempotency.Key{key})
		if err := tx.SendBatch(ctx, &look).Close(); err != nil {
			return false, err
		}
		if replayed, err := recalled.Replay(key, req, out); replayed || err != nil {
			return replayed, err
		}
		id, err := create()
		if err != nil {
			return false, err
		}
		answer, err := k.Answer(key, req, out, id)
		if err != nil {
			return false, err
		}
		k.Keep(&write, key.Region, key.Org, []idempotency.Answer{answer})
		return false, tx.SendBatch(ctx, &write).Close()
	}
}

func TestManyCreatesOfOneTransactionAreKeptTogether(t *testing.T) {
	b := newBench(t)
	keeper := idempotency.New(b.ring, time.Now)
	keys := []idempotency.Key{key("0"), key("1"), key("2")}
	keys[2].Caller = "key_euc_2"
	body := func(i int) proto.Message { return wrapperspb.String(fmt.Sprint("body ", i)) }
	run := func(check func(i int, r *idempotency.Recalled) (*idempotency.Answer, error)) error {
		return b.db.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
			var look, write pgx.Batch
			recalled := keeper.Recall(&look, "eu-central", "org_euc_1", keys)
			if err := tx.SendBatch(ctx, &look).Close(); err != nil {
				return err
			}
			var answers []idempotency.Answer
			for i := range keys {
				answer, err := check(i, recalled)
				if err != nil {
					return err
				}
				if answer != nil {
					answers = append(answers, *answer)
				}
			}
			keeper.Keep(&write, "eu-central", "org_euc_1", answers)
			if write.Len() > 1 {
				t.Errorf("%d statements", write.Len())
			}
			return tx.SendBatch(ctx, &write).Close()
		})
	}
	if err := run(func(i int, r *idempotency.Recalled) (*idempotency.Answer, error) {
		if replayed, err := r.Replay(keys[i], body(i), &wrapperspb.StringValue{}); replayed || err != nil {
			t.Errorf("key %d: replayed before it was made: %v", i, err)
		}
		if i == 1 {
			return nil, nil // failed
		}
		answer, err := keeper.Answer(keys[i], body(i), wrapperspb.String(fmt.Sprint("answer ", i)), fmt.Sprint("thing_", i))
		return &answer, err
	}); err != nil {
		t.Fatal(err)
	}
	if err := run(func(i int, r *idempotency.Recalled) (*idempotency.Answer, error) {
		out := &wrapperspb.StringValue{}
		replayed, err := r.Replay(keys[i], body(i), out)
		if replayed != (i != 1) || replayed && out.Value != fmt.Sprint("answer ", i) {
			t.Errorf("key %d: %v, %q", i, replayed, out.Value)
		}
		return nil, err
	}); err != nil {
		t.Fatal(err)
	}
}
