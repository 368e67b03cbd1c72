package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// record has perf record where a service spends its time until stop is called; without -profile it does nothing.
func (r *run) record(service, name string) (stop func(), err error) {
	if r.profile == "" {
		return func() {}, nil
	}
	pid, err := r.system.PID(service)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.profile, 0o755); err != nil {
		return nil, err
	}
	out := filepath.Join(r.profile, name+".perf")
	perf := exec.Command("perf", "record", "-q", "-g", "-F", "199", "-o", out, "-p", strconv.Itoa(pid))
	perf.Stderr = os.Stderr
	if err := perf.Start(); err != nil {
		return nil, fmt.Errorf("-profile needs perf: %w", err)
	}
	return func() {
		perf.Process.Signal(os.Interrupt)
		perf.Wait() // its status is the interrupt's
		fmt.Printf("  profile: perf report --no-children -i %s\n", out)
	}, nil
}
