package lockport

import "sync"

// linesPerSecond is how many lines a second strangers' failures may write: a disk is not theirs to fill.
const linesPerSecond = 20

// lines bounds what is logged of who is not known. It is safe for concurrent use.
type lines struct {
	mu      sync.Mutex // guards what follows
	second  int64
	count   int
	omitted int
}

// take says whether a line may be written in a second, since 1970, and how many were left out before it.
func (l *lines) take(second int64) (ok bool, omitted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second != l.second {
		l.second, l.count = second, 0
	}
	if l.count++; l.count > linesPerSecond {
		l.omitted++
		return false, 0
	}
	omitted, l.omitted = l.omitted, 0
	return true, omitted
}
