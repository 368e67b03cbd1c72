package session

import (
	"math/rand/v2"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/wire"
)

// defaultReconnects is how many sessions a device may begin in a minute.
const defaultReconnects = 60

// churn bounds how often each device may begin a session: a device that cannot stay costs a handshake and no more.
type churn struct {
	perMinute int

	mu    sync.Mutex
	began map[string]*begins // by device; guarded by mu
	swept time.Time          // guarded by mu
}

// begins is a token bucket of one device.
type begins struct {
	tokens float64
	at     time.Time
}

func newChurn(perMinute int) *churn {
	if perMinute == 0 {
		perMinute = defaultReconnects
	}
	return &churn{perMinute: perMinute, began: map[string]*begins{}}
}

// begin takes one of the device's beginnings; wait: how long until there is one.
func (c *churn) begin(device string, now time.Time) (wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep(now)
	most := float64(c.perMinute)
	b := c.began[device]
	if b == nil {
		b = &begins{tokens: most, at: now}
		c.began[device] = b
	}
	b.tokens = min(most, b.tokens+now.Sub(b.at).Minutes()*most)
	b.at = now
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) * float64(time.Minute) / most)
	}
	b.tokens--
	return 0
}

// sweep forgets, once a minute, devices that have all their beginnings again. mu is held.
func (c *churn) sweep(now time.Time) {
	if now.Sub(c.swept) < time.Minute {
		return
	}
	c.swept = now
	for device, b := range c.began {
		if now.Sub(b.at) >= time.Minute {
			delete(c.began, device)
		}
	}
}

// tooOften is what a device is told that begins too many sessions: it comes back when it may, a little spread.
func tooOften(wait time.Duration) *wire.ProtocolError {
	wait = max(wait, time.Second) + rand.N(2*time.Second)
	return &wire.ProtocolError{
		Code: lockwirev1.ErrorCode_ERROR_CODE_OVER_LIMIT, Text: "too many sessions of this device in a minute", RetryAfterMS: uint32(wait.Milliseconds()),
	}
}

// notYet is what a device is told that the copy does not know yet. Those that are told so together, e.g. after the gateway's start,
// do not come back together.
func notYet(text string) *wire.ProtocolError {
	e := unavailable(0, text)
	e.RetryAfterMS += uint32(rand.N(2 * retryAfter).Milliseconds())
	return e
}
