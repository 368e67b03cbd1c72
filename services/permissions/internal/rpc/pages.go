package rpc

import (
	"context"
	"fmt"
	"time"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// page is the part of a list that a request asks for.
type page struct {
	question []byte
	after    string
	size     int
}

// limit is how many things to read: one more than the page has room for tells whether there is a next one.
func (p page) limit() int { return p.size + 1 }

// page reads which part of a list a request asks for.
func (p *parser) page(req pageRequest) page {
	c, err := readCursor(req)
	if err != nil {
		p.fail("page_token", err)
	}
	return page{question: c.Question, after: c.After, size: size(req)}
}

// pageOf is as much of what was found as the page has room for, and the token of the next one.
func pageOf[T, M any](p page, found []T, message func(T) M, id func(T) region.ID) (messages []M, next string) {
	if len(found) > p.size {
		found = found[:p.size]
		next = cursor{Question: p.question, After: string(id(found[p.size-1]))}.text()
	}
	for _, f := range found {
		messages = append(messages, message(f))
	}
	return messages, next
}

// freshRequest is a question that says how fresh its answer must be.
type freshRequest interface {
	GetAtLeast() []*typev1.ConsistencyToken
}

// read runs a question in a read transaction that is as fresh as the request asks.
func (h *Handler) read(ctx context.Context, p *parser, req freshRequest, org region.ID, ask func(context.Context, grants.Reader) error) error {
	atLeast := p.tokens("at_least", req.GetAtLeast(), org)
	if p.err != nil {
		return p.err
	}
	return h.Store.Read(ctx, func(ctx context.Context, r grants.Reader) error {
		if err := r.Fresh(ctx, atLeast); err != nil {
			return err
		}
		return ask(ctx, r)
	})
}

// validity reads valid_from and valid_to.
func (p *parser) validity(req interface {
	GetValidFrom() *timestamppb.Timestamp
	GetValidTo() *timestamppb.Timestamp
}) grants.Validity {
	return grants.Validity{From: p.time("valid_from", req.GetValidFrom()), To: p.time("valid_to", req.GetValidTo())}
}

// lateRequest is a change that may have taken effect before it is told.
type lateRequest interface {
	GetEffectiveAt() *timestamppb.Timestamp
}

// effective reads effective_at; zero: the commit's moment. The domain compares it with that once more: this clock is not
// the database's, but a write that changes nothing has no commit.
func (p *parser) effective(req lateRequest, now time.Time) time.Time {
	since := p.time("effective_at", req.GetEffectiveAt())
	if since.After(now) {
		p.fail("effective_at", fmt.Errorf("%w: in the future", grants.ErrClockNonsense))
	}
	return since
}
