// Package discovery finds the instances of a service in a region.
//
// Static answers from configuration. A directory that watches Consul fills the same interface. Directories are safe for
// concurrent use, answer from memory, and keep the last known instances when their source is away.
package discovery

import (
	"context"
	"fmt"
	"net/url"

	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Instance is one running process of a service.
type Instance struct {
	// URL is its base, `https://host:port`.
	URL string
}

// Directory lists instances. No instance is an empty list, not an error.
type Directory interface {
	Instances(ctx context.Context, service string, r region.Name) ([]Instance, error)
}

// Static is a directory that never changes.
type Static struct {
	peers map[string]map[region.Name][]Instance
}

// NewStatic checks the URLs (https, with a host, without a path) and keeps them.
func NewStatic(peers map[string]map[region.Name][]string) (*Static, error) {
	s := &Static{peers: map[string]map[region.Name][]Instance{}}
	for service, byRegion := range peers {
		s.peers[service] = map[region.Name][]Instance{}
		for name, urls := range byRegion {
			for _, raw := range urls {
				u, err := url.Parse(raw)
				if err != nil || u.Scheme != "https" || u.Host == "" || (u.Path != "" && u.Path != "/") {
					return nil, fmt.Errorf("discovery: %s in %s: %q is not https://host:port", service, name, raw)
				}
				s.peers[service][name] = append(s.peers[service][name], Instance{URL: "https://" + u.Host})
			}
		}
	}
	return s, nil
}

// Instances returns what was configured.
func (s *Static) Instances(_ context.Context, service string, r region.Name) ([]Instance, error) {
	return s.peers[service][r], nil
}
