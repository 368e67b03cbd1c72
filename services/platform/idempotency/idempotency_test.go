package idempotency_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/database"
	"github.com/cardea-mesh/cardea/services/platform/dbtest"
	"github.com/cardea-mesh/cardea/services/platform/idempotency"
	"github.com/cardea-mesh/cardea/services/platform/keyring"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// bench is a keeper with a clock and a create that counts.
type bench struct {
	db      *database.DB
	ring    *keyring.Ring
	now     time.Time
	creates atomic.Int64
	calls   atomic.Int64
}

func newBench(t *testing.T) *bench {
	ring, err := keyring.New([]keyring.Key{{ID: "2026", Secret: [32]byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{db: dbtest.New(t, "identity", idempotency.Migrations), ring: ring, now: time.Now()}
}

func key(k string) idempotency.Key {
	return idempotency.Key{Region: "eu-central", Org: "org_euc_1", Caller: "key_euc_1", Method: "/cardea.X/Create", Key: k}
}

// do asks for a create of body, and returns the answer. Every second call goes the way of many creates in one transaction:
// what the one way keeps the other replays.
func (b *bench) do(ctx context.Context, k idempotency.Key, body string, fail error) (answer string, replayed bool, err error) {
	keeper := idempotency.New(b.ring, func() time.Time { return b.now })
	out := &wrapperspb.StringValue{}
	create := func() (string, error) {
		id := fmt.Sprintf("thing_%d", b.creates.Add(1))
		out.Value = "made " + id
		return id, fail
	}
	way := keeper.Do
	if b.calls.Add(1)%2 == 0 && k.Key != "" {
		way = together(keeper)
	}
	err = b.db.InTx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		replayed, err = way(ctx, tx, k, wrapperspb.String(body), out, create)
		return err
	})
	return out.Value, replayed, err
}

func TestTheSameRequestIsAnsweredTheSame(t *testing.T) {
	b := newBench(t)
	for i := range 3 {
		answer, replayed, err := b.do(t.Context(), key("k"), "body", nil)
		if err != nil || answer != "made thing_1" || replayed != (i > 0) {
			t.Fatalf("call %d: %q, %v, %v", i, answer, replayed, err)
		}
	}
}

func TestKeysMeetOnlyWithinOneCallerAndMethod(t *testing.T) {
	b := newBench(t)
	base := key("k")
	others := []idempotency.Key{base, base, base, base, base}
	others[0].Region = "eu-west"
	others[1].Org = "org_euc_2"
	others[2].Caller = "key_euc_2"
	others[3].Method = "/cardea.X/Other"
	others[4].Key = "k2"
	for _, k := range append(others, base) {
		if _, replayed, err := b.do(t.Context(), k, "body", nil); err != nil || replayed {
			t.Errorf("%v: %v, %v", k, replayed, err)
		}
	}
}

func TestAnotherBodyIsRefused(t *testing.T) {
	b := newBench(t)
	b.do(t.Context(), key("k"), "body", nil)
	if _, _, err := b.do(t.Context(), key("k"), "other", nil); !errors.Is(err, idempotency.ErrMismatch) {
		t.Fatalf("got %v", err)
	}
	b.now = b.now.Add(idempotency.AnswerTime)
	if _, _, err := b.do(t.Context(), key("k"), "other", nil); !errors.Is(err, idempotency.ErrMismatch) {
		t.Fatalf("after a day: got %v", err)
	}
}

func TestAfterADayOnlyTheIDIsLeft(t *testing.T) {
	b := newBench(t)
	b.do(t.Context(), key("k"), "body", nil)
	b.now = b.now.Add(idempotency.AnswerTime - time.Second)
	if answer, replayed, err := b.do(t.Context(), key("k"), "body", nil); err != nil || !replayed || answer != "made thing_1" {
		t.Fatalf("just before: %q, %v, %v", answer, replayed, err)
	}
	b.now = b.now.Add(2 * time.Second)
	for _, forget := range []bool{false, true} {
		if forget {
			keeper := idempotency.New(b.ring, func() time.Time { return b.now })
			if err := keeper.Forget(t.Context(), b.db, "eu-central"); err != nil {
				t.Fatal(err)
			}
		}
		var gone *idempotency.ReplayedError
		if _, _, err := b.do(t.Context(), key("k"), "body", nil); !errors.As(err, &gone) || gone.ID != "thing_1" {
			t.Fatalf("after a day: %v", err)
		}
	}
	var left int
	if err := b.db.Pool().QueryRow(t.Context(), `SELECT count(answer) FROM idempotency`).Scan(&left); err != nil || left != 0 {
		t.Fatalf("%d answers are left (%v)", left, err)
	}
}

func TestARunningKeeperForgetsOldAnswers(t *testing.T) {
	b := newBench(t)
	b.do(t.Context(), key("old"), "body", nil)
	b.now = b.now.Add(idempotency.AnswerTime + time.Second)
	b.do(t.Context(), key("young"), "body", nil)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		keeper := idempotency.New(b.ring, func() time.Time { return b.now })
		ended <- keeper.Run(ctx, b.db, []region.Region{{Name: "eu-west"}, {Name: "eu-central"}}, slog.New(slog.DiscardHandler))
	}()
	for {
		var left []string
		err := b.db.Pool().QueryRow(t.Context(), `SELECT array_agg(key) FROM idempotency WHERE answer IS NOT NULL`).Scan(&left)
		if err != nil {
			t.Fatal(err) // also when the test's time is over
		}
		if len(left) == 1 && left[0] == "young" {
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestAFailedCreateLeavesTheKeyFree(t *testing.T) {
	b := newBench(t)
	mine := errors.New("mine")
	if _, _, err := b.do(t.Context(), key("k"), "body", mine); !errors.Is(err, mine) {
		t.Fatalf("got %v", err)
	}
	if _, replayed, err := b.do(t.Context(), key("k"), "other", nil); err != nil || replayed {
		t.Fatalf("after a failed create: %v, %v", replayed, err)
	}
}

func TestTheSameKeyAtTheSameTimeCreatesOnce(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	var fresh atomic.Int64
	answers := make([]string, 8)
	for i := range answers {
		wg.Go(func() {
			answer, replayed, err := b.do(t.Context(), key("k"), "body", nil)
			if err != nil {
				t.Error(err)
			}
			if !replayed {
				fresh.Add(1)
			}
			answers[i] = answer
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a != answers[0] {
			t.Fatalf("answers differ: %q", answers)
		}
	}
	if fresh.Load() != 1 {
		t.Fatalf("%d creates", fresh.Load())
	}
}

func TestWithoutAKeyNothingIsKept(t *testing.T) {
	b := newBench(t)
	for range 2 {
		if _, replayed, err := b.do(t.Context(), key(""), "body", nil); err != nil || replayed {
			t.Fatal(replayed, err)
		}
	}
	if b.creates.Load() != 2 {
		t.Fatalf("%d creates", b.creates.Load())
	}
}

func TestAnswersAreNotKeptInClear(t *testing.T) {
	b := newBench(t)
	b.do(t.Context(), key("k"), "body of the request", nil)
	var mac, answer []byte
	if err := b.db.Pool().QueryRow(t.Context(), `SELECT request_mac, answer FROM idempotency`).Scan(&mac, &answer); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(answer, []byte("made")) || bytes.Contains(mac, []byte("body")) {
		t.Fatal("the row shows the request or the answer")
	}
}

func TestARetiredKeyStillPreventsASecondCreate(t *testing.T) {
	b := newBench(t)
	b.do(t.Context(), key("k"), "body", nil)
	b.ring, _ = keyring.New([]keyring.Key{{ID: "2027", Secret: [32]byte{2}}})
	var gone *idempotency.ReplayedError
	if _, _, err := b.do(t.Context(), key("k"), "body", nil); !errors.As(err, &gone) || gone.ID != "thing_1" {
		t.Fatalf("got %v", err)
	}
}
