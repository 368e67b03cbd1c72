package policy_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Policy is pure and light enough for a lock: outside tests it imports only these
// packages of the standard library. os, net, math/rand and the like must not come in.
func TestImports(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{
		"archive/zip": true, "bytes": true, "embed": true, "errors": true, "fmt": true,
		"io": true, "slices": true, "strconv": true, "sync": true, "time": true,
	}
	paths, err := filepath.Glob("*.go")
	if err != nil || len(paths) == 0 {
		t.Fatal("no source here", err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if name, _ := strconv.Unquote(spec.Path.Value); !allowed[name] {
				t.Errorf("%s imports %s", path, name)
			}
		}
	}
}
