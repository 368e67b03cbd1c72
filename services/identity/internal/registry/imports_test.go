package registry_test

import (
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTheDomainImportsNoSibling keeps SQL, RPC, brokers, files and the environment out of the domain.
func TestTheDomainImportsNoSibling(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"github.com/cardea-mesh/cardea/services/platform/region", "github.com/cardea-mesh/cardea/services/policy",
		"github.com/cardea-mesh/cardea/services/policy/credential",
		"crypto/sha256", "crypto/subtle", "encoding/base64", "errors", "fmt", "slices", "time",
	}
	packages, err := parser.ParseDir(token.NewFileSet(), ".", nil, parser.ImportsOnly) //nolint:staticcheck // one folder, no build tags
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range packages["registry"].Files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, spec := range file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
