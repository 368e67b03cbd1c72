package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const root = "github.com/cardea-mesh/cardea/"

// goPackage is what `go list` says of one package.
type goPackage struct {
	ImportPath   string
	Name         string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// module is the path of the module that a package is in, without the common root: `services/identity`.
func module(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, root), "/")
	return strings.Join(parts[:min(2, len(parts))], "/")
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports,TestImports,XTestImports",
		root+"services/...", root+"deploy/...")
	list.Dir = "../.."
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("go list found only %d packages: this test would prove nothing", len(all))
	}
	return all
}

var services = []string{"services/identity", "services/permissions", "services/device-gateway", "services/audit"}

func TestServicesDoNotImportEachOther(t *testing.T) {
	for _, p := range packages(t) {
		from := module(p.ImportPath)
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, root) {
				continue
			}
			to := module(imported)
			switch {
			case from == to, strings.HasPrefix(to, "proto"):
			case from == "services/policy":
				t.Errorf("%s imports %s: policy is pure", p.ImportPath, imported)
			case from == "services/platform" && strings.HasPrefix(to, "services/"):
				t.Errorf("%s imports %s: platform imports no service", p.ImportPath, imported)
			case slices.Contains(services, from) && slices.Contains(services, to):
				t.Errorf("%s imports %s: services never import each other", p.ImportPath, imported)
			}
		}
	}
}

// Inside a service imports point inward: rpc, postgres and events know the domain, never the other way round.
func TestDomainsImportNoSibling(t *testing.T) {
	edges := []string{"/internal/rpc", "/internal/postgres", "/internal/events"}
	outside := []string{"net/http", "database/sql", "github.com/jackc/pgx", "github.com/nats-io", "connectrpc.com", root + "services/platform/rpc",
		root + "services/platform/database", root + "services/platform/bus", root + "services/platform/outbox"}
	domains := []string{"services/identity/internal/registry", "services/permissions/internal/grants", "services/audit/internal/ledger"}
	for _, domain := range domains {
		found := false
		for _, p := range packages(t) {
			if p.ImportPath != root+domain {
				continue
			}
			found = true
			for _, imported := range p.Imports {
				for _, edge := range edges {
					if strings.HasPrefix(imported, root) && strings.Contains(imported, edge) {
						t.Errorf("%s imports its own edge %s", p.ImportPath, imported)
					}
				}
				for _, no := range outside {
					if strings.HasPrefix(imported, no) {
						t.Errorf("%s imports %s: a domain has no SQL, RPC or NATS", p.ImportPath, imported)
					}
				}
			}
		}
		if !found {
			t.Errorf("%s is not there: name the service's domain package here", domain)
		}
	}
}

// Test-only packages stay out of binaries.
func TestProgramsDoNotImportTestPackages(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, root) && strings.HasSuffix(imported, "test") && !strings.HasSuffix(p.ImportPath, "test") {
				t.Errorf("%s imports %s outside its tests", p.ImportPath, imported)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.Doc) < 20 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
