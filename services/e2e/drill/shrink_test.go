package drill

import (
	"context"
	"path/filepath"
	"reflect"
	"testing"
)

func has(h History, do Action) bool {
	for _, tick := range h.Ticks {
		for _, s := range tick {
			if s.Do == do {
				return true
			}
		}
	}
	return false
}

func TestWhatFailsIsMadeSmall(t *testing.T) {
	for seed := range uint64(200) {
		h := Generate(seed)
		fails := func(_ context.Context, h History) bool { return has(h, KillGateway) && has(h, Revoke) }
		if !fails(t.Context(), h) {
			continue
		}
		small := Shrink(t.Context(), h, fails)
		if small.Steps() != 2 || !fails(t.Context(), small) {
			t.Fatalf("seed %d: %v", seed, small)
		}
		return
	}
	t.Fatal("no history kills a gateway and revokes something")
}

func TestShrinkingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	plays := 0
	h := Generate(1)
	Shrink(ctx, h, func(context.Context, History) bool {
		if plays++; plays == 3 {
			cancel()
		}
		return false
	})
	if plays > 4 {
		t.Fatalf("%d plays after the end", plays)
	}
}

func TestASeedIsOneHistoryAndAFileKeepsIt(t *testing.T) {
	h := Generate(42)
	if !reflect.DeepEqual(h, Generate(42)) {
		t.Fatal("the same seed gives another history")
	}
	path := filepath.Join(t.TempDir(), "h.json")
	if err := h.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := Load(path)
	if err != nil || !reflect.DeepEqual(h, again) {
		t.Fatalf("%v\n%v\n%v", err, h, again)
	}
}

// TestEveryActionIsPlayed: what the generator cannot make, no drill finds.
func TestEveryActionIsPlayed(t *testing.T) {
	for _, do := range []Action{
		Grant, Revoke, Join, Leave, Issue, RevokeCard, Lockdown, EndLockdown, WaitEnforced, Swipe, Reboot, Cut, Blackhole, Heal, KillGateway,
		FreezeGateway, StartGateway, StopBroker, StartBroker, StopPermissions, StartPermissions, Pass,
	} {
		found := false
		for seed := range uint64(200) {
			found = found || has(Generate(seed), do)
		}
		if !found {
			t.Errorf("no history has %q", do)
		}
	}
}
