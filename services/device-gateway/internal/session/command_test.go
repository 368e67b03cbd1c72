package session_test

import (
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"github.com/cardea-mesh/cardea/services/device-gateway/internal/session"
)

// unlock is an order to unlock for a second, good for five.
func unlock(id, device string) session.Order {
	return order(id, device, &lockwirev1.Command{Action: &lockwirev1.Command_Unlock{Unlock: &lockwirev1.Unlock{UnlockMs: 1000}}})
}

func order(id, device string, c *lockwirev1.Command) session.Order {
	return session.Order{CommandID: id, Device: device, Command: c, NotAfter: time.Now().Add(5 * time.Second)}
}
