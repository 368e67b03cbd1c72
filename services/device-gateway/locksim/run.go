package locksim

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// stable is how long a session must have been open for the back-off to start over.
const stable = 60 * time.Second

// Run keeps a session until ctx ends: it dials the endpoints in order and backs off as PROTOCOL.md section 11 says.
func (l *Lock) Run(ctx context.Context) error {
	var backoff time.Duration
	var preferred []string // GoAway's, tried first
	for next := 0; ctx.Err() == nil; {
		list := l.dialList(preferred)
		endpoint := list[next%len(list)]
		began := time.Now()
		err := l.session(ctx, endpoint)
		l.ended(ctx, endpoint, err)
		var left *goneAway
		switch {
		case errors.As(err, &left):
			preferred, backoff = left.endpoints, 0
			if next = 0; len(preferred) == 0 {
				next = slices.Index(l.dialList(nil), endpoint) + 1
			}
			continue
		case errors.Is(err, errDead):
			next++
			continue
		case errors.Is(err, errHome), errors.Is(err, errSwitch), errors.Is(err, errReboot):
			preferred, backoff, next = nil, 0, 0
			continue
		case time.Since(began) > stable:
			preferred, backoff, next = nil, 0, 0
		default:
			next++
		}
		backoff = min(max(2*backoff, l.cfg.BackoffMin), l.cfg.BackoffMax)
		if !sleep(ctx, l.wait(backoff, err)) {
			return nil
		}
	}
	return nil
}

// errHome ends a session with another than the first endpoint: the first can be reached again.
var errHome = errors.New("the first endpoint can be reached again")

// homesick looks now and then, when the session is not with the first endpoint, whether that can be reached again.
func (k *link) homesick(endpoint string) {
	l := k.lock
	if l.dialList(nil)[0] == endpoint {
		return
	}
	k.every(func() time.Duration { return l.cfg.HomeEvery/2 + rand.N(l.cfg.HomeEvery/2+1) }, k.lookHome)
}

// lookHome ends the session when the first endpoint can be reached and nobody waits for an answer.
func (k *link) lookHome() {
	l := k.lock
	l.mu.Lock()
	busy := len(k.answers) > 0
	l.mu.Unlock()
	if busy {
		return
	}
	dial, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	if conn, err := l.cfg.Dial(dial, "tcp", l.dialList(nil)[0]); err == nil {
		conn.Close()
		k.end(errHome)
	}
}

func (l *Lock) dialList(preferred []string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Concat(preferred, l.cfg.Endpoints, l.flash.Endpoints, []string{l.flash.Bootstrap})
	var unique []string
	for _, e := range list {
		if e != "" && !slices.Contains(unique, e) {
			unique = append(unique, e)
		}
	}
	return unique
}

func (l *Lock) ended(ctx context.Context, endpoint string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remember(l.link)
	l.link = nil
	l.cfg.Observer.SessionEnded(err)
	switch {
	case errors.Is(err, errReboot):
		l.boot()
	case ctx.Err() == nil:
		l.doorChanged() // it decides alone now
	case l.door.timer != nil: // whoever runs the lock next has its store
		l.door.timer.Stop()
	}
	if ctx.Err() == nil {
		l.lastErr = err
		l.cfg.Logger.Info("lock: session ended", "device", l.flash.DeviceID, "endpoint", endpoint, "error", err)
	}
	l.broadcast()
}

// wait is the pause after an attempt: the back-off with jitter, or what the gateway asked for.
func (l *Lock) wait(backoff time.Duration, err error) time.Duration {
	pause := backoff/2 + rand.N(backoff/2+1)
	var said *ProtocolError
	if !errors.As(err, &said) {
		return pause
	}
	switch said.Code {
	case lockwirev1.ErrorCode_ERROR_CODE_DEVICE_REFUSED, lockwirev1.ErrorCode_ERROR_CODE_IDENTITY_MISMATCH:
		return max(pause, l.cfg.RefusedWait)
	}
	return max(pause, said.RetryAfter)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
