package policy_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imported lists what a package of this module imports outside its tests.
func imported(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no source in %s: %v", folder, err)
	}
	var all []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, name)
		}
	}
	return all
}

// The evaluator is pure: no os, net, math/rand or the like may come in.
func TestEvaluatorImports(t *testing.T) {
	t.Parallel()
	allowed := []string{"archive/zip", "bytes", "cmp", "embed", "errors", "fmt", "io", "maps", "slices", "strconv", "strings", "sync", "time"}
	for _, name := range imported(t, ".") {
		if !slices.Contains(allowed, name) {
			t.Errorf("policy imports %s", name)
		}
	}
}

// The module stays on the standard library; policytest, which reads YAML, is for tests.
func TestModuleImports(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("*/")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if name := filepath.Base(folder); name == "policytest" || name == "testdata" {
			continue
		}
		for _, name := range imported(t, folder) {
			if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s", folder, name)
			}
		}
	}
}
