package wire

import (
	"fmt"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// newMessage makes the empty message of a frame type; nil when the type is none that version 1 knows.
func newMessage(t lockwirev1.FrameType) proto.Message {
	switch t {
	case lockwirev1.FrameType_FRAME_TYPE_PING:
		return new(lockwirev1.Ping)
	case lockwirev1.FrameType_FRAME_TYPE_PONG:
		return new(lockwirev1.Pong)
	case lockwirev1.FrameType_FRAME_TYPE_GO_AWAY:
		return new(lockwirev1.GoAway)
	case lockwirev1.FrameType_FRAME_TYPE_ERROR:
		return new(lockwirev1.Error)
	case lockwirev1.FrameType_FRAME_TYPE_HELLO:
		return new(lockwirev1.Hello)
	case lockwirev1.FrameType_FRAME_TYPE_WELCOME:
		return new(lockwirev1.Welcome)
	case lockwirev1.FrameType_FRAME_TYPE_ACCESS_REQUEST:
		return new(lockwirev1.AccessRequest)
	case lockwirev1.FrameType_FRAME_TYPE_ACCESS_DECISION:
		return new(lockwirev1.AccessDecision)
	case lockwirev1.FrameType_FRAME_TYPE_EVENT_BATCH:
		return new(lockwirev1.EventBatch)
	case lockwirev1.FrameType_FRAME_TYPE_EVENT_ACK:
		return new(lockwirev1.EventAck)
	case lockwirev1.FrameType_FRAME_TYPE_COMMAND:
		return new(lockwirev1.Command)
	case lockwirev1.FrameType_FRAME_TYPE_COMMAND_RESULT:
		return new(lockwirev1.CommandResult)
	case lockwirev1.FrameType_FRAME_TYPE_BUNDLE:
		return new(lockwirev1.Bundle)
	case lockwirev1.FrameType_FRAME_TYPE_BUNDLE_ACK:
		return new(lockwirev1.BundleAck)
	case lockwirev1.FrameType_FRAME_TYPE_PART:
		return new(lockwirev1.Part)
	case lockwirev1.FrameType_FRAME_TYPE_REVOCATIONS:
		return new(lockwirev1.Revocations)
	case lockwirev1.FrameType_FRAME_TYPE_CERTIFICATE_REQUEST:
		return new(lockwirev1.CertificateRequest)
	case lockwirev1.FrameType_FRAME_TYPE_CERTIFICATE:
		return new(lockwirev1.Certificate)
	case lockwirev1.FrameType_FRAME_TYPE_ENROLL_REQUEST:
		return new(lockwirev1.EnrollRequest)
	case lockwirev1.FrameType_FRAME_TYPE_ENROLL_RESPONSE:
		return new(lockwirev1.EnrollResponse)
	default:
		return nil
	}
}

// TypeOf is the frame type of a message; FRAME_TYPE_UNSPECIFIED for one that is not of the protocol.
func TypeOf(m proto.Message) lockwirev1.FrameType {
	switch m.(type) {
	case *lockwirev1.Ping:
		return lockwirev1.FrameType_FRAME_TYPE_PING
	case *lockwirev1.Pong:
		return lockwirev1.FrameType_FRAME_TYPE_PONG
	case *lockwirev1.GoAway:
		return lockwirev1.FrameType_FRAME_TYPE_GO_AWAY
	case *lockwirev1.Error:
		return lockwirev1.FrameType_FRAME_TYPE_ERROR
	case *lockwirev1.Hello:
		return lockwirev1.FrameType_FRAME_TYPE_HELLO
	case *lockwirev1.Welcome:
		return lockwirev1.FrameType_FRAME_TYPE_WELCOME
	case *lockwirev1.AccessRequest:
		return lockwirev1.FrameType_FRAME_TYPE_ACCESS_REQUEST
	case *lockwirev1.AccessDecision:
		return lockwirev1.FrameType_FRAME_TYPE_ACCESS_DECISION
	case *lockwirev1.EventBatch:
		return lockwirev1.FrameType_FRAME_TYPE_EVENT_BATCH
	case *lockwirev1.EventAck:
		return lockwirev1.FrameType_FRAME_TYPE_EVENT_ACK
	case *lockwirev1.Command:
		return lockwirev1.FrameType_FRAME_TYPE_COMMAND
	case *lockwirev1.CommandResult:
		return lockwirev1.FrameType_FRAME_TYPE_COMMAND_RESULT
	case *lockwirev1.Bundle:
		return lockwirev1.FrameType_FRAME_TYPE_BUNDLE
	case *lockwirev1.BundleAck:
		return lockwirev1.FrameType_FRAME_TYPE_BUNDLE_ACK
	case *lockwirev1.Part:
		return lockwirev1.FrameType_FRAME_TYPE_PART
	case *lockwirev1.Revocations:
		return lockwirev1.FrameType_FRAME_TYPE_REVOCATIONS
	case *lockwirev1.CertificateRequest:
		return lockwirev1.FrameType_FRAME_TYPE_CERTIFICATE_REQUEST
	case *lockwirev1.Certificate:
		return lockwirev1.FrameType_FRAME_TYPE_CERTIFICATE
	case *lockwirev1.EnrollRequest:
		return lockwirev1.FrameType_FRAME_TYPE_ENROLL_REQUEST
	case *lockwirev1.EnrollResponse:
		return lockwirev1.FrameType_FRAME_TYPE_ENROLL_RESPONSE
	default:
		return lockwirev1.FrameType_FRAME_TYPE_UNSPECIFIED
	}
}

// decode turns a frame into its message: the type first, then whether it is accepted here (nil: all are), then the body.
// Nil without an error: a type that may be skipped.
func decode(f Frame, accept func(lockwirev1.FrameType) bool) (proto.Message, error) {
	m := newMessage(f.Type)
	if m == nil {
		if f.Type != lockwirev1.FrameType_FRAME_TYPE_UNSPECIFIED && f.Type&mustUnderstand == 0 {
			return nil, nil
		}
		return nil, &ProtocolError{
			Code: lockwirev1.ErrorCode_ERROR_CODE_UNKNOWN_TYPE,
			Text: fmt.Sprintf("type %d must be understood and is not", f.Type),
		}
	}
	if accept != nil && !accept(f.Type) {
		return nil, Unexpected("%s is not allowed here", f.Type)
	}
	if err := countRepeated(f); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(f.Body, m); err != nil {
		return nil, malformed("the body is no %s message", f.Type)
	}
	if err := Check(m); err != nil {
		return nil, err
	}
	return m, nil
}
