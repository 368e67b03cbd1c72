package process

import (
	"fmt"
	"slices"
	"syscall"
	"time"
)

// freezeTimeout bounds how long the kernel may take to stop a process's threads.
const freezeTimeout = 10 * time.Second

// Freeze stops a process where it is (SIGSTOP), and returns when none of its threads runs any more: the signal alone returns earlier, and a
// busy process may answer still. Thaw lets it go on. Errors: there is no such process, or it is not stopped within 10 s.
func Freeze(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freeze process %d: %w", pid, err)
	}
	for deadline := time.Now().Add(freezeTimeout); !stopped(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("freeze process %d: it still runs after %s", pid, freezeTimeout)
		}
	}
	return nil
}

// Thaw ends what Freeze began.
func Thaw(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		return fmt.Errorf("thaw process %d: %w", pid, err)
	}
	return nil
}

// stopped says whether no thread of a process runs; one that has ended does not.
func stopped(pid int) bool {
	return !slices.ContainsFunc(threadsOf(pid), func(s stat) bool { return !s.frozen() && !s.ended() })
}
