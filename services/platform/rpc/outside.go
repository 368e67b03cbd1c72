package rpc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Outside is how a command on an administrator's machine reaches a service: with an API key, over TLS, outside the mesh.
type Outside struct {
	// URL is the service's, `https://host:port`.
	URL string
	// CAFile has the PEM certificates to trust; empty: the system's.
	CAFile string
	// KeyFile has the API key; empty: Key is it.
	KeyFile, Key string
}

// Client returns an HTTP client that sends the key with every call, each of which may last a minute. It follows no
// redirection: the key would go wherever that points. Errors say which flag to mend.
func (o Outside) Client() (*http.Client, error) {
	if u, err := url.Parse(o.URL); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("-url %q: want https://host:port, since an API key is sent", o.URL)
	}
	key := o.Key
	if o.KeyFile != "" {
		text, err := os.ReadFile(o.KeyFile)
		if err != nil {
			return nil, err
		}
		key = string(text)
	}
	if key = strings.TrimSpace(key); key == "" {
		return nil, errors.New("no API key: give -key-file, or set CARDEA_API_KEY")
	}
	var roots *x509.CertPool // nil: the system's
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, err
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-ca %s: no PEM certificate in it", o.CAFile)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	return &http.Client{
		Transport: bearing{"Bearer " + key, transport}, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// bearing adds the API key to each request.
type bearing struct {
	authorization string
	next          http.RoundTripper
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", b.authorization)
	return b.next.RoundTrip(r)
}
