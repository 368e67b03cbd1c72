package lockport

import "sync"

// slots are places for what computes. Who is urgent gets the next one that is free, in the order of coming; then all others do.
// It is safe for concurrent use.
type slots struct {
	mu            sync.Mutex // guards what follows
	free          int
	urgent, other []chan struct{} // who waits, the first one first
}

func newSlots(n int) *slots { return &slots{free: n} }

// take waits for a slot.
func (s *slots) take(urgent bool) {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return
	}
	mine := make(chan struct{})
	if urgent {
		s.urgent = append(s.urgent, mine)
	} else {
		s.other = append(s.other, mine)
	}
	s.mu.Unlock()
	<-mine
}

// give gives a slot back, to the next one who waits.
func (s *slots) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, queue := range []*[]chan struct{}{&s.urgent, &s.other} {
		if len(*queue) > 0 {
			close((*queue)[0])
			(*queue)[0] = nil
			*queue = (*queue)[1:]
			return
		}
	}
	s.free++
}
