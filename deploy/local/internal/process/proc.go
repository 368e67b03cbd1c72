package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Children are the processes that a process started and that have not ended.
func Children(pid int) ([]int, error) {
	return those(func(child int) bool {
		s, ok := statOf(child)
		return ok && s.parent == pid && !s.ended()
	})
}

// In are the processes of a program's name (its first 15 bytes count) whose working folder is dir: also those that outlived their
// parent, whom Children no longer shows, and those that are just ending, of which the kernel no longer says where they worked.
// Where another user's process works only root knows. Errors: there is no such folder.
func In(dir, program string) ([]int, error) {
	at, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	return those(func(pid int) bool {
		s, ok := statOf(pid)
		if !ok || s.name != program[:min(len(program), 15)] {
			return false
		}
		cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
		if errors.Is(err, fs.ErrNotExist) {
			return runs(pid)
		}
		return err == nil && os.SameFile(at, cwd)
	})
}

// those are the processes of which a thing is true.
func those(is func(pid int) bool) (pids []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && is(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// runs says whether there is a process of that id of which more is left than its exit status.
func runs(pid int) bool {
	s, ok := statOf(pid)
	return ok && !s.ended()
}

// stat is what the kernel says of a process or a thread, see proc_pid_stat(5).
type stat struct {
	name   string
	state  byte
	parent int
}

func (s stat) ended() bool  { return s.state == 'Z' || s.state == 'X' }
func (s stat) frozen() bool { return s.state == 'T' || s.state == 't' }

func statOf(pid int) (stat, bool) { return readStat(fmt.Sprintf("/proc/%d/stat", pid)) }

// threadsOf are those that there are.
func threadsOf(pid int) (threads []stat) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // only a malformed pattern is an error
	for _, file := range files {
		if s, ok := readStat(file); ok {
			threads = append(threads, s)
		}
	}
	return threads
}

// readStat is false when the process has gone.
func readStat(file string) (s stat, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return stat{}, false
	}
	// `pid (name) state parent ...`; the name may hold anything, also a bracket.
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	words := bytes.Fields(text[end+1:])
	if begin < 0 || len(words) < 2 {
		return stat{}, false
	}
	parent, err := strconv.Atoi(string(words[1]))
	return stat{string(text[begin+1 : end]), words[0][0], parent}, err == nil
}
