package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
)

// Verification says where to look for what.
type Verification struct {
	API API
	// Org and Region name the ledger.
	Org, Region string
	// Acked is a file that a run wrote.
	Acked string
	// Wait bounds the wait for the ledger to take what is still on the way.
	Wait time.Duration
	// Progress is told how many entries of how many were read; may be nil.
	Progress func(read, of int64)
}

// Verify looks for every acknowledged event in the ledger. It reads the whole ledger, oldest first, and then waits for what
// is missing.
func Verify(ctx context.Context, cfg Verification) (Findings, error) {
	if cfg.Org == "" || cfg.Region == "" || cfg.API.Key == "" || cfg.API.Audit == "" {
		return Findings{}, errors.New("verifying needs an organization, its API key, a region, and audit's URL")
	}
	acked, err := ReadAcked(cfg.Acked)
	if err != nil {
		return Findings{}, err
	}
	if len(acked) == 0 {
		return Findings{}, fmt.Errorf("%s says of no event that it was acknowledged: there is nothing to verify", cfg.Acked)
	}
	client, err := cfg.API.client()
	if err != nil {
		return Findings{}, err
	}
	if cfg.Progress == nil {
		cfg.Progress = func(int64, int64) {}
	}
	audit := auditv1connect.NewAuditServiceClient(client, cfg.API.Audit, cfg.API.option())
	check, end := newChecker(acked), time.Now().Add(cfg.Wait)
	for {
		if err := cfg.read(ctx, audit, check); err != nil {
			return check.findings(), err
		}
		found := check.findings()
		if found.Missing == 0 || time.Now().After(end) {
			return found, nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return found, ctx.Err()
		}
	}
}

// read shows the checker what the ledger has behind what was shown before.
func (cfg Verification) read(ctx context.Context, audit auditv1connect.AuditServiceClient, check *checker) error {
	for {
		page, err := audit.ListEntries(ctx, &auditv1.ListEntriesRequest{
			OrgId: cfg.Org, Region: cfg.Region, FromPosition: check.found.Entries, PageSize: 1000,
		})
		if err != nil {
			return err
		}
		for _, entry := range page.GetEntries() {
			check.show(entry.GetEventId())
		}
		cfg.Progress(check.found.Entries, page.GetHead().GetSize())
		if len(page.GetEntries()) == 0 {
			return nil
		}
	}
}
