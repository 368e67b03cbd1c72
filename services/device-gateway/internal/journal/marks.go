package journal

import "sync"

const (
	// epochsKept is how many boot epochs of a device are remembered.
	epochsKept = 64
	// runsKept is how many runs of one boot epoch are remembered.
	runsKept = 64
)

// progress is which events of one boot epoch of one device were seen, and which the broker has. What was never seen is in
// neither, whatever comes after it.
type progress struct{ received, durable runs }

// marks remembers how far each device is, and tells those who watch a device. What it forgets, because there is too much
// of it, is journaled again when it comes again; its id makes that harmless.
type marks struct {
	mu       sync.Mutex
	devices  map[string]map[uint64]*progress
	watchers map[string]map[chan struct{}]bool
}

func newMarks() *marks {
	return &marks{devices: map[string]map[uint64]*progress{}, watchers: map[string]map[chan struct{}]bool{}}
}

// receivedFrom and durableFrom return where the unbroken run that has first ends; first - 1 when first is not there.

func (m *marks) receivedFrom(device string, epoch, first uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.devices[device][epoch]; p != nil {
		return p.received.from(first)
	}
	return first - 1
}

func (m *marks) durableFrom(device string, epoch, first uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.devices[device][epoch]; p != nil {
		return p.durable.from(first)
	}
	return first - 1
}

func (m *marks) received(e Entry) {
	m.change(e, func(p *progress) { p.received = p.received.add(e.Sequence) })
}

// durable also tells the device's watchers.
func (m *marks) durable(e Entry) {
	m.change(e, func(p *progress) { p.durable = p.durable.add(e.Sequence) })
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.watchers[e.Event.GetStream()] {
		select {
		case c <- struct{}{}:
		default: // it was told already and has not looked yet
		}
	}
}

func (m *marks) change(e Entry, do func(*progress)) {
	if e.Sequence == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	epochs := m.devices[e.Event.GetStream()]
	if epochs == nil {
		epochs = map[uint64]*progress{}
		m.devices[e.Event.GetStream()] = epochs
	}
	if epochs[e.Epoch] == nil {
		epochs[e.Epoch] = new(progress)
	}
	do(epochs[e.Epoch])
	if len(epochs) > epochsKept {
		oldest := e.Epoch
		for epoch := range epochs {
			oldest = min(oldest, epoch)
		}
		delete(epochs, oldest)
	}
}

// watch returns a channel that gets a value after more of the device became durable, and what ends that.
func (m *marks) watch(device string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watchers[device] == nil {
		m.watchers[device] = map[chan struct{}]bool{}
	}
	m.watchers[device][c] = true
	return c, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers[device], c)
		if len(m.watchers[device]) == 0 {
			delete(m.watchers, device)
		}
	}
}
