package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"connectrpc.com/connect"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"google.golang.org/protobuf/proto"
)

// total is how far the import is.
type total struct {
	accepted, refused int64
	next              int64 // line
}

// send sends the file from where the import stopped, and prints what was refused and how far it is.
func (j job) send(ctx context.Context, out io.Writer) (total, error) {
	var sum total
	begin, err := j.begin(ctx)
	if err != nil {
		return begin, err
	}
	if sum = begin; sum.next > 2 {
		fmt.Fprintf(out, "going on with line %d; %d lines accepted and %d refused before\n", sum.next, sum.accepted, sum.refused)
	}
	pieces := newPieces(j.file, j.lines, sum.next)
	for {
		piece, first, err := pieces.next()
		if errors.Is(err, io.EOF) {
			fmt.Fprintf(out, "%s: %d lines accepted, %d refused\n", j.done(), sum.accepted, sum.refused)
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		answer, err := j.piece(ctx, piece, first)
		if err != nil {
			return sum, err
		}
		if err := j.tell(out, answer, first, pieces.line, &sum); err != nil {
			return sum, err
		}
	}
}

func (j job) done() string {
	if j.request.GetDryRun() {
		return "dry run, nothing was written"
	}
	return "done"
}

// begin asks where to resume. A dry run begins at the beginning, whatever was sent before.
func (j job) begin(ctx context.Context) (total, error) {
	if j.request.GetDryRun() {
		return total{next: 2}, nil
	}
	at, err := j.client.GetImport(ctx, &permissionsv1.GetImportRequest{
		OrgId: j.request.GetOrgId(), Region: j.request.GetRegion(), ImportName: j.request.GetImportName(),
	})
	if connect.CodeOf(err) == connect.CodeNotFound {
		return total{next: 2}, nil
	}
	if err == nil && at.GetKind() != j.request.GetKind() {
		err = fmt.Errorf("the import %q is of another kind; choose another name", j.request.GetImportName())
	}
	return total{at.GetAccepted(), at.GetRejected(), max(at.GetNextLine(), 2)}, err
}

// tell prints what a piece brought.
func (j job) tell(out io.Writer, answer *permissionsv1.ImportResponse, first, next int64, sum *total) error {
	for _, e := range answer.GetErrors() {
		where := fmt.Sprintf("line %d", e.GetLine())
		if e.GetColumn() != "" {
			where += ", " + e.GetColumn()
		}
		fmt.Fprintf(out, "%s: %s\n", where, e.GetMessage())
	}
	if j.ids != nil {
		for _, m := range answer.GetMade() {
			if _, err := fmt.Fprintf(j.ids, "%d,%s\n", m.GetLine(), m.GetId()); err != nil {
				return err
			}
		}
	}
	sum.accepted += int64(answer.GetAccepted())
	sum.refused += int64(len(answer.GetErrors()))
	sum.next = next
	fmt.Fprintf(out, "lines %d to %d: %d accepted, %d refused\n", first, next-1, answer.GetAccepted(), len(answer.GetErrors()))
	return nil
}

// attempts is how often a piece is sent before the command gives up; a piece that was taken is answered again, not made again.
const attempts = 8

func (j job) piece(ctx context.Context, csv []byte, first int64) (*permissionsv1.ImportResponse, error) {
	req := proto.CloneOf(j.request)
	req.Csv, req.FirstLine = csv, first
	for attempt := 1; ; attempt++ {
		answer, err := j.client.Import(ctx, req)
		if err == nil || attempt == attempts || !passes(err) {
			return answer, err
		}
		wait := time.Duration(rand.Int64N(int64(100*time.Millisecond) << attempt)) //nolint:gosec // jitter, no secret
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// passes says whether a failure may pass by itself.
func passes(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeAborted, connect.CodeResourceExhausted, connect.CodeDeadlineExceeded:
		return true
	default:
		return false
	}
}
