// Package brokerconf writes the configuration files of Cardea's brokers (nats-server), and so says in one place who may
// publish and read what.
//
// Each region has a broker with its own JetStream domain, named as the region. The brokers of one jurisdiction are leaf
// nodes of a router that stores nothing and that no service connects to. Nothing connects two jurisdictions. Everybody is
// known by the SPIFFE name of its certificate:
//
//   - a service (`spiffe://cardea/<jurisdiction>/<region>/<service>`) has at its region's broker the rights that
//     rights.go lists, and no others;
//   - a broker (service name `broker`) has at the router the right to carry events, access state and their answers between
//     the regions of the jurisdiction, and nothing else.
//
// The functions are pure. Paths in the results are those given.
package brokerconf

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cardea-mesh/cardea/services/platform/pki"
	"github.com/cardea-mesh/cardea/services/platform/region"
)

// Service names in the certificates of a broker and of a jurisdiction's router.
const (
	BrokerService = "broker"
	RouterService = "router"
)

// TLS names the PEM files of a server: the mesh's authority, and the server's certificate and key.
type TLS struct{ CAFile, CertFile, KeyFile string }

// Broker is the broker of one region.
type Broker struct {
	Region  region.Region
	Regions *region.Map
	Listen  string // host:port for the region's services
	Router  string // host:port of the jurisdiction's router; empty: the region stands alone
	Store   string // folder of streams and buckets
	TLS     TLS
	// Observers are services that may read everything that passes here and publish nothing: for tests and diagnosis.
	// None by default.
	Observers []string
}

// Config is the text of the broker's configuration file.
func (b Broker) Config() string {
	var w writer
	w.line("# Broker of %s. Written by the deployment; changes are lost.", b.Region.Name)
	w.line("server_name: %s", quote("broker-"+string(b.Region.Name)))
	w.line("listen: %s", quote(b.Listen))
	w.limits()
	w.open("jetstream")
	w.line("domain: %s", quote(string(b.Region.Name)))
	w.line("store_dir: %s", quote(b.Store))
	w.line("# An acknowledged write is on disk: what doors and relays forget may not be lost here.")
	w.line("sync_interval: always")
	w.close()
	w.tls(b.TLS, true)
	w.open("authorization")
	w.line("users: [")
	for _, s := range Services() {
		w.user(pki.ServiceURI(b.Region.Jurisdiction, b.Region.Name, s).String(), "STANDARD", b.rights(s))
	}
	for _, s := range b.Observers {
		w.user(pki.ServiceURI(b.Region.Jurisdiction, b.Region.Name, s).String(), "STANDARD", rights{subscribe: []string{">"}})
	}
	w.line("]")
	w.close()
	if b.Router != "" {
		w.open("leafnodes")
		w.line("reconnect: 1")
		w.line("remotes: [")
		w.line("{ url: %s", quote("tls://"+b.Router))
		w.tls(b.TLS, false)
		w.line("}")
		w.line("]")
		w.close()
	}
	return w.String()
}

// Router joins the brokers of one jurisdiction.
type Router struct {
	Jurisdiction region.Jurisdiction
	Regions      *region.Map
	Listen       string // host:port for the brokers
	Clients      string // host:port that nats-server insists on; no client is let in
	TLS          TLS
}

// Config is the text of the router's configuration file.
func (r Router) Config() string {
	var w writer
	w.line("# Router of the jurisdiction %s: no storage, no clients. Written by the deployment; changes are lost.", r.Jurisdiction)
	w.line("server_name: %s", quote("router-"+string(r.Jurisdiction)))
	w.line("listen: %s", quote(r.Clients))
	w.limits()
	w.tls(r.TLS, true)
	w.open("authorization")
	w.line("users: [")
	for _, of := range r.Regions.In(r.Jurisdiction) {
		w.user(pki.ServiceURI(r.Jurisdiction, of.Name, BrokerService).String(), "LEAFNODE", r.rights(of.Name))
	}
	w.line("]")
	w.close()
	w.open("leafnodes")
	w.line("listen: %s", quote(r.Listen))
	w.tls(r.TLS, true)
	w.close()
	return w.String()
}

// writer lays out nats-server's configuration format.
type writer struct {
	strings.Builder
	depth int
}

func (w *writer) line(format string, args ...any) {
	w.WriteString(strings.Repeat("  ", w.depth))
	fmt.Fprintf(w, format+"\n", args...)
}

func (w *writer) open(name string) {
	w.line("%s {", name)
	w.depth++
}

func (w *writer) close() {
	w.depth--
	w.line("}")
}

func (w *writer) limits() {
	w.line("max_payload: 1MB")
	w.line("ping_interval: 10s")
	w.line("lame_duck_duration: 30s")
	w.line("lame_duck_grace_period: 1s")
}

// tls writes a tls block; mapped: the peer must have a certificate of the mesh, whose SPIFFE name is its user.
func (w *writer) tls(files TLS, mapped bool) {
	w.open("tls")
	w.line("ca_file: %s", quote(files.CAFile))
	w.line("cert_file: %s", quote(files.CertFile))
	w.line("key_file: %s", quote(files.KeyFile))
	w.line("min_version: \"1.3\"")
	if mapped {
		w.line("verify_and_map: true")
		w.line("timeout: 5")
	}
	w.close()
}

func (w *writer) user(name, connection string, may rights) {
	w.line("{ user: %s, allowed_connection_types: [%s]", quote(name), quote(connection))
	w.open("permissions")
	w.subjects("publish", may.publish)
	w.subjects("subscribe", may.subscribe)
	w.close()
	w.line("}")
}

func (w *writer) subjects(name string, allow []string) {
	if len(allow) == 0 {
		w.line("%s { deny: \">\" }", name)
		return
	}
	w.open(name)
	w.line("allow: [")
	for _, s := range allow {
		w.line("  %s", quote(s))
	}
	w.line("]")
	w.close()
}

func quote(s string) string { return strconv.Quote(s) }
