// Package lockendpoint says where locks dial.
package lockendpoint

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// List is the endpoints of one jurisdiction.
type List struct {
	regions *region.Map
	names   []region.Name
	at      map[region.Name]*lockwirev1.Endpoint
}

// New makes the list of a gateway in own: the regions of its jurisdiction that have an address, `host:port`.
func New(addresses map[region.Name]string, own region.Region, regions *region.Map) (*List, error) {
	l := &List{regions: regions, names: []region.Name{own.Name}, at: map[region.Name]*lockwirev1.Endpoint{}}
	for _, r := range regions.In(own.Jurisdiction) {
		if r.Name != own.Name {
			l.names = append(l.names, r.Name)
		}
	}
	for _, name := range l.names {
		address, ok := addresses[name]
		if !ok {
			continue
		}
		e, err := Parse(address)
		if err != nil {
			return nil, fmt.Errorf("endpoint of %s: %w", name, err)
		}
		l.at[name] = e
	}
	return l, nil
}

// For returns where a device dials, best first: its home region, then the gateway's own, then the others. So a lock that
// a neighbour took over finds home again.
func (l *List) For(device region.ID) []*lockwirev1.Endpoint {
	names := l.names
	if home, err := l.regions.Home(device); err == nil {
		names = slices.Concat([]region.Name{home.Name}, names)
	}
	var list []*lockwirev1.Endpoint
	for _, name := range names {
		if e := l.at[name]; e != nil && !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return list
}

// Parse reads `host:port`.
func Parse(address string) (*lockwirev1.Endpoint, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 || host == "" {
		return nil, fmt.Errorf("%q is not host:port", address)
	}
	return &lockwirev1.Endpoint{Host: host, Port: uint32(port)}, nil
}
