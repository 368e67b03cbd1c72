package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cardea-mesh/cardea/services/platform/telemetry/telemetrytest"
)

// programs builds what `make build` builds, and more packages, into a state folder for one test.
func programs(t *testing.T, more ...string) (state string) {
	t.Helper()
	state = t.TempDir()
	// The databases run as another user, who must be able to pass through.
	for dir := state; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(state, "bin")+"/")
	for _, packages := range append([]string{
		"services/identity/cmd/...", "services/permissions/cmd/...", "services/device-gateway/cmd/...", "services/audit/cmd/...",
		"deploy/local/cmd/...",
	}, more...) {
		build.Args = append(build.Args, root+packages)
	}
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return state
}

// TestStory plays the story as `make demo` does, every part a process of its own, and looks at one swipe's trace.
func TestStory(t *testing.T) {
	if testing.Short() {
		t.Skip("the story takes a minute; run without -short")
	}
	t.Parallel()
	sink := telemetrytest.Start(t)
	state := programs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	demo := exec.CommandContext(ctx, filepath.Join(state, "bin", "cardea-local"), "-state", state, "-otlp", sink.Endpoint(), "demo")
	demo.Cancel = func() error { return demo.Process.Signal(os.Interrupt) }
	demo.WaitDelay = 30 * time.Second
	var out bytes.Buffer
	demo.Stdout, demo.Stderr = &out, &out
	err := demo.Run()
	t.Logf("%s", out.String())
	if err != nil {
		t.Fatalf("demo: %v", err)
	}
	last := lastLine(out.String())
	ending := regexp.MustCompile(`^story: (\d+)/(\d+) steps as expected$`).FindStringSubmatch(last)
	if ending == nil || ending[1] != ending[2] {
		t.Fatalf("the last line is %q", last)
	}
	// A swipe that a gateway decided: the story has some that a lock decided alone. And all of it: processes export when they like.
	swipe := sink.WaitTrace(t, func(spans []telemetrytest.Span) bool {
		for _, name := range []string{"lock.swipe", "gateway.decide", "gateway.journal", "consume access", "ledger.append"} {
			if !slices.ContainsFunc(spans, func(s telemetrytest.Span) bool { return s.Name == name }) {
				return false
			}
		}
		return true
	})
	checkSwipe(t, swipe)
}

// checkSwipe asserts the span tree of one badge swipe: from the lock through its gateway and the broker to the ledger.
func checkSwipe(t *testing.T, spans []telemetrytest.Span) {
	t.Helper()
	byID := map[string]telemetrytest.Span{}
	for _, s := range spans {
		byID[s.SpanID] = s
	}
	find := func(name, service string) telemetrytest.Span {
		i := slices.IndexFunc(spans, func(s telemetrytest.Span) bool { return s.Name == name && s.Service == service })
		if i < 0 {
			t.Fatalf("no span %q of %s in the swipe's trace:\n%s", name, service, telemetrytest.Format(spans))
		}
		return spans[i]
	}
	below := func(child, ancestor telemetrytest.Span) {
		for s, ok := child, true; ok; s, ok = byID[s.Parent] {
			if s.SpanID == ancestor.SpanID {
				return
			}
		}
		t.Errorf("%s is not below %s:\n%s", child.Name, ancestor.Name, telemetrytest.Format(spans))
	}
	swipe := find("lock.swipe", "lock-simulator")
	decide := find("gateway.decide", "device-gateway")
	journal := find("gateway.journal", "device-gateway")
	consume := find("consume access", "audit")
	appended := find("ledger.append", "audit")
	below(decide, swipe)
	below(journal, swipe)
	below(consume, journal)
	below(appended, consume)
	for _, s := range spans {
		for key, value := range s.Attributes {
			if strings.Contains(value, "@") {
				t.Errorf("span %s: attribute %s looks personal: %q", s.Name, key, value)
			}
		}
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
