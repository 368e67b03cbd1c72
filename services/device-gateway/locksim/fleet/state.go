package fleet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/locksim"
)

// The files of a fleet's folder. Those of lines are appended to while they are made; the last line about a thing counts.
const (
	headFile    = "fleet.json"
	placesFile  = "places.jsonl"  // placeRecord
	locksFile   = "locks.jsonl"   // lockRecord
	cardsFile   = "cards.jsonl"   // cardRecord
	runningFile = "running"       // is there while a run goes on, or when one was killed
	pieceFile   = "locks.*.jsonl" // of one process of several
)

// headRecord is what a fleet is.
type headRecord struct {
	// ID makes idempotency keys: what is made again is the same.
	ID     string `json:"id"`
	Org    string `json:"org"`
	Region string `json:"region"`
}

// placeRecord is something other than a lock or a card that was made, by the name of what it is for.
type placeRecord struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

// lockRecord is a lock: its door and its flash, with its private key.
type lockRecord struct {
	Index  int             `json:"index"`
	Door   string          `json:"door"`
	Device string          `json:"device"`
	Flash  json.RawMessage `json:"flash"`
}

// cardRecord is a person's card.
type cardRecord struct {
	Index  int    `json:"index"`
	Person string `json:"person"`
	// Bits are 0 and 1.
	Bits string `json:"bits"`
	// Admitted: the person has a grant at all doors of the fleet.
	Admitted bool `json:"admitted"`
}

func (c cardRecord) card() (*lockwirev1.Card, error) { return locksim.ParseBits(c.Bits) }

// readLines reads a file of JSON lines; a missing file has none. A last line without its end, of a process that was killed,
// is left out.
func readLines[T any](path string) ([]T, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []T
	in := bufio.NewReaderSize(file, 1<<16)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return all, nil
		}
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		all = append(all, one)
	}
}

// writeLines replaces a file in one step.
func writeLines[T any](path string, all []T) error {
	tmp := path + ".tmp"
	file, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<16)
	encoder := json.NewEncoder(out)
	for _, one := range all {
		if err := encoder.Encode(one); err != nil {
			return err
		}
	}
	if err := errors.Join(out.Flush(), file.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// readLocks reads the locks by their index; those that are not enrolled are left out.
func readLocks(dir string) (map[int]lockRecord, error) {
	return byIndex(filepath.Join(dir, locksFile), func(l lockRecord) int { return l.Index })
}

func byIndex[T any](path string, index func(T) int) (map[int]T, error) {
	lines, err := readLines[T](path)
	if err != nil {
		return nil, err
	}
	out := map[int]T{}
	for _, one := range lines {
		out[index(one)] = one
	}
	return out, nil
}

func readCards(dir string) ([]cardRecord, error) {
	lines, err := byIndex(filepath.Join(dir, cardsFile), func(c cardRecord) int { return c.Index })
	if err != nil {
		return nil, err
	}
	cards := make([]cardRecord, 0, len(lines))
	for i := range len(lines) {
		card, ok := lines[i]
		if !ok {
			return nil, fmt.Errorf("%s: card %d is missing", filepath.Join(dir, cardsFile), i)
		}
		cards = append(cards, card)
	}
	return cards, nil
}

// begin marks the folder as in use. killed: the last run did not end by itself, so what its locks did is not known.
func begin(dir string) (killed bool, err error) {
	if _, err := fold(dir); err != nil {
		return false, err
	}
	path := filepath.Join(dir, runningFile)
	if _, err = os.Stat(path); err == nil {
		return true, nil
	}
	return false, os.WriteFile(path, nil, 0o600)
}

// end puts the locks as so many processes left them into the folder, and takes the mark away when none is missing.
func end(dir string, processes int) error {
	pieces, err := fold(dir)
	if err != nil {
		return err
	}
	if pieces < processes {
		return fmt.Errorf("%d of %d processes did not keep their locks: their next boots skip epochs", processes-pieces, processes)
	}
	return os.Remove(filepath.Join(dir, runningFile))
}

// fold puts the pieces of all processes into the locks' file.
func fold(dir string) (pieces int, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, pieceFile))
	if err != nil || len(paths) == 0 {
		return 0, err
	}
	whole := filepath.Join(dir, locksFile)
	latest, err := readLocks(dir)
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		more, err := readLines[lockRecord](path)
		if err != nil {
			return 0, err
		}
		for _, l := range more {
			latest[l.Index] = l
		}
	}
	kept := slices.SortedFunc(maps.Values(latest), func(a, b lockRecord) int { return a.Index - b.Index })
	if err := writeLines(whole, kept); err != nil {
		return 0, err
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return 0, err
		}
	}
	return len(paths), nil
}

func pieceOf(dir string, first int) string {
	return filepath.Join(dir, fmt.Sprintf("locks.%d.jsonl", first))
}

// Count is how many locks a folder has.
func Count(dir string) (int, error) {
	locks, err := readLocks(dir)
	if err != nil {
		return 0, err
	}
	for i := range len(locks) {
		if _, ok := locks[i]; !ok {
			return 0, fmt.Errorf("%s: lock %d is missing: provision again", filepath.Join(dir, locksFile), i)
		}
	}
	if len(locks) == 0 {
		return 0, fmt.Errorf("%s has no locks: provision first", dir)
	}
	return len(locks), nil
}
