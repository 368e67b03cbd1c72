package cluster_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const root = "github.com/cardea-mesh/cardea/"

// built is the folder of the programs that `make build` builds, made once for all tests of this package.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cardea-programs-")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir+"/",
		root+"services/identity/cmd/...", root+"services/permissions/cmd/...", root+"services/device-gateway/cmd/...",
		root+"services/audit/cmd/...", root+"deploy/local/cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if !testing.Short() {
		if dir, _ := built(); dir != "" {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

// newState is a state folder with the programs in its bin.
func newState(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a whole system; run without -short")
	}
	programs, err := built()
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	if err := os.Symlink(programs, filepath.Join(state, "bin")); err != nil {
		t.Fatal(err)
	}
	return state
}
