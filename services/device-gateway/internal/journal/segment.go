package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segment is one file: whole records from 0 to size.
type segment struct {
	number uint64
	size   int64
}

// position is a place between two records.
type position struct {
	segment uint64
	offset  int64
}

func (j *Journal) path(number uint64) string {
	return filepath.Join(j.cfg.Dir, fmt.Sprintf("%012d.log", number))
}

// load finds the segments, rebuilds the marks, cuts torn tails and opens a fresh segment to write to.
func (j *Journal) load() error {
	numbers, err := j.list()
	if err != nil {
		return err
	}
	j.cursor = j.readCursor()
	for _, number := range numbers {
		size, err := j.scan(number)
		if err != nil {
			return err
		}
		j.segments = append(j.segments, segment{number: number, size: size})
	}
	j.dropDelivered(0)
	j.nextSegment = j.cursor.segment + 1
	if n := len(numbers); n > 0 {
		j.nextSegment = max(j.nextSegment, numbers[n-1]+1)
	}
	if err := j.startSegment(); err != nil {
		j.trouble.met(err, 0)
	}
	return nil
}

func (j *Journal) list() ([]uint64, error) {
	entries, err := os.ReadDir(j.cfg.Dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".log")
		if !ok {
			continue
		}
		number, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is no segment", e.Name())
		}
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// scan reads a segment for the marks and returns the size of what is whole in it. The rest is cut off: it was never
// acknowledged, or the disk spoiled it, which is logged.
func (j *Journal) scan(number uint64) (int64, error) {
	f, err := os.OpenFile(j.path(number), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	var size int64
	for {
		e, n, err := readRecord(r)
		if err == io.EOF {
			return size, nil
		}
		if errors.Is(err, errTorn) {
			j.cfg.Logger.Warn("journal: cut a torn tail", "segment", number, "at", size)
			return size, f.Truncate(size)
		}
		if err != nil {
			return 0, err
		}
		size += n
		j.marks.received(e)
		if !j.cursor.before(position{number, size}) {
			j.marks.durable(e)
		}
	}
}

// before says whether p comes before other.
func (p position) before(other position) bool {
	return p.segment < other.segment || p.segment == other.segment && p.offset < other.offset
}

// startSegment makes the next segment's file the one that is written.
func (j *Journal) startSegment() error {
	number := j.nextSegment
	f, err := j.cfg.create(j.path(number))
	if err != nil {
		return err
	}
	if err := syncDir(j.cfg.Dir); err != nil {
		f.Close()
		return err
	}
	j.out = f
	j.nextSegment++
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments = append(j.segments, segment{number: number})
	return nil
}

// dropDelivered removes whole segments before the cursor, but for the newest keep: the last one may be being written.
func (j *Journal) dropDelivered(keep int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.segments) > keep {
		s := j.segments[0]
		if j.cursor.before(position{s.number, s.size}) {
			return
		}
		if err := os.Remove(j.path(s.number)); err != nil && !os.IsNotExist(err) {
			j.cfg.Logger.Warn("journal: remove a delivered segment", "segment", s.number, "error", err)
			return
		}
		j.segments = j.segments[1:]
	}
}

func (j *Journal) cursorPath() string { return filepath.Join(j.cfg.Dir, "cursor") }

// readCursor returns the saved cursor; the zero position, which delivers everything again, when it cannot be read.
func (j *Journal) readCursor() position {
	text, err := os.ReadFile(j.cursorPath())
	if err != nil {
		return position{}
	}
	var p position
	if _, err := fmt.Sscanf(string(text), "%d %d\n", &p.segment, &p.offset); err != nil {
		j.cfg.Logger.Warn("journal: unreadable cursor, everything on disk is delivered again", "error", err)
		return position{}
	}
	return p
}

// saveCursor replaces the cursor's file. It is not fsynced: an old cursor only repeats.
func (j *Journal) saveCursor() error {
	tmp := j.cursorPath() + ".tmp"
	text := fmt.Sprintf("%d %d\n", j.cursor.segment, j.cursor.offset)
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, j.cursorPath())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
