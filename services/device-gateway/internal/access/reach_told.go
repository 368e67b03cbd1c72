package access

import "sync"

// touched are the devices whose doors have changed and that nobody has looked at since.
type touched struct {
	mu      sync.Mutex
	devices map[string]struct{} // guarded by mu
	wake    chan struct{}
}

func newTouched() *touched {
	return &touched{devices: map[string]struct{}{}, wake: make(chan struct{}, 1)}
}

func (t *touched) add(device string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.devices[device] = struct{}{}
}

func (t *touched) ring() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Touched is ready when doors have changed; then TakeTouched.
func (c *Copy) Touched() <-chan struct{} { return c.touched.wake }

// TakeTouched returns, once, the devices of doors that changed since it was last asked: those of whole commits.
func (c *Copy) TakeTouched() []string {
	t := c.touched
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]string, 0, len(t.devices))
	for id := range t.devices {
		all = append(all, id)
	}
	clear(t.devices)
	return all
}
