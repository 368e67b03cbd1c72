package session

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// away is a broker that does not answer.
type away struct{ BundleStates }

func (away) Recall(bundlestate.Device) (bundlestate.Record, bool) { return bundlestate.Record{}, false }

func (away) Read(context.Context, bundlestate.Device) (bundlestate.Record, error) {
	return bundlestate.Record{}, errors.New("the broker is away")
}

type nothing struct{ BundleSource }

func (nothing) OfflineRule(string, string) *permissionsv1.OfflineRule { return nil }

// All locks fail together when the broker is away: they come back ever more rarely, and the log says it once.
func TestLocksThatCannotBeServedAreNoStorm(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Now()
	b := newBundler(&Hub{cfg: Config{Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil))}}, Bundles{
		States: away{}, Source: nothing{}, Home: func(string) (region.Name, error) { return "eu-central", nil },
	})
	s := &session{lane: new(lane)}
	for range 20 {
		b.serve(t.Context(), s)
	}
	if pause := s.lane.next.Sub(now); pause < bundleWaitMax/2 || pause > bundleWaitMax {
		t.Errorf("looked at again in %v", pause)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines", lines)
	}
}
