package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// serving asks a service's health, as a load balancer would: over TLS, as JSON.
func (c *Cluster) serving(ctx context.Context, service string, in region.Name) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL(service, in)+"/grpc.health.v1.Health/Check", bytes.NewReader([]byte(`{}`)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: c.authorities.mesh.Pool(), MinVersion: tls.VersionTLS13},
		DisableKeepAlives: true,
	}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct{ Status string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("health: %s: %w", res.Status, err)
	}
	if answer.Status != "SERVING" && answer.Status != "SERVING_STATUS_SERVING" {
		return fmt.Errorf("health: %s", answer.Status)
	}
	return nil
}
