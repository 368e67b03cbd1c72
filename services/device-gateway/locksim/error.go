package locksim

import (
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// ProtocolError is what a gateway said in an Error frame.
type ProtocolError struct {
	Code lockwirev1.ErrorCode
	Text string
	// RetryAfter is how long the gateway asked to stay away.
	RetryAfter time.Duration
}

// Error has the code's name and the text.
func (e *ProtocolError) Error() string { return fmt.Sprintf("the gateway said %s: %s", e.Code, e.Text) }

func wireError(m *lockwirev1.Error) *ProtocolError {
	return &ProtocolError{Code: m.GetCode(), Text: m.GetText(), RetryAfter: time.Duration(m.GetRetryAfterMs()) * time.Millisecond}
}
