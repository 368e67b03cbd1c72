package rpc

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/cardea-mesh/cardea/services/platform/outbox"
)

// handle takes a call through the steps that may refuse it, one after another, and then to its handler. They return before
// the next one begins, and are not wrapped around each other, because HTTP/2 gives each call a goroutine of its own: one
// whose stack is deep pays for its growth with every call.
func (s *Server) handle(ctx context.Context, req connect.AnyRequest, next connect.UnaryFunc) (connect.AnyResponse, error) {
	caller, err := s.caller(ctx, req)
	if err != nil {
		return nil, err
	}
	ctx = WithCaller(ctx, caller)
	if caller.Kind != NoCaller {
		ctx = outbox.WithActor(ctx, caller.ID)
	}
	m := s.methods.of(req.Spec())
	msg, _ := req.Any().(proto.Message)
	if err := s.authorize(caller, m, msg); err != nil {
		return nil, err
	}
	if answer, done, err := s.route(ctx, m, req, msg); done {
		return answer, err
	}
	if err := validate(msg); err != nil {
		return nil, err
	}
	if err := s.room.enter(ctx); err != nil {
		return nil, err
	}
	defer s.room.leave()
	return next(ctx, req)
}
