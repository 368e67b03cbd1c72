package rpc

import (
	"context"
	"strings"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Authenticator decides about a presented API key. A wrong, revoked or expired one is BadCaller; any other error means that
// it could not be decided. Implementations are safe for concurrent use.
type Authenticator interface {
	Authenticate(ctx context.Context, keyID region.ID, secretSHA256 [32]byte) (Caller, error)
}

// BadCaller is the one answer to credentials that are wrong, revoked or expired, so that nothing is learnt from it.
func BadCaller() error {
	return fault.New(connect.CodeUnauthenticated, faultv1.Reason_REASON_BAD_CALLER, "the credentials are wrong, revoked or expired")
}

func noCaller(text string) error {
	return fault.New(connect.CodeUnauthenticated, faultv1.Reason_REASON_NO_CALLER, "%s", text)
}

// caller finds out who calls. A public method's caller may be nobody, but credentials that are presented must be good.
func (s *Server) caller(ctx context.Context, req connect.AnyRequest) (Caller, error) {
	authorization := req.Header().Get("Authorization")
	if authorization == "" {
		return s.peerCaller(ctx, req)
	}
	scheme, text, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Caller{}, noCaller("the Authorization header must be `Bearer <key>`")
	}
	if strings.HasPrefix(text, "operator_") {
		if caller, ok := findOperator(s.cfg.Operators, text); ok {
			return caller, nil
		}
		return Caller{}, BadCaller()
	}
	rawID, sum, err := ParseAPIKey(text)
	if err != nil {
		return Caller{}, noCaller("the key is not of the form cardea_<key id>_<secret>")
	}
	id, err := s.cfg.Regions.Parse(rawID, region.APIKey)
	if err != nil {
		return Caller{}, BadCaller()
	}
	if s.cfg.Auth == nil {
		return Caller{}, noCaller("this service takes no API keys")
	}
	caller, err := s.cfg.Auth.Authenticate(ctx, id, sum)
	if err != nil {
		return Caller{}, err
	}
	caller.Kind, caller.ID = KeyCaller, string(id)
	return caller, nil
}

// peerCaller is the service at the other end of the connection, or the one for which it forwards.
func (s *Server) peerCaller(ctx context.Context, req connect.AnyRequest) (Caller, error) {
	name, ok := peerFrom(ctx)
	if !ok {
		return Caller{}, nil
	}
	if original := req.Header().Get(HeaderCaller); original != "" {
		// The server's middleware kept this header only because our own service in another region sent it.
		forwarder := name.Region
		var err error
		if name, err = pki.ParseServiceName(original); err != nil || !s.mayForwardFor(forwarder, name) {
			return Caller{}, BadCaller()
		}
	}
	return Caller{Kind: ServiceCaller, ID: name.String(), Service: name.Service, Region: name.Region}, nil
}

// mayForwardFor says whether a region may forward a call of a service. One of our own jurisdiction may for any; one across
// the border only for its own side's, or it could speak for us.
func (s *Server) mayForwardFor(forwarder region.Name, name pki.ServiceName) bool {
	return s.exists(name) && (s.cfg.Regions.Together(forwarder, s.cfg.Region.Name) || s.cfg.Regions.Together(forwarder, name.Region))
}

// exists says whether a name is of a region that there is, in the jurisdiction where it is.
func (s *Server) exists(name pki.ServiceName) bool {
	r, ok := s.cfg.Regions.Get(name.Region)
	return ok && r.Jurisdiction == name.Jurisdiction
}
