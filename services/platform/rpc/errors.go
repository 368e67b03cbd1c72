package rpc

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"

	"github.com/cardea-mesh/cardea/services/platform/fault"
)

// errorsOut bounds the call's time, translates what leaves, and turns a panic into an internal error.
func (s *Server) errorsOut(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, callTimeout)
			defer cancel()
		}
		answer, err := s.recovered(ctx, req, next)
		if err != nil {
			return nil, fault.Outbound(ctx, err, s.cfg.Errors, s.logger.With("procedure", req.Spec().Procedure))
		}
		return answer, nil
	}
}

func (s *Server) recovered(ctx context.Context, req connect.AnyRequest, next connect.UnaryFunc) (answer connect.AnyResponse, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler: // net/http's own way to break a connection off
			panic(p)
		default:
			answer, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.handle(ctx, req, next)
}

// unaryOnly refuses streams: no contract has one yet, and none shall slip past the steps above.
type unaryOnly struct{ connect.UnaryInterceptorFunc }

func (unaryOnly) WrapStreamingHandler(connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(context.Context, connect.StreamingHandlerConn) error {
		return connect.NewError(connect.CodeUnimplemented, fmt.Errorf("streams are not served"))
	}
}
