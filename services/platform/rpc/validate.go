package rpc

import (
	"errors"
	"strings"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/fault/v1"
	"github.com/cardea-mesh/cardea/services/platform/fault"
)

// validate checks the rules that the proto states. The answer names every broken rule; its detail is the first field's path.
// Rule texts do not repeat values, so nothing personal comes back or is logged.
func validate(msg proto.Message) error {
	err := protovalidate.Validate(msg)
	var broken *protovalidate.ValidationError
	if err != nil && errors.As(err, &broken) && len(broken.Violations) > 0 {
		return invalid(broken)
	}
	return err // not nil: the rules themselves do not compile, our fault
}

func invalid(broken *protovalidate.ValidationError) error {
	var texts []string
	for _, violation := range broken.Violations {
		path := protovalidate.FieldPathString(violation.Proto.GetField())
		text := violation.Proto.GetMessage()
		if text == "" {
			text = violation.Proto.GetRuleId()
		}
		texts = append(texts, strings.TrimPrefix(path+": "+text, ": "))
	}
	first := protovalidate.FieldPathString(broken.Violations[0].Proto.GetField())
	return fault.New(connect.CodeInvalidArgument, faultv1.Reason_REASON_INVALID_FIELD, "%s", strings.Join(texts, "; ")).With(first)
}
