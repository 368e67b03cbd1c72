package wire

import (
	"fmt"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// maxText is the limit of an Error's text, in bytes.
const maxText = 200

// ProtocolError is what is wrong with what the peer sent, or what the peer said is wrong with what we sent.
type ProtocolError struct {
	Code lockwirev1.ErrorCode
	// RequestID is the request that the error answers; 0: the connection.
	RequestID uint64
	// Text is for people and never has secrets.
	Text string
	// RetryAfterMS asks the lock to stay away; 0: its own back-off.
	RetryAfterMS uint32
}

// Error has the code's name and the text.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("%s: %s", e.Code, e.Text)
}

// Message is the Error frame that tells the peer.
func (e *ProtocolError) Message() *lockwirev1.Error {
	return &lockwirev1.Error{Code: e.Code, RequestId: e.RequestID, Text: ascii(e.Text), RetryAfterMs: e.RetryAfterMS}
}

// FromMessage is the error that the peer told.
func FromMessage(m *lockwirev1.Error) *ProtocolError {
	return &ProtocolError{Code: m.GetCode(), RequestID: m.GetRequestId(), Text: m.GetText(), RetryAfterMS: m.GetRetryAfterMs()}
}

func malformed(format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_MALFORMED, Text: fmt.Sprintf(format, args...)}
}

// Unexpected is the error of a message that the state does not allow.
func Unexpected(format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: lockwirev1.ErrorCode_ERROR_CODE_UNEXPECTED, Text: fmt.Sprintf(format, args...)}
}

// ascii makes a text fit the field: printable ASCII, bounded.
func ascii(text string) string {
	out := make([]byte, 0, min(len(text), maxText))
	for i := 0; i < len(text) && len(out) < maxText; i++ {
		c := text[i]
		if c < ' ' || c > '~' {
			c = '?'
		}
		out = append(out, c)
	}
	return string(out)
}
