package postgres

import (
	"errors"
	"fmt"
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
			if process.Runs(child) {
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
	if children, err = process.Children(s.child.Pid()); err != nil {
		return nil, fmt.Errorf("%s: %w", s.cfg.Name, err)
	}
	for _, child := range children {
		if err := do(child); err != nil && !errors.Is(err, syscall.ESRCH) { // that one has ended
			return nil, fmt.Errorf("%s: %w", s.cfg.Name, err)
		}
	}
	return children, nil
}
