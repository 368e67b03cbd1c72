package dbtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Server is a PostgreSQL of one test's own that keeps what it has committed through a power cut (the shared one does not:
// it never waits for a disk). It is always PostgreSQL, whatever engine the other tests run on.
type Server struct{ s *server }

// NewServer starts a server until the end of the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s, err := startServer("on")
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		s.pipe.Close()
		s.supervisor.Wait()
	})
	return &Server{s}
}

// Make is the package's Make on this server.
func (s *Server) Make(t testing.TB, opts Options) *Database {
	t.Helper()
	return s.s.make(t, opts)
}

// Kill ends the server and its sessions at once (SIGKILL), and returns when all are gone.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	main, err := s.s.postmaster()
	if err != nil {
		t.Fatalf("dbtest: kill the server: %v", err)
	}
	syscall.Kill(main, syscall.SIGSTOP) // makes no new session between the look and the end
	all := append(childrenOf(main), main)
	for _, pid := range all {
		syscall.Kill(pid, syscall.SIGKILL) // fails only when it has ended
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // their memory would be in the way of the next
		left := 0
		for _, pid := range all {
			if _, running := processOf(pid); running {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("dbtest: %d killed processes are still there", left)
		}
	}
}

// Restart runs a killed server again, on what it left behind, and returns when it answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if _, err := fmt.Fprintln(s.s.pipe); err != nil {
		t.Fatalf("dbtest: restart: %v", err)
	}
	if err := s.s.wait(); err != nil {
		t.Fatalf("dbtest: restart: %v", err)
	}
}

// postmaster is the server's first process.
func (s *server) postmaster() (pid int, err error) {
	content, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := bytes.Cut(content, []byte("\n"))
	return strconv.Atoi(string(first))
}

func childrenOf(pid int) (children []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if parent, running := processOf(child); running && parent == pid {
			children = append(children, child)
		}
	}
	return children
}

// processOf reads the parent of a process; false when there is no such process, or only its exit status is left.
func processOf(pid int) (parent int, running bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	// `pid (name) state parent ...`; the name may hold anything, also a bracket.
	words := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(words) < 2 || words[0][0] == 'Z' || words[0][0] == 'X' {
		return 0, false
	}
	parent, err = strconv.Atoi(string(words[1]))
	return parent, err == nil
}
