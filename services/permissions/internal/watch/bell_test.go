package watch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/watch"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

func silence(context.Context, []grants.Token) ([]grants.Token, error) { return nil, nil }

func of(org string) grants.Token {
	return grants.Token{Service: "permissions", Region: "eu-central", Org: region.ID(org), Version: 1}
}

// One organization's callers cannot keep another's out, and all together cannot take every call of a server.
func TestWaitersAreBoundedForEachOrganizationAndForAll(t *testing.T) {
	t.Parallel()
	bell := watch.NewBell(silence)
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	refused := func(org string) bool { // tries until somebody is refused, for at most 300 waiters
		for range 300 {
			failed, entered := make(chan error, 1), make(chan struct{})
			waiting.Go(func() {
				close(entered)
				_, err := bell.Wait(ctx, of(org), time.Minute)
				failed <- err
			})
			<-entered
			select {
			case err := <-failed:
				return errors.Is(err, watch.ErrTooMany)
			case <-time.After(time.Millisecond): // it waits, as it should
			}
		}
		return false
	}
	if !refused("greedy") {
		t.Error("one organization may wait without bound")
	}
	if moved, err := bell.Wait(ctx, of("modest"), 0); moved || err != nil {
		t.Errorf("another organization: %v %v", moved, err)
	}
	for i := range 6 {
		refused(fmt.Sprint("greedy ", i))
	}
	refused("the last places")
	if _, err := bell.Wait(ctx, of("modest"), 0); !errors.Is(err, watch.ErrTooMany) {
		t.Errorf("beyond the bound of all: %v", err)
	}
	cancel()
	waiting.Wait()
	if _, err := bell.Wait(t.Context(), of("modest"), 0); err != nil {
		t.Errorf("when all have left: %v", err)
	}
}
