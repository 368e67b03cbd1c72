package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Live runs a fleet in this process: progress goes to status, a line a second.
func Live(ctx context.Context, cfg Config, status io.Writer) (Summary, error) {
	cfg.setDefaults()
	killed, err := begin(cfg.Dir)
	if err != nil {
		return Summary{}, err
	}
	r, err := Open(cfg, skips(killed))
	if err != nil {
		return Summary{}, errors.Join(err, unmark(cfg.Dir, killed))
	}
	p := newProgress(status, cfg)
	err = r.Live(ctx, p.report)
	return p.summary(1, r.Counts()), errors.Join(err, end(cfg.Dir, 1))
}

func skips(killed bool) uint64 {
	if killed {
		return skipAfterKill
	}
	return 0
}

// report is what a process of several tells the one that started it, a line each.
type report struct {
	Counts Counts `json:"counts"`
	// Done: these are the last.
	Done bool `json:"done"`
}

// Part runs a part of a fleet, as a process of several: reports go to out.
func Part(ctx context.Context, cfg Config, skip uint64, out io.Writer) error {
	r, err := Open(cfg, skip)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	err = r.Live(ctx, func(c Counts) { encoder.Encode(report{Counts: c}) })
	return errors.Join(err, encoder.Encode(report{Counts: r.Counts(), Done: true}))
}

// unmark takes back what begin did, when nothing ran.
func unmark(dir string, killed bool) error {
	if killed {
		return nil
	}
	return os.Remove(filepath.Join(dir, runningFile))
}
