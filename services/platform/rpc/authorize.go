package rpc

import (
	"context"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// authorize lets a call pass whose caller may make it, about an organization that the caller belongs to.
func (s *Server) authorize(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		m := s.methods.of(req.Spec())
		msg, ok := req.Any().(proto.Message)
		if m == nil || !ok || m.permission == "" {
			return nil, fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION, "the method declares no permission, so nobody may call it")
		}
		caller := CallerFrom(ctx)
		if err := s.may(caller, m); err != nil {
			return nil, err
		}
		if err := s.sameOrganization(caller, m, msg); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

func (s *Server) may(caller Caller, m *method) error {
	switch {
	case m.permission == public:
		return nil
	case caller.Kind == NoCaller:
		return noCaller("this call needs credentials: Authorization: Bearer cardea_<key id>_<secret>")
	case m.mesh():
		if caller.Kind == ServiceCaller && slices.Contains(s.cfg.MeshCallers[m.permission], caller.Service) {
			return nil
		}
	case caller.Kind != ServiceCaller && caller.Permissions[m.permission]:
		return nil
	}
	return fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION, "the caller lacks the permission %s", m.permission).With(m.permission)
}

func (s *Server) sameOrganization(caller Caller, m *method, msg proto.Message) error {
	if m.org == nil {
		return nil
	}
	text := msg.ProtoReflect().Get(m.org).String()
	if text == "" {
		return fault.New(connect.CodeInvalidArgument, faultv1.Reason_REASON_INVALID_FIELD, "%s: must be set", m.org.Name()).With(string(m.org.Name()))
	}
	if caller.Kind == KeyCaller && text != string(caller.Org) {
		return fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_OTHER_ORGANIZATION, "the caller belongs to another organization")
	}
	_, err := s.cfg.Regions.Parse(text, region.Organization)
	return err
}
