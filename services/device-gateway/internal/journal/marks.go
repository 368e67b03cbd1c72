package journal

import "sync"

// Mark says how far one boot epoch of one device is.
type Mark struct {
	// Received: on this gateway's disk, up to and including; 0: none known.
	Received uint64
	// Durable: acknowledged by the region's broker, up to and including; 0: none known.
	Durable uint64
}

// epochsKept is how many boot epochs of a device are remembered; the ones dropped are journaled again if they come again.
const epochsKept = 4

// marks remembers how far each device is, and tells those who watch a device.
type marks struct {
	mu       sync.Mutex
	devices  map[string]map[uint64]Mark
	watchers map[string]map[chan struct{}]bool
}

func newMarks() *marks {
	return &marks{devices: map[string]map[uint64]Mark{}, watchers: map[string]map[chan struct{}]bool{}}
}

func (m *marks) get(device string, epoch uint64) Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.devices[device][epoch]
}

func (m *marks) received(e Entry) {
	m.advance(e, func(mark *Mark) { mark.Received = max(mark.Received, e.Sequence) })
}

// durable also tells the device's watchers.
func (m *marks) durable(e Entry) {
	m.advance(e, func(mark *Mark) { mark.Durable = max(mark.Durable, e.Sequence) })
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.watchers[e.Event.GetStream()] {
		select {
		case c <- struct{}{}:
		default: // it was told already and has not looked yet
		}
	}
}

func (m *marks) advance(e Entry, change func(*Mark)) {
	if e.Sequence == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	epochs := m.devices[e.Event.GetStream()]
	if epochs == nil {
		epochs = map[uint64]Mark{}
		m.devices[e.Event.GetStream()] = epochs
	}
	mark := epochs[e.Epoch]
	change(&mark)
	epochs[e.Epoch] = mark
	if len(epochs) > epochsKept {
		oldest := e.Epoch
		for epoch := range epochs {
			oldest = min(oldest, epoch)
		}
		delete(epochs, oldest)
	}
}

// watch returns a channel that gets a value after a durable mark of the device grew, and what ends that.
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
