package lockconformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// sessionLimit begins sessions of one device until the gateway says that they are too many, and then comes again when it may.
func sessionLimit(ctx context.Context, g *gatewayRun) error {
	l := &limitProbe{g: g, before: g.begun.refill(time.Now()), started: time.Now()}
	defer func() { g.begun.spend(time.Now()) }()
	var each sync.WaitGroup
	for range 8 { // one after the other would be too slow on a slow machine
		each.Go(func() {
			for l.more() {
				l.begin(ctx)
			}
		})
	}
	each.Wait()
	switch took := time.Since(l.started); {
	case l.err != nil:
		return l.err
	case l.refused == nil && l.asked > sessionsAtOnce+int(took/sessionEach)+1:
		return fmt.Errorf("%d sessions began in %s", l.asked, took.Round(time.Second))
	case l.refused == nil:
		return skip(fmt.Sprintf("only %d sessions could be begun in %s", l.asked, took.Round(time.Second)))
	case l.refused.after <= 0:
		return errors.New("OVER_LIMIT without retry_after_ms")
	case float64(l.taken) < l.before-2: // what was begun before may have been counted later
		return fmt.Errorf("OVER_LIMIT after %d sessions, where %d may begin", l.taken, int(l.before))
	}
	if !pause(ctx, l.refused.after) {
		return ctx.Err()
	}
	p, _, err := g.session(ctx, g.hello())
	if err != nil {
		return fmt.Errorf("%s later, as it was told to wait, it %w", l.refused.after, err)
	}
	p.close()
	return nil
}

// limitProbe counts what became of the sessions of one device.
type limitProbe struct {
	g       *gatewayRun
	before  float64 // how many were left when it began
	started time.Time

	mu      sync.Mutex
	asked   int     // began, refused or not
	taken   int     // were let in
	refused *notNow // the first refusal
	err     error
}

// more says whether another session shall begin.
func (l *limitProbe) more() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	allowed := sessionsAtOnce + int(time.Since(l.started)/sessionEach)
	if l.refused != nil || l.err != nil || l.asked > allowed+10 || time.Since(l.started) > time.Minute {
		return false
	}
	l.asked++
	return true
}

// begin begins one, as far as the answer to a Hello that no gateway can take.
func (l *limitProbe) begin(ctx context.Context) {
	p, err := l.g.open(ctx)
	if err == nil {
		defer p.close()
		err = p.send(&lockwirev1.Hello{DeviceId: l.g.name, BootEpoch: 1, Versions: []uint32{9}})
	}
	if err == nil {
		err = p.refused(badVersion)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var busy *notNow
	switch {
	case errors.As(err, &busy):
		if l.refused == nil {
			l.refused = busy
		}
	case err != nil && l.err == nil:
		l.err = err
	case err == nil:
		l.taken++
	}
}
