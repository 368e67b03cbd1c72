package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/cardea-mesh/cardea/deploy/local/internal/process"
)

// killTimeout bounds how long the kernel may take to remove killed processes.
const killTimeout = 10 * time.Second

// Kill ends the server and its children at once (SIGKILL), as a power cut would, and returns when all are gone: before,
// the next Start would find their shared memory in use. Killing one that is stopped does nothing.
func (s *Server) Kill() error {
	if s.child == nil {
		return nil
	}
	children, err := s.each(process.Freeze)
	if err != nil {
		return err
	}
	for _, child := range children {
		syscall.Kill(child, syscall.SIGKILL) // fails only when it has ended
	}
	s.child.Kill()
	s.child = nil
	for deadline := time.Now().Add(killTimeout); ; time.Sleep(5 * time.Millisecond) {
		left := 0
		for _, child := range children {
			if _, running := parentOf(child); running {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes of %s are still there %s after they were killed", left, s.cfg.Name, killTimeout)
		}
	}
}

// Freeze makes the server and its children hang, until Thaw: connections stay, nothing is answered.
func (s *Server) Freeze() error {
	_, err := s.each(process.Freeze)
	return err
}

// Thaw lets a frozen server go on where it was.
func (s *Server) Thaw() error {
	_, err := s.each(process.Thaw)
	return err
}

// each does something to the running server and then to its children: a frozen server makes no new child between the look and that.
func (s *Server) each(do func(pid int) error) (children []int, err error) {
	if s.child == nil {
		return nil, fmt.Errorf("%s does not run", s.cfg.Name)
	}
	if err := do(s.child.Pid()); err != nil {
		return nil, fmt.Errorf("%s: %w", s.cfg.Name, err)
	}
	if children, err = childrenOf(s.child.Pid()); err != nil {
		return nil, fmt.Errorf("%s: %w", s.cfg.Name, err)
	}
	for _, child := range children {
		if err := do(child); err != nil && !errors.Is(err, syscall.ESRCH) { // that one has ended
			return nil, fmt.Errorf("%s: %w", s.cfg.Name, err)
		}
	}
	return children, nil
}

func childrenOf(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, running := parentOf(child); running && parent == pid {
			children = append(children, child)
		}
	}
	return children, nil
}

// parentOf reads a process's parent; false when there is no such process, or only its exit status is left.
func parentOf(pid int) (parent int, running bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	// `pid (name) state parent ...`; the name may hold anything, also a bracket.
	_, rest, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" "))
	words := bytes.Fields(rest)
	if !ok || len(words) < 2 || words[0][0] == 'Z' || words[0][0] == 'X' {
		return 0, false
	}
	parent, err = strconv.Atoi(string(words[1]))
	return parent, err == nil
}
