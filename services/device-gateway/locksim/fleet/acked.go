package fleet

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Acked is what a lock was told of one boot epoch: these events are durable.
type Acked struct {
	Device string `json:"device"`
	Epoch  uint64 `json:"boot_epoch"`
	// UpTo is the highest of them.
	UpTo uint64 `json:"durable_up_to"`
	// Ranges are all of them, first and last, in rising order. They have holes only where a ring overflowed, or where an
	// earlier run had the rest.
	Ranges [][2]uint64 `json:"durable"`
}

// eventID is an event's id everywhere.
func eventID(device string, epoch, sequence uint64) string {
	return fmt.Sprintf("%s.%d.%d", device, epoch, sequence)
}

// truth is what one lock was told, by boot epoch in rising order.
type truth []Acked

// add takes events that became durable.
func (t truth) add(device string, epoch, first, last uint64) truth {
	i, found := slices.BinarySearchFunc(t, epoch, func(a Acked, epoch uint64) int {
		switch {
		case a.Epoch < epoch:
			return -1
		case a.Epoch > epoch:
			return 1
		}
		return 0
	})
	if !found {
		t = slices.Insert(t, i, Acked{Device: device, Epoch: epoch})
	}
	a := &t[i]
	a.UpTo = max(a.UpTo, last)
	if n := len(a.Ranges); n > 0 && a.Ranges[n-1][1]+1 == first {
		a.Ranges[n-1][1] = last
		return t
	}
	a.Ranges = append(a.Ranges, [2]uint64{first, last})
	return t
}

// ReadAcked reads a file that a run wrote.
func ReadAcked(path string) ([]Acked, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	all, err := readLines[Acked](path)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.Device == "" || strings.Contains(a.Device, ".") || a.Epoch == 0 {
			return nil, fmt.Errorf("%s: %q in boot epoch %d is no lock", path, a.Device, a.Epoch)
		}
	}
	return all, nil
}
