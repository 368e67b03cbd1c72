package system

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// PID finds the process of a service in Home by the configuration file that it was started with.
func (s *System) PID(service string) (int, error) {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, path := range commands {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte("\x00"+s.configFile(service)+"\x00")) {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, fmt.Errorf("no process of %s", service)
}

// Resident is the memory that a process holds now, in bytes: what the machine is short of, garbage not yet collected
// included.
func Resident(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("process %d: no VmRSS", pid)
}

// Spending begins to count what processes compute; spent says how much it was.
func Spending(pids ...int) (spent func() ([]time.Duration, error)) {
	before, err := cpus(pids)
	return func() ([]time.Duration, error) {
		after, later := cpus(pids)
		if err := errors.Join(err, later); err != nil {
			return nil, err
		}
		for i := range after {
			after[i] -= before[i]
		}
		return after, nil
	}
}

func cpus(pids []int) ([]time.Duration, error) {
	all := make([]time.Duration, len(pids))
	for i, pid := range pids {
		var err error
		if all[i], err = cpu(pid); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// tick is the unit of /proc's CPU times, on every architecture that Go runs on.
const tick = time.Second / 100

// cpu is the time that a process has computed since it started, its system calls included.
func cpu(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the program's name may have spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d: no CPU times", pid)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	kernel, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+kernel) * tick, err
}
