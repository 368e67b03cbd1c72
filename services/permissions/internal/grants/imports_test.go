package grants_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The domain stands alone: no SQL, no RPC, no broker, no environment, no sibling.
func TestTheDomainImportsNoSibling(t *testing.T) {
	allowed := map[string]bool{
		"github.com/cardea-mesh/cardea/services/platform/region": true,
		"github.com/cardea-mesh/cardea/services/policy":          true,
	}
	forbidden := map[string]bool{"os": true, "net": true, "net/http": true, "database/sql": true, "log/slog": true}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if forbidden[path] || strings.Contains(path, ".") && !allowed[path] {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// Time comes in as an argument.
func TestTheDomainHasNoClock(t *testing.T) {
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if src := read(t, name); strings.Contains(src, "time.Now(") || strings.Contains(src, "time.Since(") {
			t.Errorf("%s asks a clock", name)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}
