package story

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// accessEvents counts the access events of a region's ledger by id.
func (t *tenant) accessEvents(ctx context.Context, in region.Name) (map[string]int, error) {
	count := map[string]int{}
	for token := ""; ; {
		page, err := t.audit(in).QueryEvents(ctx, &auditv1.QueryEventsRequest{
			OrgId: t.org, Region: string(in), Kind: "access", PageSize: 50, PageToken: token,
		})
		if err != nil {
			return nil, fmt.Errorf("query the ledger of %s: %w", in, err)
		}
		for _, e := range page.Events {
			count[e.Event.Id]++
		}
		if token = page.NextPageToken; token == "" {
			return count, nil
		}
	}
}

func (t *tenant) everyEventOnce(ctx context.Context) (string, error) {
	want := map[region.Name]map[string]int{}
	for _, s := range t.swipes {
		if want[s.in] == nil {
			want[s.in] = map[string]int{}
		}
		want[s.in][s.eventID] = 1
	}
	deadline := time.Now().Add(30 * time.Second)
	var told []string
	for _, in := range slices.Sorted(maps.Keys(want)) {
		for {
			held, err := t.accessEvents(ctx, in)
			if err == nil && maps.Equal(held, want[in]) {
				told = append(told, fmt.Sprintf("%s %d of %d", in, len(held), len(want[in])))
				break
			}
			if time.Now().After(deadline) {
				return "", fmt.Errorf("%s: expected each of %v once, got %v (%v)", in, want[in], held, err)
			}
			if err := pause(ctx, 100*time.Millisecond); err != nil {
				return "", err
			}
		}
	}
	return strings.Join(told, ", "), nil
}

// verifyLedgers runs the independent command, as an auditor would.
func (t *tenant) verifyLedgers(ctx context.Context) (string, error) {
	var told []string
	for _, in := range []region.Name{euCentral, usEast} {
		verify := exec.CommandContext(ctx, t.system.Program("audit-verify"),
			"-url", t.system.URL("audit", in), "-ca", t.system.CAFile(), "-org", t.org, "-region", string(in))
		verify.Env = append(os.Environ(), "CARDEA_API_KEY="+t.bearer)
		out, err := verify.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("audit-verify of %s: %w: %s", in, err, out)
		}
		told = append(told, strings.TrimSpace(string(out)))
	}
	return strings.Join(told, "; "), nil
}

func (t *tenant) accessBeforeAndAfter(ctx context.Context) (string, error) {
	before, err := t.couldOpen(ctx, t.beforeRevoke)
	if err != nil {
		return "", err
	}
	after, err := t.couldOpen(ctx, t.afterRevoke)
	if err != nil {
		return "", err
	}
	if !slices.Contains(before, t.person) || !slices.Contains(before, t.visitor) {
		return "", want("the person and the visitor before the revoke", before)
	}
	if slices.Contains(after, t.person) || !slices.Contains(after, t.visitor) {
		return "", want("only the visitor after the revoke", after)
	}
	return "before: the person and the visitor; after: the visitor", nil
}

// couldOpen asks, page by page, who could open the front door at a time, as is known now.
func (t *tenant) couldOpen(ctx context.Context, at time.Time) ([]string, error) {
	var people []string
	for token := ""; ; {
		page, err := t.permissions(euCentral).AccessAt(ctx, &permissionsv1.AccessAtRequest{
			OrgId: t.org, DoorId: t.front, At: timestamppb.New(at), PageSize: 1, PageToken: token,
		})
		if err != nil {
			return nil, fmt.Errorf("access at %s: %w", at.Format(time.RFC3339), err)
		}
		for _, a := range page.Access {
			people = append(people, a.PersonId)
		}
		if token = page.NextPageToken; token == "" {
			return people, nil
		}
	}
}
