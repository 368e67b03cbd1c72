// Package postgres runs private PostgreSQL servers: one per jurisdiction, each with its own files, port and certificate.
// It never starts, stops or changes a cluster of the system.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// minimum is the oldest major version that the services' SQL is written for.
const minimum = 15

// Find returns the folder of the newest installed server programs, 15 or later.
func Find() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian and Ubuntu
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	best, bestMajor := "", 0
	for _, dir := range slices.Compact(dirs) {
		if major := majorVersion(dir); major > bestMajor {
			best, bestMajor = dir, major
		}
	}
	if bestMajor < minimum {
		return "", fmt.Errorf("no PostgreSQL server programs of version %d or later in /usr/lib/postgresql or on PATH", minimum)
	}
	return best, nil
}

// majorVersion asks the server program; 0 when it cannot be used.
func majorVersion(dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	fields := strings.Fields(string(out)) // postgres (PostgreSQL) 15.18 (Debian ...)
	if err != nil || len(fields) < 3 {
		return 0
	}
	word, _, _ := strings.Cut(fields[2], ".")
	major, _ := strconv.Atoi(word)
	return major
}

// Install makes sure that the server programs are there. Where they are missing it installs Debian's package, if it may.
func Install(ctx context.Context, out io.Writer) error {
	_, missing := Find()
	if missing == nil {
		return nil
	}
	const command = "apt-get install postgresql"
	if os.Getuid() != 0 {
		return fmt.Errorf("%w; run as root: %s", missing, command)
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%w, and no apt-get to install them: install PostgreSQL %d or later", missing, minimum)
	}
	if err := noSystemCluster(); err != nil {
		return err
	}
	fmt.Fprintln(out, "installing PostgreSQL's server programs (no system cluster is made)")
	for _, args := range [][]string{{"update", "-q"}, {"install", "-qy", "--no-install-recommends", "postgresql"}} {
		apt := exec.CommandContext(ctx, "apt-get", args...)
		apt.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if text, err := apt.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, text)
		}
	}
	_, err := Find()
	return err
}

// noSystemCluster keeps Debian's package from making and starting a cluster when it is installed. A file that is there
// already is left as the administrator wrote it.
func noSystemCluster() error {
	const file = "/etc/postgresql-common/createcluster.conf"
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString("create_main_cluster = false\n")
	return errors.Join(err, f.Close())
}
