package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
)

// API says where the public API is and who calls it.
type API struct {
	// Identity, Permissions, Gateway and Audit are the services' URLs in the fleet's region.
	Identity, Permissions, Gateway, Audit string
	// CAFile has the authorities (PEM) that the servers' certificates are of; empty: the system's.
	CAFile string
	// Key is an API key of the organization.
	Key string
	// HTTP, if set, is used instead of a client made of CAFile.
	HTTP connect.HTTPClient
}

// callTimeout bounds one try of a call.
const callTimeout = 30 * time.Second

// retryFor bounds how long a call is tried again.
const retryFor = 2 * time.Minute

func (a API) client() (connect.HTTPClient, error) {
	if a.HTTP != nil {
		return a.HTTP, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if a.CAFile != "" {
		pem, err := os.ReadFile(a.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate (PEM)", a.CAFile)
		}
	}
	return &http.Client{Timeout: callTimeout, Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}, nil
}

// option puts the key into each call and tries again what may be tried again: every call of a fleet reads, or carries an
// idempotency key.
func (a API) option() connect.ClientOption {
	return connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
			request.Header().Set("Authorization", "Bearer "+a.Key)
			pause, end := 50*time.Millisecond, time.Now().Add(retryFor)
			for {
				response, err := next(ctx, request)
				if err == nil || !again(err) || ctx.Err() != nil || time.Now().Add(pause).After(end) {
					return response, err
				}
				select {
				case <-time.After(pause):
				case <-ctx.Done():
					return nil, err
				}
				pause = min(2*pause, 5*time.Second)
			}
		}
	}))
}

func again(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeResourceExhausted, connect.CodeAborted, connect.CodeDeadlineExceeded:
		return true
	}
	return false
}
