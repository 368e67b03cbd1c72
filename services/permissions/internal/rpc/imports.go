package rpc

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/permissions/internal/imports"
)

// Import implements PermissionsService.
func (h *Handler) Import(ctx context.Context, req *permissionsv1.ImportRequest) (*permissionsv1.ImportResponse, error) {
	p := h.parse()
	piece := imports.Piece{
		Org: p.org(req.GetOrgId()), Home: p.region("region", req.GetRegion()), Name: req.GetImportName(),
		Kind: imports.Kind(req.GetKind()), CSV: req.GetCsv(), First: req.GetFirstLine(), Dry: req.GetDryRun(),
	}
	if p.err != nil {
		return nil, p.err
	}
	lines, err := imports.Lines(piece.Kind, piece.CSV, piece.First)
	if err != nil {
		return nil, err
	}
	plan := grants.Plan{Org: piece.Org, Home: piece.Home}
	plan.Reads, plan.Members = imports.Reads(h.Commands.Regions, lines)
	var out *permissionsv1.ImportResponse
	err = h.Store.Write(ctx, plan, func(ctx context.Context, tx grants.Tx) error {
		replayed, err := imports.Importer{Commands: h.Commands}.Apply(ctx, tx, piece, lines, func(o imports.Outcome) ([]byte, error) {
			out = imported(o)
			return proto.Marshal(out)
		})
		if err != nil || replayed == nil {
			return err
		}
		out = &permissionsv1.ImportResponse{}
		return proto.Unmarshal(replayed, out)
	})
	if errors.Is(err, imports.ErrRehearsed) {
		return out, nil
	}
	return out, err
}

func imported(o imports.Outcome) *permissionsv1.ImportResponse {
	out := &permissionsv1.ImportResponse{Accepted: int32(len(o.Made)), NextLine: o.NextLine, Token: wire(o.Token)} //nolint:gosec // at most imports.MaxLines
	for _, m := range o.Made {
		out.Made = append(out.Made, &permissionsv1.ImportedLine{Line: m.Line, Id: string(m.ID)})
	}
	for _, r := range o.Refused {
		out.Errors = append(out.Errors, &permissionsv1.ImportError{Line: r.Line, Column: r.Column, Message: r.Err.Error()})
	}
	return out
}

// GetImport implements PermissionsService.
func (h *Handler) GetImport(ctx context.Context, req *permissionsv1.GetImportRequest) (*permissionsv1.GetImportResponse, error) {
	p := h.parse()
	org, home := p.org(req.GetOrgId()), p.region("region", req.GetRegion())
	if p.err != nil {
		return nil, p.err
	}
	var out *permissionsv1.GetImportResponse
	err := h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) error {
		progress, begun, err := r.Import(ctx, home, org, req.GetImportName())
		if err != nil {
			return err
		}
		if !begun {
			return fmt.Errorf("import %q: %w", req.GetImportName(), grants.ErrNotFound)
		}
		out = &permissionsv1.GetImportResponse{
			Kind: permissionsv1.ImportKind(progress.Kind), NextLine: progress.NextLine,
			Accepted: progress.Accepted, Rejected: progress.Rejected,
		}
		return nil
	})
	return out, err
}
