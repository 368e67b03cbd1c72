package rpc

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/cardea-mesh/cardea/services/platform/config"
	"github.com/cardea-mesh/cardea/services/platform/discovery"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/telemetry"
)

// Bounds of a client. A region that is cut off without a word is noticed by a dial's time, or a connection's ping.
const (
	defaultDeadline = 10 * time.Second
	dialTimeout     = 2 * time.Second
	pingAfter       = 5 * time.Second
	pingTimeout     = 3 * time.Second
	maxAnswer       = 16 << 20 // bytes
)

// ErrUnreachable means that no instance took the connection: the call was not made.
var ErrUnreachable = errors.New("no instance can be reached")

// ClientConfig is what a Dialer needs; all fields are required.
type ClientConfig struct {
	Identity  Identity
	Regions   *region.Map
	Directory discovery.Directory
	Telemetry *telemetry.Telemetry
}

// Dialer makes connections to the services of the mesh. A generated client takes three things from it:
//
//	identityv1connect.NewIdentityServiceClient(d.HTTPClient("identity"), d.URL("identity", home), d.Options()...)
type Dialer struct {
	cfg     ClientConfig
	methods methods
	client  *http.Client
	options []connect.ClientOption
}

// DialerFrom makes a Dialer from configuration: files for the identity, the static directory.
func DialerFrom(cfg config.Mesh, regions *region.Map, tel *telemetry.Telemetry) (*Dialer, error) {
	identity, err := LoadIdentity(cfg)
	if err != nil {
		return nil, err
	}
	directory, err := discovery.NewStatic(cfg.Peers)
	if err != nil {
		return nil, err
	}
	return NewDialer(ClientConfig{Identity: identity, Regions: regions, Directory: directory, Telemetry: tel})
}

// NewDialer makes a Dialer. It connects when it is used.
func NewDialer(cfg ClientConfig) (*Dialer, error) {
	traces, err := tracing(cfg.Telemetry)
	if err != nil {
		return nil, fmt.Errorf("rpc dialer: %w", err)
	}
	d := &Dialer{cfg: cfg}
	d.client = &http.Client{
		Transport: &http.Transport{
			DialTLSContext:      d.dialTLS,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 8,
			IdleConnTimeout:     time.Minute,
			HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		},
		// Services of the mesh do not redirect; a credential must not follow somebody who does.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	d.options = []connect.ClientOption{
		connect.WithInterceptors(connect.UnaryInterceptorFunc(d.call), traces), connect.WithReadMaxBytes(maxAnswer),
	}
	return d, nil
}

// HTTPClient is for calls to a service. (One serves them all: the connection is chosen by the URL.)
func (d *Dialer) HTTPClient(string) connect.HTTPClient { return d.client }

// Options are for generated clients: deadline, region header, trace, faults.
func (d *Dialer) Options() []connect.ClientOption { return d.options }

// CloseIdle closes the connections that no call uses.
func (d *Dialer) CloseIdle() { d.client.CloseIdleConnections() }

// URL is the base of a service in a region. Its host is a name inside the mesh: each connection goes to an instance that the
// directory knows at that time, first of the region, then of its neighbours in the jurisdiction.
func (d *Dialer) URL(service string, r region.Name) string {
	return "https://" + service + "." + string(r) + ".mesh"
}

// onlyURL is URL without the neighbours.
func (d *Dialer) onlyURL(service string, r region.Name) string {
	return "https://" + service + "." + string(r) + ".only.mesh"
}

// Each is the base of every instance of a service in a region that the directory knows now, for what one instance cannot
// answer for the others. None is an empty list. Neighbours do not answer instead.
func (d *Dialer) Each(ctx context.Context, service string, r region.Name) ([]string, error) {
	instances, err := d.cfg.Directory.Instances(ctx, service, r)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, instance := range instances {
		all = append(all, "https://"+service+"."+string(r)+"."+instanceMark+hex.EncodeToString([]byte(instance.URL))+".mesh")
	}
	return all, nil
}

// instanceMark begins the part of a host that names one instance by its URL, in hexadecimal.
const instanceMark = "at-"

// dialTLS connects to the first instance that takes the connection, or to the one that the host names.
func (d *Dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(host, ".")
	if len(parts) < 3 || parts[len(parts)-1] != "mesh" {
		return nil, fmt.Errorf("%w: %s is not a name of the mesh", ErrUnreachable, host)
	}
	home, err := d.cfg.Regions.Lookup(region.Name(parts[1]))
	if err != nil {
		return nil, err
	}
	if at, one := strings.CutPrefix(parts[2], instanceMark); one {
		return d.dialOne(ctx, network, parts[0], home, at)
	}
	errs := []error{ErrUnreachable}
	for _, r := range d.order(home, parts[2] == "only") {
		instances, err := d.cfg.Directory.Instances(ctx, parts[0], r.Name)
		if err != nil {
			errs = append(errs, err)
		}
		for _, instance := range instances {
			conn, err := d.connect(ctx, network, instance, parts[0], r)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, fmt.Errorf("%s in %s: %w", parts[0], r.Name, err))
		}
	}
	return nil, errors.Join(errs...)
}

func (d *Dialer) dialOne(ctx context.Context, network, service string, r region.Region, at string) (net.Conn, error) {
	instance, err := hex.DecodeString(at)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not a name of the mesh", ErrUnreachable, at)
	}
	conn, err := d.connect(ctx, network, discovery.Instance{URL: string(instance)}, service, r)
	if err != nil {
		return nil, errors.Join(ErrUnreachable, fmt.Errorf("%s at %s: %w", service, instance, err))
	}
	return conn, nil
}

func (d *Dialer) connect(ctx context.Context, network string, instance discovery.Instance, service string, r region.Region) (net.Conn, error) {
	u, err := url.Parse(instance.URL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := tls.Dialer{Config: d.cfg.Identity.client(service, r)}
	return dialer.DialContext(ctx, network, u.Host)
}

// order is the region, then, unless only it will do, its neighbours.
func (d *Dialer) order(home region.Region, only bool) []region.Region {
	order := []region.Region{home}
	if only {
		return order
	}
	for _, r := range d.cfg.Regions.In(home.Jurisdiction) {
		if r.Name != home.Name {
			order = append(order, r)
		}
	}
	return order
}
