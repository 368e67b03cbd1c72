package doorstate

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/bus"
	"github.com/cardea-mesh/cardea/services/platform/bustest"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/policy"
)

const limit = 20 * time.Second

var (
	t0   = time.Date(2026, 11, 20, 9, 0, 0, 123, time.UTC)
	anna = Passage{Home: "eu-central", Org: "org_euc_1", Door: "door_euc_1", Person: "person_euc_anna"}
	all  = Needs{Zones: []policy.ZoneID{"zone_euc_1"}, Door: true, Grants: []policy.GrantID{"grant_euc_1"}}

	enter = policy.Effect{Kind: policy.EffectEnter, Zone: "zone_euc_1"}
	use   = policy.Effect{Kind: policy.EffectUse, Grant: "grant_euc_1"}
)

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// run starts a store of its own on the broker and waits until it is served.
func run(t *testing.T, b *bus.Bus) *Store {
	t.Helper()
	s := New(b, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, "served", func() bool { _, served := s.known("eu-central", "any"); return served })
	return s
}

// eventually polls, for states that nothing signals.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %s: %s", limit, what)
}

func (s *Store) read(t *testing.T, of Passage) (*View, policy.State) {
	t.Helper()
	v := s.View(of)
	if _, err := v.Load(soon(t), all); err != nil {
		t.Fatal(err)
	}
	return v, state(t, v)
}

func state(t *testing.T, v *View) policy.State {
	t.Helper()
	got, err := v.State()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func commit(t *testing.T, v *View, effects ...policy.Effect) {
	t.Helper()
	if err := v.Commit(soon(t), effects, t0); err != nil {
		t.Fatal(err)
	}
}

func TestEverythingIsKeptAndSeenByTheOtherGateway(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	one, other := run(t, b), run(t, b)
	v, empty := one.read(t, anna)
	if len(empty.Presence)+len(empty.Uses) != 0 || !empty.FirstArrival.IsZero() || empty.Waiting.Person != "" {
		t.Fatalf("%+v", empty)
	}
	effects := []policy.Effect{enter, {Kind: policy.EffectArriveFirst}, use, {Kind: policy.EffectWait}}
	want := empty.Apply(effects, anna.Person, t0)
	commit(t, v, effects...)
	if _, got := one.read(t, anna); !reflect.DeepEqual(got, want) { // its own write is in memory at once
		t.Fatalf("%+v, wanted %+v", got, want)
	}
	eventually(t, "the other has it", func() bool { _, got := other.read(t, anna); return reflect.DeepEqual(got, want) })
	bert := anna
	bert.Person = "person_euc_bert"
	v, got := other.read(t, bert)
	if len(got.Presence) != 0 || got.Waiting.Person != anna.Person || got.Uses["grant_euc_1"] != 1 {
		t.Fatalf("another person at the same door: %+v", got)
	}
	// Bert is the second person: both leave.
	leave := policy.Effect{Kind: policy.EffectLeave, Zone: "zone_euc_1"}
	partner := leave
	partner.Person = anna.Person
	commit(t, v, leave, partner, policy.Effect{Kind: policy.EffectPair})
	eventually(t, "both are outside, nobody waits", func() bool {
		_, a := one.read(t, anna)
		_, b := one.read(t, bert)
		return !a.Presence["zone_euc_1"].Inside && !b.Presence["zone_euc_1"].Inside && len(b.Presence) == 1 && a.Waiting.Person == ""
	})
}

func TestOfTwoWhoReadTheSameOneDecidesAgain(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	one, other := run(t, b), run(t, b)
	first, _ := one.read(t, anna)
	bert := anna
	bert.Person = "person_euc_bert"
	second, _ := other.read(t, bert)
	commit(t, first, use)
	// Bert enters, too: that is written before the use loses.
	if err := second.Commit(soon(t), []policy.Effect{enter, use}, t0); !errors.Is(err, ErrConflict) {
		t.Fatalf("the same use was given twice: %v", err)
	}
	if got := state(t, second); got.Uses["grant_euc_1"] != 1 || len(got.Presence) != 0 {
		t.Fatalf("what is decided from again: %+v", got)
	}
	commit(t, second) // denied now: what was written of it is taken back
	if _, got := other.read(t, bert); got.Uses["grant_euc_1"] != 1 || len(got.Presence) != 0 {
		t.Fatalf("%+v", got)
	}
}

func TestADecisionThatIsMadeAgainWritesOnce(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	one, other := run(t, b), run(t, b)
	bert := anna
	bert.Person = "person_euc_bert"
	v, _ := one.read(t, anna)
	rival, _ := other.read(t, bert)
	commit(t, rival, use)
	if err := v.Commit(soon(t), []policy.Effect{enter, use}, t0); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	commit(t, v, enter, use) // there is a use left
	if _, got := one.read(t, anna); got.Uses["grant_euc_1"] != 2 || !got.Presence["zone_euc_1"].Inside {
		t.Fatalf("%+v", got)
	}
}

func TestUndoTakesBackUnlessOthersWrote(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t).Connect(t)
	one, other := run(t, b), run(t, b)
	v, _ := one.read(t, anna)
	commit(t, v, enter, use)
	eventually(t, "the other has it", func() bool { _, got := other.read(t, anna); return got.Uses["grant_euc_1"] == 1 })
	later, _ := other.read(t, anna)
	commit(t, later, use)
	v.Undo(soon(t))
	one.undoing.Wait()
	eventually(t, "presence is as before, both uses stay", func() bool {
		_, got := one.read(t, anna)
		return len(got.Presence) == 0 && got.Uses["grant_euc_1"] == 2
	})
}

