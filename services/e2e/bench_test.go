package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheBenchesMeasure runs all that `make bench` runs, of the smallest size: that each measures something, not how much. A
// process grows by less for so few connections than it gives back meanwhile, so what is measured in bytes may be negative.
func TestTheBenchesMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("the benches start a whole system; run without -short")
	}
	t.Parallel()
	state := programs(t, "services/e2e/bench")
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	bench := exec.CommandContext(ctx, filepath.Join(state, "bin", "bench"), "-state", state, "-seconds", "0.05", "-rounds", "1", "-scale", "100",
		"-locks", "20", "-storm", "50", "-hostile", "8", "-history", "1000")
	bench.Cancel = func() error { return bench.Process.Signal(os.Interrupt) }
	bench.WaitDelay = 30 * time.Second
	if out, err := bench.CombinedOutput(); err != nil {
		t.Fatalf("bench: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(state, "bench.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	measured := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var r struct {
			Name, Unit  string
			Ours, Floor float64
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Unit != "bytes" && (r.Ours <= 0 || r.Floor <= 0) {
			t.Errorf("%v: %s", err, line)
		}
		name, _, _ := strings.Cut(r.Name, "/")
		measured[name] = true
	}
	for _, name := range []string{
		"door_decision_throughput", "door_decision_p99", "lock_memory", "reconnect_storm", "arrival_storm", "event_ingest", "hostile_memory", "hostile_p99",
	} {
		if !measured[name] {
			t.Errorf("%s was not measured; there are: %v", name, measured)
		}
	}
}
