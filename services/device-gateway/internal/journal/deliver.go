package journal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

const (
	// ackTimeout is how long the broker may take for one window; then it is sent again.
	ackTimeout = 10 * time.Second
	// cursorEvery bounds how often the cursor's file is replaced.
	cursorEvery = 200 * time.Millisecond
)

// placed is an entry and the place after it.
type placed struct {
	Entry
	after position
}

// deliver publishes from the cursor on, a window at a time, and goes on only behind what the broker acknowledged.
func (j *Journal) deliver(ctx context.Context) error {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		window, err := j.read()
		if err == nil && len(window) == 0 {
			j.keepCursor(true)
			if !j.awaitGrowth(ctx) {
				break
			}
			continue
		}
		if err == nil {
			err = j.publish(ctx, window)
		}
		j.keepCursor(false)
		if err == nil {
			pause = 0
			continue
		}
		if ctx.Err() != nil {
			break
		}
		pause = min(max(2*pause, 50*time.Millisecond), j.cfg.Retry)
		j.cfg.Logger.Warn("journal: delivery failed, trying again", "error", err, "pause", pause)
		if !sleep(ctx, pause/2+rand.N(pause/2)) {
			break
		}
	}
	j.keepCursor(true)
	return nil
}

func (j *Journal) awaitGrowth(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-j.grown:
		return true
	}
}

// publish sends a window and waits in its order, so that the cursor never passes an entry that the broker may not have.
func (j *Journal) publish(ctx context.Context, window []placed) error {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	waits := make([]func(context.Context) error, 0, len(window))
	var sendErr error
	for _, e := range window {
		wait, err := j.cfg.Publish(ctx, e.Event)
		if err != nil {
			sendErr = fmt.Errorf("publish %s: %w", e.Event.GetId(), err)
			break
		}
		waits = append(waits, wait)
	}
	for i, wait := range waits {
		if err := wait(ctx); err != nil {
			return fmt.Errorf("acknowledgement of %s: %w", window[i].Event.GetId(), err)
		}
		j.cursor = window[i].after
		j.marks.durable(window[i].Entry)
	}
	return sendErr
}

// read returns the next entries behind the cursor, of one segment, at most a window.
func (j *Journal) read() ([]placed, error) {
	s, offset, ok := j.next()
	if !ok {
		return nil, nil
	}
	f, err := os.Open(j.path(s.number))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(io.NewSectionReader(f, offset, s.size-offset))
	var window []placed
	for len(window) < j.cfg.Window && offset < s.size {
		e, n, err := readRecord(r)
		if err != nil {
			return window, j.spoiled(s, offset, err, len(window))
		}
		offset += n
		window = append(window, placed{e, position{s.number, offset}})
	}
	return window, nil
}

// spoiled handles a record that was whole when it was written or scanned and is not now: the disk lost it. What is before
// it is delivered first; then the rest of the segment is left behind, loudly, because nothing behind it can be found.
func (j *Journal) spoiled(s segment, offset int64, err error, before int) error {
	if before > 0 {
		return nil
	}
	j.cfg.Logger.Error("journal: a record is spoiled; the rest of its segment is lost", "segment", s.number, "at", offset, "error", err)
	j.cursor = position{s.number, s.size}
	return nil
}

// next is the segment that the cursor stands in, or the first one behind it that has something to deliver.
func (j *Journal) next() (segment, int64, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		offset := int64(0)
		if s.number == j.cursor.segment {
			offset = j.cursor.offset
		}
		if s.number >= j.cursor.segment && offset < s.size {
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
	if err := j.saveCursor(); err != nil {
		j.cfg.Logger.Warn("journal: save the cursor; a restart delivers more than once", "error", err)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
