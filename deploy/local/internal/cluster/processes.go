package cluster

import (
	"context"
	"net"
	"os"
	"path/filepath"

	"github.com/cardea-mesh/cardea/deploy/local/internal/process"
	"github.com/cardea-mesh/cardea/services/platform/bus/brokerconf"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// brokerProgram runs the regions' brokers and the jurisdictions' routers.
const brokerProgram = "cardea-nats"

// Processes is how many processes were started.
func (c *Cluster) Processes() int { return c.processes.Len() + len(c.databases) }

func (c *Cluster) brokerURL(r region.Name) string { return "tls://" + c.ports.addr(r, brokerPort) }

// startBrokers starts a router per jurisdiction and a broker per region. Nothing joins two jurisdictions.
func (c *Cluster) startBrokers(ctx context.Context) error {
	var specs []process.Spec
	for _, j := range c.jurisdictions() {
		files, err := c.brokerTLS(c.regions.In(j)[0], brokerconf.RouterService, c.layout.jurisdiction(j, "router"))
		if err != nil {
			return err
		}
		router := brokerconf.Router{
			Jurisdiction: j, Regions: c.regions, TLS: files,
			Listen: c.ports.of(j, routerPort), Clients: c.ports.of(j, routerOther),
		}
		spec, err := c.brokerSpec(processName(Router, string(j)), c.layout.jurisdiction(j, "router"), router.Config(), router.Listen)
		if err != nil {
			return err
		}
		specs = append(specs, spec)
	}
	for _, r := range c.regions.All() {
		dir := c.layout.region(r.Name, "nats")
		files, err := c.brokerTLS(r, brokerconf.BrokerService, dir)
		if err != nil {
			return err
		}
		broker := brokerconf.Broker{
			Region: r, Regions: c.regions, TLS: files, Store: filepath.Join(dir, "store"),
			Listen: c.ports.addr(r.Name, brokerPort), Router: c.ports.of(r.Jurisdiction, routerPort),
		}
		spec, err := c.brokerSpec(processName(Broker, string(r.Name)), dir, broker.Config(), broker.Listen)
		if err != nil {
			return err
		}
		specs = append(specs, spec)
	}
	return c.processes.StartAll(ctx, specs)
}

// brokerTLS issues a broker's certificate into its folder.
func (c *Cluster) brokerTLS(r region.Region, name, dir string) (brokerconf.TLS, error) {
	files := brokerconf.TLS{
		CAFile: c.CAFile(), CertFile: filepath.Join(dir, "tls", "cert.pem"), KeyFile: filepath.Join(dir, "tls", "key.pem"),
	}
	pair, err := c.authorities.mesh.IssueService(r.Jurisdiction, r.Name, name)
	if err != nil {
		return files, err
	}
	return files, writePair(pair, files.CertFile, files.KeyFile)
}

func (c *Cluster) brokerSpec(name, dir, config, listen string) (process.Spec, error) {
	path := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return process.Spec{}, err
	}
	return process.Spec{
		Name: name, Path: c.layout.bin(brokerProgram), Args: []string{"-config", path}, Log: filepath.Join(dir, "nats.log"),
		Ready: func(ctx context.Context) error { return listens(ctx, listen) },
	}, nil
}

// startServices starts all services at once: none needs another to start.
func (c *Cluster) startServices(ctx context.Context) error {
	var specs []process.Spec
	for _, r := range c.regions.All() {
		logs := c.layout.region(r.Name, "logs")
		if err := os.MkdirAll(logs, 0o755); err != nil {
			return err
		}
		for _, s := range services {
			specs = append(specs, process.Spec{
				Name: processName(s.name, string(r.Name)), Path: c.layout.bin(s.name), Args: []string{"-config", c.configFile(r.Name, s)},
				Log:   filepath.Join(logs, s.name+".log"),
				Ready: func(ctx context.Context) error { return c.serving(ctx, s.name, r.Name) },
			})
		}
	}
	return c.processes.StartAll(ctx, specs)
}

func listens(ctx context.Context, addr string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
