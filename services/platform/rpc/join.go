package rpc

import (
	"fmt"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Join makes a service a part of the mesh that its configuration describes: a dialer with its certificate and the static
// directory, and a server's configuration, to which the service adds what is its own (Errors, MeshCallers, Ready,
// Operators). API keys are decided by identity, unless the service changes Auth.
func Join(cfg config.Common, regions *region.Map, service string, tel *telemetry.Telemetry) (*Dialer, ServerConfig, error) {
	own, err := regions.Lookup(cfg.Region)
	if err != nil {
		return nil, ServerConfig{}, fmt.Errorf("join the mesh: %w", err)
	}
	dialer, err := DialerFrom(cfg.Mesh, regions, tel)
	if err != nil {
		return nil, ServerConfig{}, fmt.Errorf("join the mesh: %w", err)
	}
	return dialer, ServerConfig{
		Service: service, Region: own, Regions: regions, TLS: dialer.cfg.Identity.Server(), Telemetry: tel,
		Auth: NewKeyAuthenticator(dialer), Dialer: dialer, PublicEndpoints: cfg.Mesh.PublicEndpoints,
	}, nil
}
