package lockconformance

import (
	"context"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

func endRules() []rule {
	return []rule{
		{name: "R-ERROR-1", gateway: refuses(badVersion, func(_ *gatewayRun, p *peer) error { return p.raw([]byte{0, 0, 0, 2, 9, 1}) }),
			lock: lockRefuses(badVersion, func(p *peer) error { return p.raw([]byte{0, 0, 0, 2, 9, 1}) })},
		{name: "R-ERROR-2", lock: faultyDecision},
		{name: "R-ERROR-3", gateway: in(func(_ context.Context, _ *gatewayRun, p *peer) error {
			if err := p.send(&lockwirev1.Error{Code: malformed, Text: "you are at fault"}); err != nil {
				return err
			}
			for end := time.Now().Add(p.patience); ; {
				m, err := p.next(time.Until(end))
				if e, ok := m.(*lockwirev1.Error); ok {
					return fmt.Errorf("it answers an Error with Error %s", code(e.GetCode()))
				}
				if err != nil && !broke(err) {
					return fmt.Errorf("it does not close: %w", err)
				}
				if err != nil {
					return nil
				}
			}
		})},
		{name: "R-RATE-2", gateway: sessionLimit, lockNote: "R-DIAL-3 looks at it"},
		{name: "R-DIAL-1", lockNote: "this kit has one endpoint only"},
		{name: "R-DIAL-2", lockNote: "R-DIAL-3 looks at the shortest wait; the longer ones take minutes"},
		{name: "R-DIAL-3", lock: waitsAsAsked},
		{name: "R-DIAL-4", lockNote: "it takes an hour"},
		{name: "R-DIAL-5", lock: leaves},
		{name: "R-CLOCK-1", gatewayNote: "it is seen in the ledger"},
		{name: "R-CAP-1", gateway: func(ctx context.Context, g *gatewayRun) error {
			h := g.hello()
			h.Capabilities = []string{"teleport", "command.teleport"}
			p, _, err := g.session(ctx, h)
			if err != nil {
				return err
			}
			defer p.close()
			return p.alive()
		}, lock: inLock(func(_ context.Context, _ *lockRun, p *peer) error { return p.alive() })},
	}
}
