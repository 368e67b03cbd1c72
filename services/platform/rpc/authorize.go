package rpc

import (
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// authorize lets a call pass whose caller may make it, about an organization that the caller belongs to.
func (s *Server) authorize(caller Caller, m *method, msg proto.Message) error {
	if m == nil || msg == nil || m.permission == "" {
		return fault.New(connect.CodePermissionDenied, faultv1.Reason_REASON_MISSING_PERMISSION, "the method declares no permission, so nobody may call it")
	}
	if err := s.may(caller, m); err != nil {
		return err
	}
	return s.sameOrganization(caller, m, msg)
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
