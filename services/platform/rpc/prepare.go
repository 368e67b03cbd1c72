package rpc

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/platform/fault"
	"github.com/cardea-mesh/cardea/services/platform/pki"
)

type peerKey struct{}

// peerFrom returns the service at the other end of the connection.
func peerFrom(ctx context.Context) (pki.ServiceName, bool) {
	name, ok := ctx.Value(peerKey{}).(pki.ServiceName)
	return name, ok
}

// envelope is how many bytes gRPC frames a message with.
const envelope = 5

// prepare is what happens to a request before Connect sees it: who is at the other end, which headers we believe, how long
// it may be.
func (s *Server) prepare(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, known := s.peerOf(r)
		s.distrust(r, peer, known)
		if r.ContentLength > int64(s.cfg.MaxBody+envelope) {
			s.tooLarge(w, r)
			return
		}
		if known {
			r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peer))
		}
		next.ServeHTTP(w, r)
	})
}

// peerOf reads the name from the certificate that TLS verified. A name whose region is not where it says is nobody's.
func (s *Server) peerOf(r *http.Request) (pki.ServiceName, bool) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return pki.ServiceName{}, false
	}
	name, err := pki.ServiceOf(r.TLS.VerifiedChains[0][0])
	return name, err == nil && s.exists(name)
}

// distrust removes the headers that the sender has no business with: trace context is for the mesh, and only our own
// service in another region forwards to us.
func (s *Server) distrust(r *http.Request, peer pki.ServiceName, known bool) {
	if !known {
		r.Header.Del("Traceparent")
		r.Header.Del("Tracestate")
	}
	if !known || peer.Service != s.cfg.Service || r.Header.Get(HeaderForwarded) == "" {
		r.Header.Del(HeaderForwarded)
		r.Header.Del(HeaderCaller)
	}
}

// tooLarge answers in the caller's protocol without reading the body.
func (s *Server) tooLarge(w http.ResponseWriter, r *http.Request) {
	if !s.errors.IsSupported(r) {
		http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
		return
	}
	if r.ProtoMajor == 1 {
		// HTTP/1.1 would have to read the body to go on. In HTTP/2 the header would end the whole connection, and callers that
		// still send would not see the answer.
		w.Header().Set("Connection", "close")
	}
	err := fault.New(connect.CodeResourceExhausted, faultv1.Reason_REASON_TOO_LARGE, "the message is larger than %d bytes", s.cfg.MaxBody)
	_ = s.errors.Write(w, r, err.Connect()) // fails only when the caller is gone
}
