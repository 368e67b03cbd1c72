package rpc

import (
	"context"
	"strings"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// gate refuses a personal call at the wrong border by its header: nothing of the body has been read.
func (s *Server) gate(ctx context.Context, spec connect.Spec, _ connect.Peer, header interface{ Get(string) string }) error {
	name := header.Get(HeaderRegion)
	m := s.methods.of(spec)
	if name == "" || m == nil {
		return nil
	}
	home, err := s.cfg.Regions.Lookup(region.Name(name))
	if err == nil {
		err = s.border(ctx, m, home)
	}
	if err == nil {
		return nil
	}
	return fault.Outbound(ctx, err, nil, s.logger)
}

// border refuses personal calls whose home is on the other side.
func (s *Server) border(ctx context.Context, m *method, home region.Region) error {
	if m.data == typev1.DataClass_DATA_CLASS_OPAQUE || home.Jurisdiction == s.cfg.Region.Jurisdiction {
		return nil
	}
	s.refused.Add(ctx, 1, metric.WithAttributes(telemetry.HomeKey.String(string(home.Name)), telemetry.ProcedureKey.String(string(m.descriptor.FullName()))))
	err := fault.New(connect.CodeFailedPrecondition, faultv1.Reason_REASON_RESIDENCY_VIOLATION,
		"this call carries personal fields that live in %s and do not cross its border: call the home region", home.Name)
	err.HomeRegion, err.HomeEndpoint = string(home.Name), s.cfg.PublicEndpoints[home.Name][s.cfg.Service]
	return err
}

// route makes a call at its home if that is elsewhere; done says that the answer or the error is the call's. If not, it is
// served here.
func (s *Server) route(ctx context.Context, m *method, req connect.AnyRequest, msg proto.Message) (answer connect.AnyResponse, done bool, err error) {
	home, err := s.homeOf(m, msg)
	if err != nil || home.Name == s.cfg.Region.Name {
		return nil, err != nil, err
	}
	if err := s.border(ctx, m, home); err != nil {
		return nil, true, err
	}
	together := home.Jurisdiction == s.cfg.Region.Jurisdiction
	switch forwarded := req.Header().Get(HeaderForwarded) != ""; {
	case together && (forwarded || s.cfg.Dialer == nil):
		return nil, false, nil
	case forwarded || s.cfg.Dialer == nil:
		return nil, true, fault.New(connect.CodeFailedPrecondition, faultv1.Reason_REASON_OTHER_HOME, "this call belongs to %s", home.Name).With(string(home.Name))
	}
	answer, err = s.forward(ctx, m, req, msg, home, together)
	if err != nil && together && s.mayServeInstead(err, m, msg) {
		return nil, false, nil
	}
	return answer, true, err
}

// homeOf returns the region that a request names, by an id or by name; our own when it names none.
func (s *Server) homeOf(m *method, msg proto.Message) (region.Region, error) {
	text := m.home(msg)
	if text == "" {
		return s.cfg.Region, nil
	}
	return homeOf(s.cfg.Regions, text)
}

func homeOf(regions *region.Map, text string) (region.Region, error) {
	if !strings.Contains(text, "_") { // no region's name has one, every id has
		return regions.Lookup(region.Name(text))
	}
	id, err := regions.Parse(text)
	if err != nil {
		return region.Region{}, err
	}
	return regions.Home(id)
}
