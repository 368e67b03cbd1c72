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
	var preferred []string // GoAway's, tried first and at once
	for i := 0; ctx.Err() == nil; i++ {
		list := l.dialList(preferred)
		endpoint := list[i%len(list)]
		began := time.Now()
		left, err := l.session(ctx, endpoint)
		l.ended(ctx, endpoint, err)
		if left != nil {
			preferred, backoff, i = left.endpoints, 0, -1
			continue
		}
		preferred = nil
		if time.Since(began) > stable {
			backoff, i = 0, -1
		}
		backoff = min(max(2*backoff, l.cfg.BackoffMin), l.cfg.BackoffMax)
		if !sleep(ctx, l.wait(backoff, err)) {
			return nil
		}
	}
	return nil
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
	l.link = nil
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
