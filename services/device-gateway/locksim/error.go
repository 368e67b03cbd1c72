package locksim

import (
	"errors"
	"fmt"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// ErrAskedToLeave: the gateway ended the session with GoAway.
var ErrAskedToLeave = errors.New("the gateway asked to leave")

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
