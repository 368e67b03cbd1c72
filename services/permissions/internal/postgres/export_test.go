package postgres

// Waiting returns how many commands are queued and not yet part of a commit.
func (s *Store) Waiting() (n int) {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	for _, q := range s.queues.live {
		n += len(q.waiting)
	}
	return n
}

// Working returns how many organizations have commits on their way or commands that wait.
func (s *Store) Working() int {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	return len(s.queues.live)
}
