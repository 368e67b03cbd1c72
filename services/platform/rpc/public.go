package rpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"

	"connectrpc.com/connect"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// PublicClient calls a service from outside the mesh, with an API key or as an operator; the server is known by its host's name.
type PublicClient struct {
	client  *http.Client
	options []connect.ClientOption
}

// NewPublicClient trusts roots (nil: the system's) and presents the credential (empty: none) on every call. Where regions is
// given, calls say where their home is.
func NewPublicClient(roots *x509.CertPool, credential config.Secret, regions *region.Map) *PublicClient {
	c := &PublicClient{client: &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots},
		ForceAttemptHTTP2: true,
	}}}
	home := &Dialer{cfg: ClientConfig{Regions: regions}}
	present := func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			if credential != "" {
				req.Header().Set("Authorization", "Bearer "+credential.Reveal())
			}
			if regions != nil {
				home.sayHome(req)
			}
			answer, err := next(ctx, req)
			if err != nil {
				return nil, arrived(ctx, err, req)
			}
			return answer, nil
		}
	}
	c.options = []connect.ClientOption{connect.WithInterceptors(connect.UnaryInterceptorFunc(present)), connect.WithReadMaxBytes(maxAnswer)}
	return c
}

// HTTPClient is for generated clients.
func (c *PublicClient) HTTPClient() connect.HTTPClient { return c.client }

// Options are for generated clients.
func (c *PublicClient) Options() []connect.ClientOption { return c.options }

// CloseIdle closes the connections that no call uses.
func (c *PublicClient) CloseIdle() { c.client.CloseIdleConnections() }
