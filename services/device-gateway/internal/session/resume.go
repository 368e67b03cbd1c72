package session

import (
	"bytes"
	"container/list"
	"context"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

const (
	// parkFor and maxParked bound what is kept of sessions whose connection broke.
	parkFor   = 10 * time.Minute
	maxParked = 20_000
	// maxParkedEpochs and maxParkedSpans bound what one of them keeps; a session with more begins anew.
	maxParkedEpochs = 16
	maxParkedSpans  = 64
	// leaveTime is how long a lock's Hello waits for its own former connection, which the gateway still holds, to end.
	leaveTime = 2 * time.Second
)

// carried is what a session takes along when it goes on over another connection.
type carried struct {
	id          []byte
	bootEpoch   uint64
	lastRequest uint64
	limit       bucket
	clockNoted  bool
	sent        map[uint64]*sent // by boot epoch

	// progress, by boot epoch, is the worker's alone; one works at a time.
	progress map[uint64]*progress

	// orders and report are guarded by the session's mu.
	orders *orders // nil before the first
	report *report // nil before the first
}

// small says whether it may be parked.
func (c *carried) small() bool {
	spans := 0
	for _, p := range c.progress {
		spans += len(p.pending)
	}
	return len(c.sent) <= maxParkedEpochs && spans <= maxParkedSpans
}

// parking keeps what sessions that broke left behind, the oldest in front. It is safe for concurrent use.
type parking struct {
	mu       sync.Mutex // guards what follows
	byDevice map[string]*list.Element
	order    list.List // of *parked
	sweeper  *time.Timer
}

type parked struct {
	device string
	carried
	since time.Time
}

func newParking() *parking { return &parking{byDevice: map[string]*list.Element{}} }

func (p *parking) put(device string, c carried) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(device)
	p.byDevice[device] = p.order.PushBack(&parked{device: device, carried: c, since: time.Now()})
	for p.order.Len() > maxParked {
		p.drop(p.order.Front().Value.(*parked).device)
	}
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(parkFor, p.sweep)
	}
}

// sweep forgets what was kept for long enough.
func (p *parking) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for front := p.order.Front(); front != nil; front = p.order.Front() {
		oldest := front.Value.(*parked)
		if left := parkFor - time.Since(oldest.since); left > 0 {
			p.sweeper.Reset(left)
			return
		}
		p.drop(oldest.device)
	}
	p.sweeper = nil
}

// drop is called with mu held.
func (p *parking) drop(device string) {
	if e := p.byDevice[device]; e != nil {
		p.order.Remove(e)
		delete(p.byDevice, device)
	}
}

// claim takes out what is kept of a device, and returns it when it is the session that is asked for.
func (p *parking) claim(device string, id []byte, epoch uint64) (carried, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byDevice[device]
	if e == nil {
		return carried{}, false
	}
	p.drop(device)
	was := e.Value.(*parked)
	return was.carried, len(id) > 0 && bytes.Equal(was.id, id) && was.bootEpoch == epoch && time.Since(was.since) < parkFor
}

// enter makes s the device's session, and says whether it goes on with the one that Hello names. An older connection is
// ended: with a word when it is another session's, without when it is the same one's, which the lock has left for dead.
func (h *Hub) enter(ctx context.Context, s *session, hello *lockwirev1.Hello) (resumed bool) {
	wanted := hello.GetResumeSession()
	h.mu.Lock()
	old := h.sessions[s.deviceID]
	same := old != nil && old.reason.Load() == nil && len(wanted) > 0 && bytes.Equal(old.id, wanted) && old.bootEpoch == hello.GetBootEpoch()
	var gone chan struct{}
	if same {
		gone = make(chan struct{})
		old.gone = gone
	}
	h.sessions[s.deviceID] = s
	h.mu.Unlock()
	if same {
		old.conn.NetConn().Close()
		select {
		case <-gone:
		case <-time.After(leaveTime):
		case <-ctx.Done():
		}
	} else if old != nil {
		old.shut(wire.Unexpected("a newer session of this device"))
	}
	was, ok := h.parking.claim(s.deviceID, wanted, hello.GetBootEpoch())
	if !ok {
		return false
	}
	h.mu.Lock() // enter of another connection reads the id
	defer h.mu.Unlock()
	s.adopt(was)
	return true
}

// adopt goes on with what was. Of what the lock sent only what is on disk counts: it sends the rest again. What an earlier session
// brought to the disk counts too: Welcome says that it is durable, and the lock goes on behind it.
func (s *session) adopt(was carried) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carried = was
	s.orders.dropOwn()
	for epoch, all := range s.sent {
		if p := s.progress[epoch]; p != nil {
			p.reached(p.next, s.hub.cfg.Journal.Received(s.deviceID, epoch, p.next))
			all.next = p.next
			continue
		}
		delete(s.sent, epoch)
	}
}

// leave takes a session out, and keeps what it can go on with later.
func (h *Hub) leave(s *session, keep bool) {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if keep && !h.stopping && s.small() {
		h.parking.put(s.deviceID, s.carried)
	}
	if h.sessions[s.deviceID] == s {
		delete(h.sessions, s.deviceID)
	}
	if s.gone != nil {
		close(s.gone)
	}
}

// broke says whether a session ended because its connection did, and may go on over another.
func (s *session) broke(err error) bool {
	if !s.open.Load() || s.reason.Load() != nil {
		return false
	}
	reason := asProtocolError(err)
	return reason == nil || reason.Code == lockwirev1.ErrorCode_ERROR_CODE_TIMED_OUT
}

// goOn tells a lock whose session was resumed how far its events came, and sends it again what it was told to do.
func (s *session) goOn(ctx context.Context) error {
	for epoch, p := range s.progress {
		p.settle(s.durable(epoch))
		if err := s.send(p.ack(0, epoch)); err != nil {
			return err
		}
	}
	s.startWorker(ctx)
	s.mu.Lock()
	mine := s.orders
	s.mu.Unlock()
	for _, c := range mine.left(s.hub.cfg.Now()) {
		if err := s.sendCommand(c); err != nil {
			return err
		}
	}
	return nil
}
