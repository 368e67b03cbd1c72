package exposure

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/access"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/bundlestate"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// large is an organization with many devices.
type large struct{ Copy }

func (large) Reached(string, string) []access.Reached { return nil }
func (large) Revoked(string) []string                 { return nil }

// slow are records, after a few of which whoever asked is gone.
type slow struct {
	States
	read int
	gone context.CancelFunc
}

func (*slow) Settle(context.Context) error { return nil }
func (*slow) Changed() <-chan struct{}     { return nil }

func (*slow) Devices(string) []string {
	all := make([]string, 1000)
	for i := range all {
		all[i] = "device_euc_" + strconv.Itoa(i)
	}
	return all
}

func (s *slow) Known(bundlestate.Device) (bundlestate.Record, error) {
	if s.read++; s.read == 3 {
		s.gone()
	}
	return bundlestate.Record{Revision: 1}, nil
}

func TestNothingIsLookedAtForWhoIsGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &slow{gone: cancel}
	b := &Book{Copy: large{}, States: s, Own: region.Region{Name: "eu-central"}, Now: time.Now}
	_, err := b.After(ctx, new(typev1.ConsistencyToken), time.Now().Add(time.Second), func(string) bool { return false })
	if !errors.Is(err, context.Canceled) || s.read > 3 {
		t.Fatalf("%v after %d records", err, s.read)
	}
}
