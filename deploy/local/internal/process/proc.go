package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Children are the processes that a process started and that have not ended.
func Children(pid int) ([]int, error) {
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
		if s, ok := statOf(child); ok && s.parent == pid && !s.ended() {
			children = append(children, child)
		}
	}
	return children, nil
}

// Runs says whether there is a process of that id of which more is left than its exit status.
func Runs(pid int) bool {
	s, ok := statOf(pid)
	return ok && !s.ended()
}

// stat is what the kernel says of a process or a thread, see proc_pid_stat(5).
type stat struct {
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
	words := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(words) < 2 {
		return stat{}, false
	}
	parent, err := strconv.Atoi(string(words[1]))
	return stat{words[0][0], parent}, err == nil
}
