package exposure

import (
	"sync"
	"time"
)

// silentAfter is how long a lock is waited for before it counts as silent.
const silentAfter = 500 * time.Millisecond

// seen is a device that is exposed, by which record.
type seen struct {
	Exposure
	revision uint64
}

// silent are devices that did not confirm while they were waited for, and the revision of their record then: as long as that is so nothing
// was given to them anew, and waiting again is in vain. So a lock that is away for a day does not make each answer of that day late.
type silent struct {
	mu   sync.Mutex
	last map[string]uint64 // guarded by mu
}

// since says whether a device is silent since a revision.
func (s *silent) since(device string, revision uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, known := s.last[device]
	return known && was == revision
}

// note takes those that are left of the devices that were asked for.
func (s *silent) note(found []*seen, candidates []candidate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]uint64{}
	}
	for i, e := range found {
		if e == nil {
			delete(s.last, candidates[i].of.ID)
			continue
		}
		s.last[e.Device] = e.revision
	}
}
