package cluster_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// walk follows deploy/local/README.md as a reader does: its blocks, word for word, in a shell.
func walk(n *tenant) {
	page, err := os.ReadFile("../../README.md")
	must(n.t, err)
	var script strings.Builder
	for _, block := range shellBlock.FindAllStringSubmatch(string(page), -1) {
		script.WriteString(block[1])
	}
	checkout, state := n.t.TempDir(), filepath.Dir(filepath.Dir(n.cluster.CAFile()))
	must(n.t, os.Symlink(state, filepath.Join(checkout, ".local")))
	ctx, cancel := context.WithTimeout(n.t.Context(), 2*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh", "-eu", "-c", script.String())
	shell.Dir, shell.WaitDelay = checkout, 5*time.Second
	out, err := shell.CombinedOutput()
	if err != nil {
		n.t.Fatalf("the walk ended with %v:\n%s", err, out)
	}
	for _, said := range []string{"granted: unlocked for 5s", "entries verified", "denied: NO_GRANT", "status 3"} {
		if !strings.Contains(string(out), said) {
			n.t.Errorf("the walk does not say %q:\n%s", said, out)
		}
	}
}
