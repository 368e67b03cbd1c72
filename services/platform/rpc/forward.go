package rpc

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// forwardTimeout is for calls that state no deadline: longer than the longest wait that a method offers (60 s).
const forwardTimeout = 75 * time.Second

// forward makes the call at its home. Inside a jurisdiction only the home is tried (else we serve it); across a border the
// dialer also tries the home's neighbours.
func (s *Server) forward(ctx context.Context, m *method, req connect.AnyRequest, msg proto.Message, home region.Region, together bool) (connect.AnyResponse, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, forwardTimeout)
		defer cancel()
	}
	base := s.cfg.Dialer.URL(s.cfg.Service, home.Name)
	if together {
		base = s.cfg.Dialer.onlyURL(s.cfg.Service, home.Name)
	}
	out, err := asDynamic(m, msg)
	if err != nil {
		return nil, err
	}
	request := connect.NewRequest(out)
	header := request.Header()
	header.Set(HeaderForwarded, string(s.cfg.Region.Name))
	header.Set(HeaderRegion, string(home.Name))
	if authorization := req.Header().Get("Authorization"); authorization != "" {
		header.Set("Authorization", authorization)
	} else if caller := CallerFrom(ctx); caller.Kind == ServiceCaller {
		header.Set(HeaderCaller, caller.ID)
	}
	client := dynamicClient(s.cfg.Dialer, base+req.Spec().Procedure, m.descriptor)
	answer, err := client.CallUnary(ctx, request)
	if err != nil {
		return nil, fault.Passed(err)
	}
	return connect.NewResponse(answer.Msg), nil
}

// asDynamic copies a message into one that needs no generated type.
func asDynamic(m *method, msg proto.Message) (*dynamicpb.Message, error) {
	raw, err := proto.Marshal(msg)
	if err != nil {
		return nil, err
	}
	out := dynamicpb.NewMessage(m.descriptor.Input())
	return out, proto.Unmarshal(raw, out)
}

// mayServeInstead says whether a call that failed at its home may be tried here: it never got there, or doing it twice is
// doing it once.
func (s *Server) mayServeInstead(err error, m *method, msg proto.Message) bool {
	if errors.Is(err, ErrUnreachable) {
		return true
	}
	var f *fault.Error
	return errors.As(err, &f) && f.Code == connect.CodeUnavailable && m.repeatable(msg)
}
