package journal

import (
	"context"
	"fmt"
	"os"
)

// maxGroup is how many Appends share one fsync at most.
const maxGroup = 1024

// write is the one goroutine that writes: it takes all Appends that wait, writes them together and syncs once.
func (j *Journal) write(ctx context.Context) error {
	defer close(j.stopped)
	defer func() {
		if j.out != nil {
			j.out.Close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-j.appends:
			j.commit(j.gather(r))
		}
	}
}

func (j *Journal) gather(first request) []request {
	group := []request{first}
	for len(group) < maxGroup {
		select {
		case r := <-j.appends:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// commit writes a group and answers each of its requests.
func (j *Journal) commit(group []request) {
	fresh := j.fresh(group)
	err := j.writeEntries(fresh)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil || len(fresh) > 0 {
		j.trouble.met(err, len(group))
	}
	for _, r := range group {
		r.done <- err
	}
	if err != nil || len(fresh) > 0 { // after a failure, so that what was delivered makes room
		select {
		case j.grown <- struct{}{}:
		default:
		}
	}
}

// fresh are the entries that are not resends, of disk or of this group.
func (j *Journal) fresh(group []request) []Entry {
	type name struct {
		device          string
		epoch, sequence uint64
	}
	taken := map[name]bool{}
	var fresh []Entry
	for _, r := range group {
		for _, e := range r.entries {
			n := name{e.Event.GetStream(), e.Epoch, e.Sequence}
			if e.Sequence != 0 && (taken[n] || j.Received(n.device, n.epoch, n.sequence) >= n.sequence) {
				continue
			}
			taken[n] = true
			fresh = append(fresh, e)
		}
	}
	return fresh
}

func (j *Journal) writeEntries(entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if j.Waiting() > j.cfg.MaxBytes {
		return fmt.Errorf("more than %d bytes wait for the broker", j.cfg.MaxBytes)
	}
	var b []byte
	var err error
	for _, e := range entries {
		if b, err = appendRecord(b, e); err != nil {
			return err
		}
	}
	if err := j.roll(); err != nil {
		return err
	}
	if err := j.writeSynced(b); err != nil {
		return err
	}
	for _, e := range entries {
		j.marks.received(e)
	}
	return nil
}

// roll starts a new segment when the last one is full, or was given up.
func (j *Journal) roll() error {
	if j.out != nil {
		j.mu.Lock()
		size := j.segments[len(j.segments)-1].size
		j.mu.Unlock()
		if size < j.cfg.SegmentBytes {
			return nil
		}
		j.out.Close()
		j.out = nil
	}
	return j.startSegment()
}

// writeSynced appends to the last segment. After a failure the segment is given up: what a failed fsync left on disk
// cannot be known, so its file is cut to what was whole and never written again; one in which nothing was goes.
func (j *Journal) writeSynced(b []byte) error {
	_, err := j.out.Write(b)
	if err == nil {
		err = j.out.Sync()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	last := &j.segments[len(j.segments)-1]
	if err != nil {
		if cut := j.out.Truncate(last.size); cut != nil {
			j.cfg.Logger.Warn("journal: cut a failed write", "segment", last.number, "error", cut)
		}
		j.out.Close()
		j.out = nil
		if last.size == 0 { // a disk that stays full is tried again and again
			os.Remove(j.path(last.number)) // what is left is an empty segment
			j.segments = j.segments[:len(j.segments)-1]
		}
		return err
	}
	last.size += int64(len(b))
	return nil
}
