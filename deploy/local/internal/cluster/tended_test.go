package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// killedAndTended kills the database as somebody would who plays with the system, and what needs it to start. One Enter starts both.
func killedAndTended(n *tenant) {
	file, err := os.ReadFile(filepath.Join(n.cluster.StateDirs("eu")[1], "postmaster.pid"))
	must(n.t, err)
	pid, err := strconv.Atoi(strings.Split(string(file), "\n")[0])
	must(n.t, err)
	ctx, stop := context.WithCancel(n.t.Context())
	again, done, said := make(chan struct{}), make(chan struct{}), new(lockedBuffer)
	go func() {
		defer close(done)
		n.cluster.Tend(ctx, said, again)
	}()
	defer func() { stop(); <-done }()
	must(n.t, syscall.Kill(pid, syscall.SIGKILL))
	n.kill("permissions", euCentral)
	n.mustOpen(n.lock, n.person)
	n.eventually(20*time.Second, "both are said", said.has(fmt.Sprintf("PostgreSQL of eu (pid %d) ended", pid), "permissions of eu-central (pid"))
	again <- struct{}{}
	n.eventually(60*time.Second, "both run again", said.has("PostgreSQL of eu runs again\npermissions of eu-central runs again\n"))
	n.mustBeEnforced(n.grant(euCentral, n.door, n.person.id))
}

// lockedBuffer is a buffer that one goroutine writes and another reads.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// has looks for all of the texts.
func (b *lockedBuffer) has(texts ...string) func() error {
	return func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, text := range texts {
			if !strings.Contains(b.text.String(), text) {
				return fmt.Errorf("no %q in %q", text, b.text.String())
			}
		}
		return nil
	}
}
