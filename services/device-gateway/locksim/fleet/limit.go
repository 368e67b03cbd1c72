package fleet

import (
	"fmt"
	"syscall"
)

// spareFiles are open files that are no lock's connection: the program's own, and connections that are half open.
const spareFiles = 500

// RaiseFileLimit raises the soft limit of open files to the hard one and returns how many locks fit in this process.
func RaiseFileLimit() (locks int, err error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	if limit.Cur < limit.Max {
		raised := syscall.Rlimit{Cur: limit.Max, Max: limit.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
			return 0, fmt.Errorf("raise the limit of open files from %d to %d: %w", limit.Cur, limit.Max, err)
		}
	}
	return int(min(limit.Max, 1<<30)) - spareFiles, nil
}

// Fits says whether a process has files for so many locks.
func Fits(locks, room int) error {
	if locks > room {
		return fmt.Errorf("%d locks in one process, but its open files suffice for %d: use more processes (at least %d), or raise `ulimit -Hn`",
			locks, room, (locks+room-1)/max(room, 1))
	}
	return nil
}