// lossy loses the answer to a write that arrived, or the write.
type lossy struct {
	*bus.Bus
	mu            sync.Mutex
	arrives, lose bool
}

func (l *lossy) SetValue(ctx context.Context, target region.Name, bucket, key string, body []byte, over uint64) (uint64, error) {
	l.mu.Lock()
	lose, arrives := l.lose, l.arrives
	l.lose = false
	l.mu.Unlock()
	if lose && !arrives {
		return 0, bus.ErrUnavailable
	}
	revision, err := l.Bus.SetValue(ctx, target, bucket, key, body, over)
	if lose {
		return 0, bus.ErrUnavailable
	}
	return revision, err
}

func TestAWriteOfUnknownFateNeverGivesAUseTwice(t *testing.T) {
	t.Parallel()
	for _, arrives := range []bool{true, false} {
		b := &lossy{Bus: bustest.Start(t).Connect(t), arrives: arrives, lose: true}
		s := New(b, slog.New(slog.DiscardHandler))
		v := s.View(anna)
		if _, err := v.Load(soon(t), all); err != nil {
			t.Fatal(err)
		}
		if err := v.Commit(soon(t), []policy.Effect{use}, t0); !errors.Is(err, bus.ErrUnavailable) {
			t.Fatal(err)
		}
		// Another gateway takes the use that did not arrive: it looks just like the lost one.
		if !arrives {
			rival, _ := s.read(t, anna)
			commit(t, rival, use)
		}
		v.Undo(soon(t))
		s.undoing.Wait()
		if _, got := s.read(t, anna); got.Uses["grant_euc_1"] != 1 {
			t.Errorf("the write arrived: %v; %d uses", arrives, got.Uses["grant_euc_1"])
		}
		// Somebody's presence is taken back: nobody else can have written it.
		b.lose = true
		v, _ = s.read(t, anna)
		if err := v.Commit(soon(t), []policy.Effect{enter}, t0); !errors.Is(err, bus.ErrUnavailable) {
			t.Fatal(err)
		}
		v.Undo(soon(t))
		s.undoing.Wait()
		if _, got := s.read(t, anna); len(got.Presence) != 0 {
			t.Errorf("the write arrived: %v; counts as inside though the door stayed closed", arrives)
		}
	}
}

func TestABucketMadeAnewDoesNotGiveUsesBack(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	b := server.Connect(t)
	s := run(t, b)
	v, _ := s.read(t, anna)
	commit(t, v, enter, use)
	server.Lose(t, bus.StateBucket("eu-central"))
	if err := b.EnsureBuckets(soon(t)); err != nil {
		t.Fatal(err)
	}
	// Whether the watch has noticed it or not.
	v, got := s.read(t, anna)
	if got.Uses["grant_euc_1"] != 1 {
		t.Fatalf("%+v", got)
	}
	for {
		err := v.Commit(soon(t), []policy.Effect{use}, t0)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrConflict) {
			t.Fatal(err)
		}
	}
	fresh := run(t, b) // it knows only what the new bucket has
	if _, got := fresh.read(t, anna); got.Uses["grant_euc_1"] != 2 {
		t.Fatalf("%+v", got)
	}
}

func TestAStateThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	b := server.Connect(t)
	s := run(t, b)
	if _, err := b.SetValue(soon(t), "eu-central", bus.StateBucket("eu-central"), "org_euc_1.grant.grant_euc_1", []byte{0xff}, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broken value is there", func() bool {
		v := s.View(anna)
		if _, err := v.Load(soon(t), all); err != nil {
			t.Fatal(err)
		}
		_, err := v.State()
		return err != nil
	})
	server.Stop()
	eventually(t, "memory is not trusted without the broker", func() bool {
		_, err := s.View(anna).Load(soon(t), all)
		return errors.Is(err, bus.ErrUnavailable)
	})
}
