package rpc

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	gatewayv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/gateway/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/exposure"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/postgres"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/durationpb"
)

// table says of each time that it is asked how far the gateways are; the last answer stays.
type table struct {
	Store
	answers [][]postgres.Status
}

func (s *table) Applied(context.Context, *typev1.ConsistencyToken) ([]postgres.Status, error) {
	now := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return slices.Clone(now), nil
}

// book answers alike; it is an error to ask it before all have applied the commit.
type book struct {
	Exposures
	t       *testing.T
	table   *table
	behind  bool
	exposed []exposure.Exposure
	err     error
	may     func(string) bool // as it was last asked
}

func (b *book) Has(*typev1.ConsistencyToken) bool { return !b.behind }

func (b *book) After(_ context.Context, _ *typev1.ConsistencyToken, _ time.Time, may func(string) bool) ([]exposure.Exposure, error) {
	b.may = may
	if slices.ContainsFunc(b.table.answers[0], func(s postgres.Status) bool { return !s.Applied }) {
		b.t.Error("the book is asked while a gateway decides by what was before")
	}
	return b.exposed, b.err
}

const (
	own   = region.ID("gateway_euc_1")
	other = region.ID("gateway_euw_1")
)

func far(applied ...bool) (all []postgres.Status) {
	ids := []region.ID{own, other}
	for i, a := range applied {
		all = append(all, postgres.Status{ID: ids[i], Applied: a})
	}
	return all
}

func waitApplied(t *testing.T, b *book, timeout time.Duration, answers ...[]postgres.Status) *gatewayv1.WaitAppliedResponse {
	t.Helper()
	b.t, b.table = t, &table{answers: answers}
	h := &Handler{Store: b.table, Sessions: nobody{}, Exposures: b, ID: own, Logger: slog.New(slog.DiscardHandler)}
	token := &typev1.ConsistencyToken{Service: "permissions", Region: "eu-central", OrgId: "org", Version: 7}
	out, err := h.WaitApplied(t.Context(), &gatewayv1.WaitAppliedRequest{
		OrgId: "org", Region: "eu-central", Token: token, Timeout: durationpb.New(timeout),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func pendingOf(out *gatewayv1.WaitAppliedResponse) (all []string) {
	for _, g := range out.GetGateways() {
		if !g.GetApplied() {
			all = append(all, g.GetGatewayId())
		}
	}
	return all
}

// A gateway that has not applied a commit is waited for, wherever it is, and named when the time is up.
func TestEveryGatewayIsWaitedFor(t *testing.T) {
	t.Parallel()
	out := waitApplied(t, &book{}, time.Minute, far(false, false), far(true, false), far(true, true))
	if len(out.GetGateways()) != 2 || len(pendingOf(out)) > 0 {
		t.Errorf("%v", out)
	}
	out = waitApplied(t, &book{}, 0, far(true, false))
	if got := pendingOf(out); !slices.Equal(got, []string{string(other)}) || len(out.GetExposures()) > 0 {
		t.Errorf("%v", out)
	}
}

// What the book says goes to the caller; what it cannot say keeps the answer from being given.
func TestAnAnswerNamesWhoIsExposed(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	b := &book{exposed: []exposure.Exposure{{Device: "a", Door: "d", Until: until}, {Device: "b", Door: "d"}}}
	out := waitApplied(t, b, time.Minute, far(true, true))
	got := out.GetExposures()
	if len(got) != 2 || got[0].GetDeviceId() != "a" || got[0].GetDoorId() != "d" || !got[0].GetUntil().AsTime().Equal(until) || got[1].GetUntil() != nil {
		t.Errorf("%v", got)
	}
	if !b.may("a") {
		t.Error("a lock that another gateway may serve is not waited for")
	}
	if waitApplied(t, b, time.Minute, far(true)); b.may("a") {
		t.Error("a lock that no gateway serves is waited for")
	}
	for name, b := range map[string]*book{"the records cannot be read": {err: errors.New("no broker")}, "the copy is loaded anew": {behind: true}} {
		out := waitApplied(t, b, 0, far(true, true))
		if got := pendingOf(out); !slices.Equal(got, []string{string(own)}) || len(out.GetExposures()) > 0 {
			t.Errorf("%s: %v", name, out)
		}
		// Also where the table does not list the gateway that is asked.
		out = waitApplied(t, b, 0, []postgres.Status{{ID: other, Applied: true}})
		if got := pendingOf(out); !slices.Equal(got, []string{string(own)}) {
			t.Errorf("%s: %v", name, out)
		}
	}
}
