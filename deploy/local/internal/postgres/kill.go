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

// Kill ends the server and its children at once (SIGKILL), as a power cut would, and returns when all are gone. Killing one that is
// stopped does nothing.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return nil
	}
	s.child.Kill()
	s.child = nil
	return s.killRest()
}

// killRest kills what a killed server left, and returns when all are gone: before, the next start would find their shared memory in
// use. All its processes work in the data folder, where somebody's shell may be too; without the server no new ones come.
func (s *Server) killRest() error {
	for deadline := time.Now().Add(killTimeout); ; time.Sleep(5 * time.Millisecond) {
		left, err := process.In(s.dataDir(), program)
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes of %s are still there %s after they were killed", len(left), s.cfg.Name, killTimeout)
		}
		for _, pid := range left {
			syscall.Kill(pid, syscall.SIGKILL) // fails only when it has ended
		}
	}
}

// Freeze makes the server and its children hang, until Thaw: connections stay, nothing is answered.
func (s *Server) Freeze() error {
	return s.each(process.Freeze)
}

// Thaw lets a frozen server go on where it was.
func (s *Server) Thaw() error {
	return s.each(process.Thaw)
}

// each does something to the running server and then to its children: a frozen server makes no new child between the look and that.
func (s *Server) each(do func(pid int) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.runs() {
		return fmt.Errorf("%s does not run", s.cfg.Name)
	}
	if err := do(s.child.Pid()); err != nil {
		return fmt.Errorf("%s: %w", s.cfg.Name, err)
	}
	children, err := process.Children(s.child.Pid())
	if err != nil {
		return fmt.Errorf("%s: %w", s.cfg.Name, err)
	}
	for _, child := range children {
		if err := do(child); err != nil && !errors.Is(err, syscall.ESRCH) { // that one has ended
			return fmt.Errorf("%s: %w", s.cfg.Name, err)
		}
	}
	return nil
}
