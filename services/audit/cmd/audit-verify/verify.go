package main

import (
	"context"
	"fmt"

	auditv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
)

// pageSize is how many entries one call asks for.
const pageSize = 500

// verify walks the whole ledger and returns the summary line. An error is a *ledger.Difference, or says why the ledger could
// not be read.
//
// The head is asked for before the walk and must lie on the chain that is then read, and the walk ends at the head that comes
// with the last page. So a ledger may grow meanwhile, but cannot show one face to GetHead and another to ListEntries.
func verify(ctx context.Context, client auditv1connect.AuditServiceClient, id ledger.ID, noted ...ledger.Head) (string, error) {
	first, err := client.GetHead(ctx, &auditv1.GetHeadRequest{OrgId: string(id.Org), Region: string(id.Region)})
	if err != nil {
		return "", err
	}
	before, err := headOf(id, first)
	if err != nil {
		return "", err
	}
	walk := ledger.NewVerifier(id, append(noted, before)...)
	for {
		end, err := page(ctx, client, id, walk)
		if err != nil {
			return "", err
		}
		if walk.Head().Size >= end.Size {
			return summary(id, walk), walk.End(end)
		}
	}
}

// page reads and checks one page, and returns the head that came with it.
func page(ctx context.Context, client auditv1connect.AuditServiceClient, id ledger.ID, walk *ledger.Verifier) (ledger.Head, error) {
	from := walk.Head().Size
	answer, err := client.ListEntries(ctx, &auditv1.ListEntriesRequest{
		OrgId: string(id.Org), Region: string(id.Region), FromPosition: from, PageSize: pageSize,
	})
	if err != nil {
		return ledger.Head{}, err
	}
	for i, wire := range answer.Entries {
		e, err := entryOf(wire)
		if err != nil {
			return ledger.Head{}, &ledger.Difference{Position: from + int64(i), What: err.Error()}
		}
		if err := walk.Add(e); err != nil {
			return ledger.Head{}, err
		}
	}
	end, err := headOf(id, answer.Head)
	if err == nil && len(answer.Entries) == 0 && end.Size > from {
		err = &ledger.Difference{Position: from, What: fmt.Sprintf("there is no entry, but the head says %d entries", end.Size)}
	}
	return end, err
}

func summary(id ledger.ID, walk *ledger.Verifier) string {
	line := fmt.Sprintf("ledger of %s in %s: %d entries verified, head %s", id.Org, id.Region, walk.Head().Size, walk.Head().Hash)
	if n := walk.Removed(); n > 0 {
		line += fmt.Sprintf(", %d without their body", n)
	}
	return line
}

func entryOf(wire *auditv1.Entry) (ledger.Entry, error) {
	if err := wire.AppendedAt.CheckValid(); err != nil {
		return ledger.Entry{}, fmt.Errorf("appended at: %w", err)
	}
	e := ledger.Entry{Position: wire.Position, EventID: wire.EventId, AppendedAt: wire.AppendedAt.AsTime(), Body: wire.Body}
	if len(wire.Body) == 0 {
		e.Body = nil // removed: the wire has no other way to say so, and no event is empty
	}
	for _, field := range []struct {
		name string
		from []byte
		to   *ledger.Hash
	}{{"body digest", wire.BodySha256, &e.BodySHA256}, {"previous hash", wire.PreviousHash, &e.Previous}, {"hash", wire.Hash, &e.Hash}} {
		h, err := ledger.HashFromBytes(field.from)
		if err != nil {
			return ledger.Entry{}, fmt.Errorf("%s: %w", field.name, err)
		}
		*field.to = h
	}
	return e, nil
}

func headOf(id ledger.ID, wire *auditv1.Head) (ledger.Head, error) {
	if wire.GetOrgId() != string(id.Org) || wire.GetRegion() != string(id.Region) {
		return ledger.Head{}, &ledger.Difference{What: fmt.Sprintf("the head is of %q in %q", wire.GetOrgId(), wire.GetRegion())}
	}
	h, err := ledger.HashFromBytes(wire.Hash)
	if err != nil {
		return ledger.Head{}, &ledger.Difference{Position: wire.Size, What: "head: " + err.Error()}
	}
	return ledger.Head{Size: wire.Size, Hash: h}, nil
}
