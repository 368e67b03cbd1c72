package journal

import (
	"bufio"
	"context"
	"io"
	"os"
	"time"
)

const (
	// ackTimeout is how long the broker may take for one event; then it is sent again.
	ackTimeout = 10 * time.Second
	// cursorEvery bounds how often the cursor's file is replaced.
	cursorEvery = 200 * time.Millisecond
	// aheadWindows is how many windows are read ahead of the cursor: a lock's long upload, which goes one by one, then holds up
	// nobody else.
	aheadWindows = 8
)

// placed is an entry and the place after it.
type placed struct {
	Entry
	after position
}

// deliver publishes from the cursor on until ctx ends. The cursor goes on only behind what the broker acknowledged.
func (j *Journal) deliver(ctx context.Context) error {
	d := newDelivery(j)
	for ctx.Err() == nil {
		if err := d.read(); err != nil {
			d.rest(err)
		}
		d.send(ctx)
		j.keepCursor(d.idle())
		select {
		case <-ctx.Done():
		case <-j.grown:
		case a := <-d.answers:
			d.take(a)
		case <-d.rested:
			d.rested = nil
		}
	}
	d.end()
	j.keepCursor(true)
	return nil
}

// read returns the entries behind a place, of one segment and at most so many, and the place behind them.
func (j *Journal) read(from position, most int) ([]placed, position, error) {
	s, offset, ok := j.next(from)
	if !ok {
		return nil, from, nil
	}
	f, err := os.Open(j.path(s.number))
	if err != nil {
		return nil, from, err
	}
	defer f.Close()
	r := bufio.NewReader(io.NewSectionReader(f, offset, s.size-offset))
	var entries []placed
	for len(entries) < most && offset < s.size {
		e, n, err := readRecord(r)
		if err != nil {
			return entries, j.spoiled(s, offset, err, len(entries)), nil
		}
		offset += n
		entries = append(entries, placed{e, position{s.number, offset}})
	}
	return entries, position{s.number, offset}, nil
}

// spoiled handles a record that was whole when it was written or scanned and is not now: the disk lost it. What is before
// it is delivered first; then the rest of the segment is left behind, loudly, because nothing behind it can be found. It
// returns where reading goes on.
func (j *Journal) spoiled(s segment, offset int64, err error, before int) position {
	if before > 0 {
		return position{s.number, offset}
	}
	j.cfg.Logger.Error("journal: a record is spoiled; the rest of its segment is lost", "segment", s.number, "at", offset, "error", err)
	return position{s.number, s.size}
}

// next is the segment that a place is in, or the first one behind it that has something to deliver.
func (j *Journal) next(from position) (segment, int64, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		offset := int64(0)
		if s.number == from.segment {
			offset = from.offset
		}
		if s.number >= from.segment && offset < s.size {
			return s, offset, true
		}
	}
	return segment{}, 0, false
}

// keepCursor removes what is behind the cursor and saves it, now or when it is due. In this order: on a full disk the cursor
// can be saved only after something was removed. A saved cursor that points before what is left repeats, and is harmless.
func (j *Journal) keepCursor(now bool) {
	if !now && time.Since(j.cursorSaved) < cursorEvery {
		return
	}
	j.cursorSaved = time.Now()
	j.dropDelivered(1)
	if j.cursor == j.cursorKept {
		return
	}
	if err := j.saveCursor(); err != nil {
		j.cfg.Logger.Warn("journal: save the cursor; a restart delivers more than once", "error", err)
		return
	}
	j.cursorKept = j.cursor
}
